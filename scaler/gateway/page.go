package gateway

import (
	"bytes"
	_ "embed"
	"html/template"
	"mime"
	"net/http"
	"strconv"
	"strings"
)

//go:embed page.html
var pageSource string

var page = template.Must(template.New("page").Parse(pageSource))

// page is the refusal for a person, which tries again of itself.
func (r *Refusal) page() ([]byte, error) {
	title := "Not available yet"
	if r.Status == http.StatusTooManyRequests {
		title = "Too many requests"
	}
	var out bytes.Buffer
	err := page.Execute(&out, struct {
		*Refusal
		Title string
	}{r, title})
	return out.Bytes(), err
}

// wantsPage tells whether a page is what the client of a refused request is to
// see: a browser's, if another try makes sense.
func wantsPage(r *http.Request, refusal Refusal) bool {
	if refusal.RetryAfter == 0 || (r.Method != http.MethodGet && r.Method != http.MethodHead) {
		return false
	}
	html, json := 0.0, 0.0
	for _, accepted := range strings.Split(strings.Join(r.Header.Values("Accept"), ","), ",") {
		kind, parameters, err := mime.ParseMediaType(accepted)
		if err != nil {
			continue
		}
		weight := 1.0
		if q, err := strconv.ParseFloat(parameters["q"], 64); err == nil {
			weight = q
		}
		switch kind {
		case "text/html":
			html = max(html, weight)
		case "application/json":
			json = max(json, weight)
		}
	}
	return html > json
}
