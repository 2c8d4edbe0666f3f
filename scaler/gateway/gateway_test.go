package gateway_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

func TestNewRefuses(t *testing.T) {
	if _, err := gateway.New(gateway.Config{}); err == nil {
		t.Error("a gateway without Nomad was made")
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, config := range map[string]gateway.Config{
		"requests":       {Nomad: newFakeNomad(), Listen: taken.Addr().String()},
		"administration": {Nomad: newFakeNomad(), Listen: "127.0.0.1:0", AdminListen: taken.Addr().String()},
	} {
		if _, err := gateway.New(config); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want an error about listening for %s", err, name)
		}
	}
}

// A gateway that is told to end lets what is under way end: requests at
// instances, requests that wait for one, and WebSockets. New ones it does not
// take.
func TestRunDrains(t *testing.T) {
	release := make(chan struct{})
	address := instance(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/socket" {
			conn, err := websocket.Accept(w, r, nil)
			if err != nil {
				return
			}
			defer func() { _ = conn.CloseNow() }()
			if _, message, err := conn.Read(r.Context()); err == nil {
				_ = conn.Write(r.Context(), websocket.MessageText, message)
			}
			return
		}
		<-release
		fmt.Fprint(w, "whole")
	})
	g := serve(t, func(c *gateway.Config) { c.DrainTimeout = 20 * time.Second })
	waiting := "default/waiting/web"
	g.declare([]nomad.App{declared(t, webName, nil), declared(t, waiting, nil)}, allocation(webName, "a", 0, address))
	url := "http://" + g.Address() + "/apps/"

	answers := make(chan string, 2)
	for _, app := range []string{webName, waiting} {
		go func() {
			response, err := http.Get(url + app + "/")
			if err != nil {
				answers <- err.Error()
				return
			}
			defer response.Body.Close()
			text, err := io.ReadAll(response.Body)
			answers <- fmt.Sprint(response.StatusCode, string(text), err)
		}()
	}
	socket, _, err := websocket.Dial(t.Context(), strings.Replace(url, "http", "ws", 1)+webName+"/socket", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.CloseNow() }()
	eventually(t, "three requests are under way", func() bool { return g.underWay(t) == 3 })

	done := make(chan error)
	go func() { done <- g.stop() }()
	eventually(t, "the listener is closed", func() bool {
		conn, err := net.Dial("tcp", g.Address())
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
	if response := g.ask(t, "/readyz"); response.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("/readyz answers %s while the gateway ends", response.Status)
	} else {
		response.Body.Close()
	}
	g.nomad.instances.Update(allocation(waiting, "b", 0, address))
	close(release)
	for range 2 {
		if got := <-answers; got != "200whole<nil>" {
			t.Errorf("a request under way got %s", got)
		}
	}
	select {
	case err := <-done:
		t.Fatalf("the gateway ended (%v) before the WebSocket did", err)
	default:
	}
	if err := socket.Write(t.Context(), websocket.MessageText, []byte("still here")); err != nil {
		t.Error(err)
	}
	if _, got, err := socket.Read(t.Context()); err != nil || string(got) != "still here" {
		t.Errorf("the WebSocket got %q (%v)", got, err)
	}
	_ = socket.CloseNow()
	if err := <-done; err != nil {
		t.Errorf("ending the gateway: %v", err)
	}
}

// Load balancers have time to notice that a gateway is ending: it says so, serves
// on, and lets no connection be used again.
func TestRunGoesOnForTheShutdownDelay(t *testing.T) {
	g := serve(t, func(c *gateway.Config) { c.ShutdownDelay = 2 * time.Second })
	g.declare([]nomad.App{declared(t, webName, nil)}, allocation(webName, "a", 0, instance(t, serveApp)))
	url := "http://" + g.Address() + "/apps/" + webName + "/"
	status := func(url string) (code int, last bool) {
		response := get(t, url)
		response.Body.Close()
		return response.StatusCode, response.Close
	}
	if code, last := status(url); code != http.StatusOK || last {
		t.Errorf("before: %d, the connection's last: %t", code, last)
	}
	done := make(chan error)
	go func() { done <- g.stop() }()
	eventually(t, "/readyz says so", func() bool {
		code, _ := status("http://" + g.AdminAddress() + "/readyz")
		return code == http.StatusServiceUnavailable
	})
	if code, last := status(url); code != http.StatusOK || !last {
		t.Errorf("meanwhile: %d, the connection's last: %t", code, last)
	}
	socket, _, err := websocket.Dial(t.Context(), strings.Replace(url, "http", "ws", 1), nil)
	if err != nil {
		t.Fatalf("meanwhile: %v", err)
	}
	_ = socket.CloseNow()
	if err := <-done; err != nil {
		t.Errorf("ending the gateway: %v", err)
	}
	if _, err := net.Dial("tcp", g.Address()); err == nil {
		t.Error("afterwards it still listens")
	}
}

