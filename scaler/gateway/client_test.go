package gateway

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// The whole cost of a request that waits is its head: no body is read before there is
// an instance, except for what HTTP/2 receives by itself.
func TestMemoryOfAWaitingRequest(t *testing.T) {
	post := func(version int, length int64, cookie string) int64 {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("body"))
		r.ProtoMajor, r.ContentLength = version, length
		r.Header.Set("Cookie", cookie)
		return client{r}.Memory()
	}
	head := post(1, 0, "")
	if got := post(1, 0, strings.Repeat("x", 1000)) - head; got != 1000 {
		t.Errorf("a header of 1000 bytes more costs %d", got)
	}
	for _, test := range []struct {
		version int
		length  int64
		body    int64
	}{{1, 1 << 30, 0}, {1, -1, 0}, {2, 0, 0}, {2, 100, 100}, {2, 1 << 30, streamBuffer}, {2, -1, streamBuffer}} {
		if got := post(test.version, test.length, "") - head; got != test.body {
			t.Errorf("HTTP/%d with a body of %d bytes costs %d more than its head, want %d", test.version, test.length, got, test.body)
		}
	}
}
