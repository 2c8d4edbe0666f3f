package gateway

import (
	"bytes"
	_ "embed"
	"html/template"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
)

//go:embed page.html
var pageSource string

var pageTemplate = template.Must(template.New("page").Parse(pageSource))

// page is the refusal for a person, which tries again of itself.
func page(r *api.Refusal) ([]byte, error) {
	title := "Not available yet"
	if r.Cause.Status() == http.StatusTooManyRequests {
		title = "Too many requests"
	}
	var out bytes.Buffer
	err := pageTemplate.Execute(&out, struct {
		*api.Refusal
		Title string
	}{r, title})
	return out.Bytes(), err
}

// wantsPage tells whether a page is what the client of a refused request is to
// see: a browser's, if another try makes sense.
func wantsPage(r *http.Request, refusal api.Refusal) bool {
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
