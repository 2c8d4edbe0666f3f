package gateway_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// reader is an instance that notes the requests it is sent, as it reads them.
type reader struct {
	mu   sync.Mutex
	seen []string
}

func (l *reader) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(r.Body)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = append(l.seen, fmt.Sprintf("%s %s %s %q %v", r.Method, r.Host, r.RequestURI, text, err))
	fmt.Fprint(w, "answer")
}

func (l *reader) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := l.seen
	l.seen = nil
	return seen
}

// Requests that two servers could read differently are refused, or reach the
// instance as the one request that the gateway has read. What is hidden in them
// never does.
func TestSmugglingIsRefused(t *testing.T) {
	const hidden = "GET /hidden HTTP/1.1\r\nHost: shop.example.com\r\nConnection: close\r\n\r\n"
	const empty, next = `POST shop.example.com / "" <nil>`, `GET shop.example.com /hidden "" <nil>`
	at := new(reader)
	g := serve(t)
	g.declare([]nomad.App{declared(t, webName, scaler.Document{"hosts": "shop.example.com"})}, allocation(webName, "a", 0, instance(t,
		at.ServeHTTP)))
	g.wantStates(t, map[string]api.State{"a": api.Ready})

	head := func(lines ...string) string {
		return "POST / HTTP/1.1\r\nHost: shop.example.com\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n"
	}
	sized := fmt.Sprintf("Content-Length: %d", len("0\r\n\r\n"+hidden))
	for _, test := range []struct {
		name, request string
		// status is the first answer's, and reached what the instance has seen.
		status  int
		reached []string
	}{
		// RFC 9112, section 6.3: Transfer-Encoding wins, and the connection ends.
		{"a length and chunks", head(sized, "Transfer-Encoding: chunked") + "0\r\n\r\n" + hidden, 200, []string{empty}},
		{"chunks and a length", head("Transfer-Encoding: chunked", sized) + "0\r\n\r\n" + hidden, 200, []string{empty}},
		{"chunks of HTTP/1.0", strings.Replace(head("Connection: keep-alive", "Transfer-Encoding: chunked"), "HTTP/1.1", "HTTP/1.0",
			1) + hidden, 200, []string{empty}},
		{"two lengths", head("Content-Length: 0", sized) + hidden, 400, nil},
		{"a list of lengths", head("Content-Length: 0, 5") + hidden, 400, nil},
		{"a signed length", head("Content-Length: +5") + "hello" + hidden, 400, nil},
		{"a negative length", head("Content-Length: -5") + hidden, 400, nil},
		{"a hexadecimal length", head("Content-Length: 0x5") + "hello" + hidden, 400, nil},
		{"an unknown encoding", head("Transfer-Encoding: xchunked") + "0\r\n\r\n" + hidden, 501, nil},
		{"two encodings", head("Transfer-Encoding: gzip, chunked") + "0\r\n\r\n" + hidden, 501, nil},
		{"chunks and identity", head("Transfer-Encoding: chunked, identity") + "0\r\n\r\n" + hidden, 501, nil},
		{"chunks twice", head("Transfer-Encoding: chunked", "Transfer-Encoding: chunked") + "0\r\n\r\n" + hidden, 501, nil},
		{"a vertical tab before the encoding", head("Transfer-Encoding: \vchunked") + "0\r\n\r\n" + hidden, 400, nil},
		{"a space before the colon", head("Transfer-Encoding : chunked") + "0\r\n\r\n" + hidden, 400, nil},
		// RFC 9112, section 5.2: it is one header, and the next request is one.
		{"a folded header", head("X-Long: a", " Transfer-Encoding: chunked") + hidden, 200, []string{empty, next}},
		{"a folded first header", "POST / HTTP/1.1\r\n Host: shop.example.com\r\n\r\n" + hidden, 400, nil},
		{"a header without a name", head(": empty") + hidden, 400, nil},
		{"a line feed in a header", head("X-A: 1\nX-B\n: 2") + hidden, 400, nil},
		{"a carriage return in a header", head("X-A: 1\rTransfer-Encoding: chunked") + hidden, 400, nil},
		{"a zero byte in a header", head("X-A: 1\x00") + hidden, 400, nil},
		{"no host", "GET / HTTP/1.1\r\n\r\n" + hidden, 400, nil},
		{"two hosts", head("Host: other.example.com") + hidden, 400, nil},
		{"a host with a space", "GET / HTTP/1.1\r\nHost: shop.example.com other\r\n\r\n" + hidden, 400, nil},
		{"a host with a path", "GET / HTTP/1.1\r\nHost: shop.example.com/x\r\n\r\n" + hidden, 400, nil},
		{"a host with a user", "GET / HTTP/1.1\r\nHost: a@shop.example.com\r\n\r\n" + hidden, 400, nil},
		{"a space in the address", "GET /a b HTTP/1.1\r\nHost: shop.example.com\r\n\r\n" + hidden, 400, nil},
		{"a version to come", "GET / HTTP/2.1\r\nHost: shop.example.com\r\n\r\n" + hidden, 505, nil},
		{"no version", "GET /\r\n" + hidden, 400, nil},
		{"a method that is none", "GE(T / HTTP/1.1\r\nHost: shop.example.com\r\n\r\n" + hidden, 400, nil},
		// It is refused, and the next request is one.
		{"a tunnel", "CONNECT shop.example.com:80 HTTP/1.1\r\nHost: shop.example.com\r\n\r\n" + hidden, 404, []string{next}},
		// RFC 9112, section 3.2.2: the address wins over Host.
		{"another host in Host", "GET http://shop.example.com/a HTTP/1.1\r\nHost: other.example.com\r\nConnection: close\r\n\r\n" + hidden,
			200, []string{`GET shop.example.com /a "" <nil>`}},
		{"another host in the address", "GET http://other.example.com/a HTTP/1.1\r\nHost: shop.example.com\r\nConnection: close\r\n\r\n" + hidden,
			404, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, reached := exchange(t, g, at, test.request)
			if status != test.status || !slices.Equal(reached, test.reached) {
				t.Errorf("got %d, and the instance %q, want %d and %q", status, reached, test.status, test.reached)
			}
		})
	}
	// What comes after a body that is malformed is not taken for a request.
	for name, chunks := range map[string]string{
		"a chunk with a bare line feed": "5\nhello\n0\n\n",
		"a chunk that is too long":      "5\r\nhello-and-more\r\n0\r\n\r\n",
		"a chunk of negative size":      "-1\r\n\r\n0\r\n\r\n",
		"a chunk of a size too great":   "FFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n",
		"a chunk with a space":          "5 \thello\r\n0\r\n\r\n",
		"a chunk without a size":        ";x=1\r\nhello\r\n0\r\n\r\n",
		"a chunk extension with a feed": "5;x\n=1\r\nhello\r\n0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, reached := exchange(t, g, at, head("Transfer-Encoding: chunked")+chunks+hidden)
			for _, request := range reached {
				if strings.Contains(request, "GET") || strings.HasSuffix(request, "<nil>") {
					t.Errorf("the instance got %q", reached)
				}
			}
		})
	}
}

// exchange sends bytes to the gateway and returns the first answer's status, and
// what the instance has seen when the gateway has closed the connection.
func exchange(t *testing.T, g *served, at *reader, request string) (status int, reached []string) {
	t.Helper()
	at.take()
	conn := raw(t, g, request)
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	lines := bufio.NewReader(conn)
	response, err := http.ReadResponse(lines, nil)
	if err == nil {
		status = response.StatusCode
		_, _ = io.Copy(io.Discard, response.Body)
		response.Body.Close()
	}
	if _, err := io.Copy(io.Discard, lines); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the gateway waits for more")
	}
	eventually(t, "nothing is under way", func() bool { return g.underWay(t) == 0 })
	return status, at.take()
}