// What takes longer than the drain timeout is cut, and the gateway says so.
func TestRunCutsAtTheDrainTimeout(t *testing.T) {
	began := make(chan struct{})
	g := serve(t, func(c *gateway.Config) { c.DrainTimeout = 50 * time.Millisecond })
	g.nomad.report([]nomad.App{declared(t, webName, nil)})
	g.nomad.instances.Replace([]nomad.Instance{allocation(webName, "a", 0, instance(t, func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
	}))})
	var group sync.WaitGroup
	group.Go(func() {
		if response, err := http.Get("http://" + g.Address() + "/apps/" + webName + "/"); err == nil {
			t.Errorf("the request was answered %s", response.Status)
			response.Body.Close()
		}
	})
	<-began
	if err := g.stop(); err == nil || !strings.Contains(err.Error(), "1 requests") {
		t.Errorf("got %v, want that one request was cut", err)
	}
	group.Wait()
}

// The answers that the gateway gives itself are JSON that names the cause.
func TestRefusals(t *testing.T) {
	g := serve(t)
	url := "http://" + g.Address()
	if got := refusal(t, get(t, url+"/")); got.Cause.Status() != http.StatusServiceUnavailable || got.Cause != api.CauseStarting ||
		got.RetryAfter != 1 {
		t.Errorf("before the apps are known: %+v", got)
	}
	g.declare([]nomad.App{
		declared(t, webName, scaler.Document{"start_timeout": "1s"}),
		declared(t, "default/full/web", scaler.Document{"max_queued_requests": "0"}),
	})
	if got := refusal(t, get(t, url+"/")); got.Cause.Status() != http.StatusNotFound || got.Cause != api.CauseNoApp {
		t.Errorf("without an app: %+v", got)
	}
	if got := refusal(t, get(t, url+"/apps/default/full/web/")); got.Cause.Status() != http.StatusTooManyRequests ||
		got.Cause != api.CauseQueueFull || got.App != id("default/full/web") {
		t.Errorf("without room in the queue: %+v", got)
	}
	if got := refusal(t, get(t, url+"/apps/"+webName+"/")); got.Cause.Status() != http.StatusServiceUnavailable ||
		got.Cause != api.CauseStartTimeout || got.RetryAfter != 1 {
		t.Errorf("without an instance in time: %+v", got)
	}
	g.nomad.instances.Lost(errors.New("no servers"))
	if got := refusal(t, get(t, url+"/apps/"+webName+"/")); got.Cause != api.CauseNomadUnreachable ||
		!strings.Contains(got.Message, "no servers") {
		t.Errorf("without Nomad: %+v", got)
	}
}

// The page of a refusal says why, tries again by itself and takes nothing from
// elsewhere.
func TestPage(t *testing.T) {
	g := serve(t)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+g.Address()+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	text := body(t, response)
	if h := response.Header; response.StatusCode != 503 || !strings.HasPrefix(h.Get("Content-Type"), "text/html") ||
		h.Get("Retry-After") != "1" || h.Get("Cache-Control") != "no-store" || h.Get("Vary") != "Accept" {
		t.Errorf("answered %s with %v", response.Status, h)
	}
	for _, want := range []string{`<meta http-equiv="refresh" content="1">`, "the gateway does not know the apps yet",
		"<small>503 gateway_starting</small>"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q:\n%s", want, text)
		}
	}
	for _, link := range []string{"src=", "href=", "url(", "<script"} {
		if strings.Contains(text, link) {
			t.Errorf("the page has %q", link)
		}
	}
}

func TestAccessLog(t *testing.T) {
	for _, on := range []bool{true, false} {
		var mu sync.Mutex
		var log bytes.Buffer
		_, url := fronting(t, nil, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }, func(c *gateway.Config) {
			c.AccessLog = on
			c.Log = slog.New(slog.NewJSONHandler(locked{&mu, &log}, nil))
		})
		get(t, url+"/tea?secret=1").Body.Close()
		lines := func() (found []map[string]any) {
			mu.Lock()
			defer mu.Unlock()
			for line := range strings.Lines(log.String()) {
				var entry map[string]any
				if err := json.Unmarshal([]byte(line), &entry); err == nil && entry["msg"] == "request" {
					found = append(found, entry)
				}
			}
			return found
		}
		if !on {
			if got := lines(); got != nil {
				t.Errorf("without an access log: %v", got)
			}
			continue
		}
		eventually(t, "the request is logged", func() bool { return len(lines()) == 1 })
		got := lines()[0]
		if got["method"] != "GET" || got["path"] != "/apps/"+webName+"/tea" || got["namespace"] != "default" || got["job"] != "shop" ||
			got["group"] != "web" || got["instance"] != "a" || got["status"] != float64(http.StatusTeapot) {
			t.Errorf("logged %v", got)
		}
		if strings.Contains(log.String(), "secret") {
			t.Error("the query is in the log")
		}
	}
}

type locked struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}
