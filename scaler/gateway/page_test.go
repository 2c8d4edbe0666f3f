package gateway

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
)

const browserAccept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

// A browser gets a page where another try makes sense, everybody else JSON.
func TestWantsPage(t *testing.T) {
	later, never := api.Refusal{Cause: api.CauseStarting, RetryAfter: 5}, api.Refusal{Cause: api.CauseNoApp}
	for _, test := range []struct {
		method, accept string
		refusal        api.Refusal
		want           bool
	}{
		{http.MethodGet, browserAccept, later, true},
		{http.MethodHead, browserAccept, later, true},
		{http.MethodGet, browserAccept, never, false},
		{http.MethodPost, browserAccept, later, false},
		{http.MethodGet, "", later, false},
		{http.MethodGet, "*/*", later, false},
		{http.MethodGet, "application/json", later, false},
		{http.MethodGet, "application/json, text/html;q=0.5", later, false},
		{http.MethodGet, "application/json;q=0.5, text/html", later, true},
		{http.MethodGet, "text/html;q=0", later, false},
		{http.MethodGet, "text/html;q=wrong, ;;", later, true},
	} {
		r := httptest.NewRequest(test.method, "/", nil)
		if test.accept != "" {
			r.Header.Set("Accept", test.accept)
		}
		if got := wantsPage(r, test.refusal); got != test.want {
			t.Errorf("%s, Accept %q, retry after %d: page %t, want %t", test.method, test.accept, test.refusal.RetryAfter, got, test.want)
		}
	}
}

// The page says why, tries again by itself, takes nothing from elsewhere, and
// shows what others have written as text.
func TestPage(t *testing.T) {
	g := newGateway(t)
	running(t, g)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+g.Address()+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", browserAccept)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	text := body(t, response)
	if h := response.Header; response.StatusCode != 503 || !strings.HasPrefix(h.Get("Content-Type"), "text/html") || h.Get("Retry-After") != "1" || h.Get("Cache-Control") != "no-store" || h.Get("Vary") != "Accept" {
		t.Errorf("answered %s with %v", response.Status, h)
	}
	for _, want := range []string{`<meta http-equiv="refresh" content="1">`, "the gateway does not know the apps yet", string(api.CauseStarting)} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q:\n%s", want, text)
		}
	}
	for _, link := range []string{"src=", "href=", "url(", "<script"} {
		if strings.Contains(text, link) {
			t.Errorf("the page has %q", link)
		}
	}

	evil := api.Refusal{Cause: api.CauseStarting, RetryAfter: 1, Message: `<script>alert("x")</script>`, App: idOf(`a/"><b>/c`)}
	written, err := page(&evil)
	if err != nil || strings.Contains(string(written), "<script>") || strings.Contains(string(written), "<b>") {
		t.Errorf("not escaped (%v):\n%s", err, written)
	}
}
