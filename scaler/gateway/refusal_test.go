package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
)

const browserAccept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

// A browser gets a page where another try makes sense, and other clients get JSON.
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

// The page shows what others have written as text.
func TestPageEscapes(t *testing.T) {
	hostile := api.Refusal{
		Cause: api.CauseStarting, RetryAfter: 1, Message: `<script>alert("x")</script>`,
		App: scaler.AppID{Namespace: "a", Job: `"><b>`, Group: "c"},
	}
	written, err := page(hostile)
	if !strings.Contains(string(written), "503 gateway_starting · a/&#34;&gt;&lt;b&gt;/c") {
		t.Errorf("the page does not name the app:\n%s", written)
	}
	if err != nil || strings.Contains(string(written), "<script>") || strings.Contains(string(written), "<b>") {
		t.Errorf("not escaped (%v):\n%s", err, written)
	}
}

// A refusal in the guide is what the gateway answers, to the letter.
func TestExampleOfARefusalIsReal(t *testing.T) {
	guide, err := os.ReadFile("../../templates/guides/troubleshooting.md.tmpl")
	if err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile("```text\nHTTP/1.1 (\\d+) [^\n]*\n[^{]*\n\n(\\{.*\\}\n)```").FindStringSubmatch(string(guide))
	if shown == nil {
		t.Fatal("the guide shows no refusal")
	}
	var refusal api.Refusal
	decoder := json.NewDecoder(strings.NewReader(shown[2]))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&refusal); err != nil {
		t.Fatal(err)
	}
	recorder := httptest.NewRecorder()
	writeRefusal(recorder, httptest.NewRequest(http.MethodGet, "/", nil), refusal)
	var answer bytes.Buffer
	fmt.Fprintf(&answer, "HTTP/1.1 %d %s\n", recorder.Code, http.StatusText(recorder.Code))
	for _, name := range slices.Sorted(maps.Keys(recorder.Header())) {
		fmt.Fprintf(&answer, "%s: %s\n", name, recorder.Header().Get(name))
	}
	fmt.Fprintf(&answer, "\n%s", recorder.Body)
	if want := "```text\n" + answer.String() + "```"; shown[0] != want {
		t.Errorf("the guide shows\n%s\nwant\n%s", shown[0], want)
	}
}
