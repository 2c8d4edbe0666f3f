package gateway_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
)

// speak sends raw bytes to the gateway and returns the connection.
func speak(t *testing.T, url, text string) net.Conn {
	t.Helper()
	address, path, _ := strings.Cut(strings.TrimPrefix(url, "http://"), "/")
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, text, "/"+path); err != nil {
		t.Fatal(err)
	}
	return conn
}

// answer reads an answer off a connection.
func answer(t *testing.T, conn net.Conn) *http.Response {
	t.Helper()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("reading the answer: %v", err)
	}
	return response
}

func TestLimitsOfRequests(t *testing.T) {
	reached := make(chan string, 1)
	g, url := fronting(t, nil, func(_ http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err == nil {
			reached <- string(b)
		}
	}, func(c *gateway.Config) { c.MaxBodyBytes, c.MaxHeaderBytes = 8, 4<<10 })

	post := func(r io.Reader) *http.Response {
		t.Helper()
		response, err := http.Post(url+"/", "text/plain", r)
		if err != nil {
			t.Fatal(err)
		}
		return response
	}
	for _, length := range []string{"known", "unknown"} {
		sized := func(s string) io.Reader {
			if length == "known" {
				return strings.NewReader(s)
			}
			return io.MultiReader(strings.NewReader(s))
		}
		if response := post(sized("12345678")); response.StatusCode != http.StatusOK || <-reached != "12345678" {
			t.Errorf("a body of %s length at the limit: %s", length, response.Status)
		}
		if got := refusal(t, post(sized("123456789"))); got.Cause.Status() != http.StatusRequestEntityTooLarge ||
			got.Cause != api.CauseBodyTooLarge {
			t.Errorf("a larger one of %s length: %+v, want 413", length, got)
		}
	}
	conn := speak(t, url, "GET %s HTTP/1.1\r\nHost: a\r\nCookie: "+strings.Repeat("x", 16<<10)+"\r\n\r\n")
	if response := answer(t, conn); response.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a large head: %s, want 431", response.Status)
	}
	if in := g.underWay(t); in != 0 {
		t.Errorf("%d requests are left", in)
	}
}

// A client that does not go on sending is answered 408; one that is slow but
// steady is served.
func TestSlowSenders(t *testing.T) {
	g, url := fronting(t, nil, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprint(w, len(b))
	}, func(c *gateway.Config) { c.ClientTimeout = time.Second })
	stalled := speak(t, url, "POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nbody")
	steady := speak(t, url, "POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n")
	// Six bytes, each well before the second is over, take longer than that.
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	for range 6 {
		<-tick.C
		if _, err := steady.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if response := answer(t, steady); response.StatusCode != http.StatusOK || body(t, response) != "6" {
		t.Errorf("the steady client got %s", response.Status)
	}
	if got := refusal(t, answer(t, stalled)); got.Cause.Status() != http.StatusRequestTimeout || got.Cause != api.CauseSlowClient {
		t.Errorf("the stalled client got %+v, want 408", got)
	}
	eventually(t, "nothing is under way", func() bool { return g.underWay(t) == 0 })

	// The deadlines of one request are not those of the next.
	fmt.Fprintf(steady, "POST /apps/%s/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n", webName)
	timer := time.NewTimer(700 * time.Millisecond)
	<-timer.C
	if _, err := steady.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if response := answer(t, steady); response.StatusCode != http.StatusOK {
		t.Errorf("the next request got %s", response.Status)
	}
}

// A client that takes nothing of its answer does not keep its place at the
// instance, and one that only waits for an answer loses none.
func TestSlowReaders(t *testing.T) {
	sent := make(chan struct{}, 1)
	g, url := fronting(t, nil, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/late" {
			time.Sleep(1500 * time.Millisecond)
			fmt.Fprint(w, "late")
			return
		}
		var err error
		for chunk := make([]byte, 64<<10); err == nil; {
			_, err = w.Write(chunk)
		}
		sent <- struct{}{}
	}, func(c *gateway.Config) { c.ClientTimeout = time.Second })
	speak(t, url, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n")
	late := speak(t, url+"/late", "GET %s HTTP/1.1\r\nHost: a\r\n\r\n")
	if response := answer(t, late); body(t, response) != "late" {
		t.Errorf("the late answer: %s", response.Status)
	}
	<-sent
	eventually(t, "nothing is under way", func() bool { return g.underWay(t) == 0 })

	// Nor does one by HTTP/2, where the flow control holds the answer back.
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	h2 := &http.Client{Transport: &http.Transport{Protocols: protocols}}
	response, err := h2.Get(url + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	<-sent
	eventually(t, "nothing is under way", func() bool { return g.underWay(t) == 0 })
}

// One that does not finish its head is cut off.
func TestSlowHeads(t *testing.T) {
	g := serve(t)
	conn := speak(t, "http://"+g.Address()+"/", "GET %s HTTP/1.1\r\nHost: a\r\nX-Slow: ")
	if n, err := conn.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("read %d bytes (%v), want the end of the connection", n, err)
	}
}
