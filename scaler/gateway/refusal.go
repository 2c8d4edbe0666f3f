package gateway

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"html/template"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
)

// writeRefusal answers a request that is refused, in JSON or with a page.
func writeRefusal(w http.ResponseWriter, r *http.Request, refusal api.Refusal) {
	body, kind := []byte(nil), "application/json"
	var err error
	if wantsPage(r, refusal) {
		kind = "text/html; charset=utf-8"
		body, err = page(refusal)
	} else {
		body, err = json.Marshal(refusal)
	}
	if err != nil {
		http.Error(w, refusal.Message, refusal.Cause.Status())
		return
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "no-store")
	if refusal.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(refusal.RetryAfter))
		// A browser gets another answer at the same place.
		h.Set("Vary", "Accept")
	}
	w.WriteHeader(refusal.Cause.Status())
	_, _ = w.Write(append(body, '\n'))
}

//go:embed page.html
var pageSource string

var pageTemplate = template.Must(template.New("page").Parse(pageSource))

// page is a refusal for a browser. It tries again by itself.
func page(refusal api.Refusal) ([]byte, error) {
	title := "Not available yet"
	if refusal.Cause.Status() == http.StatusTooManyRequests {
		title = "Too many requests"
	}
	var out bytes.Buffer
	err := pageTemplate.Execute(&out, struct {
		api.Refusal
		Title string
	}{refusal, title})
	return out.Bytes(), err
}

// wantsPage reports whether the client of a refused request is to see a page: a
// browser, if another try makes sense.
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
