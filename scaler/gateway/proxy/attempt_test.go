package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/proxy"
)

// Each way in which an attempt can fail has its result.
func TestAttemptResults(t *testing.T) {
	breaking, _ := breakingInstance(t, "")
	begun, _ := breakingInstance(t, "HTTP/1.1 2")
	hints, _ := breakingInstance(t, "HTTP/1.1 103 Early Hints\r\n\r\n")
	cut, _ := breakingInstance(t, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\npart")
	for _, test := range []struct {
		name, address    string
		phase            api.Phase
		cause            api.Cause
		message          string
		refused, aborted bool
		failed           bool
	}{
		{name: "an answer", address: serve(t, ok), phase: api.PhaseAnswered},
		{name: "an answer with an error of the app", address: serve(t, fails), phase: api.PhaseAnswered},
		{name: "a port that is closed", address: closed(t), phase: api.PhaseNotSent, cause: api.CauseUnreachable,
			message: "instances do not accept connections: dial tcp", refused: true, failed: true},
		{name: "no answer", address: breaking, phase: api.PhaseSent, cause: api.CauseBadAnswer,
			message: "the instance broke off before it answered: ", failed: true},
		{name: "half a head", address: begun, phase: api.PhaseBroken, cause: api.CauseBadAnswer,
			message: "the instance's answer cannot be read: ", failed: true},
		{name: "hints alone", address: hints, phase: api.PhaseBroken, cause: api.CauseBadAnswer,
			message: "the instance's answer cannot be read: ", failed: true},
		{name: "half an answer", address: cut, phase: api.PhaseAnswered, aborted: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFront(t, proxy.Config{}, test.address)
			response, err := http.Post(f.url, "text/plain", nil)
			if err == nil {
				_, err = io.Copy(io.Discard, response.Body)
				response.Body.Close()
			}
			if (err != nil) != test.aborted {
				t.Errorf("the client got %v", err)
			}
			got := f.next(t)
			if got.Phase != test.phase || got.Cause != test.cause || got.Refused != test.refused || got.Aborted != test.aborted || got.Failed() != test.failed {
				t.Errorf("got %+v", got.AttemptResult)
			}
			if (got.Err == nil) != (test.cause == "") || got.Err != nil && !strings.HasPrefix(got.Err.Error(), test.message) {
				t.Errorf("got %v, want %s…", got.Err, test.message)
			}
			if answered := test.phase == api.PhaseAnswered; got.Headed.IsZero() == answered || (got.Status != 0) != answered || got.Sent.IsZero() {
				t.Errorf("status %d was sent at %s and headed at %s", got.Status, got.Sent, got.Headed)
			}
		})
	}
}

func ok(http.ResponseWriter, *http.Request) {}

func fails(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }

func TestAttemptTimesOut(t *testing.T) {
	t.Run("before the answer", func(t *testing.T) {
		left := make(chan struct{})
		f := newFront(t, proxy.Config{}, serve(t, func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			close(left)
		}))
		f.timeout = 50 * time.Millisecond
		wantRefusal(t, send(t, http.MethodGet, f.url, "", nil), api.CauseRequestTimeout)
		<-left
		if got := f.next(t); got.Phase != api.PhaseSent || got.Err.Error() != "no answer within 50ms" || !got.Failed() || got.reason != "" {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("within the answer", func(t *testing.T) {
		f := newFront(t, proxy.Config{}, serve(t, func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "part")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}))
		f.timeout = 50 * time.Millisecond
		response := send(t, http.MethodGet, f.url, "", nil)
		defer response.Body.Close()
		if _, err := io.ReadAll(response.Body); err == nil {
			t.Error("an answer that was cut looks whole")
		}
		if got := f.next(t); got.Phase != api.PhaseAnswered || !got.Aborted || got.Cause != "" || got.Failed() {
			t.Errorf("got %+v", got)
		}
	})
}

// An upgrade that the client has not asked for is refused, and counts as an answer.
func TestAttemptRefusesAnUpgrade(t *testing.T) {
	f := newFront(t, proxy.Config{}, serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "shouting")
		w.WriteHeader(http.StatusSwitchingProtocols)
	}))
	wantRefusal(t, send(t, http.MethodGet, f.url, "", nil), api.CauseBadAnswer)
	if got := f.next(t); got.Phase != api.PhaseAnswered || got.Cause != api.CauseBadAnswer || got.Failed() || got.reason != "" {
		t.Errorf("got %+v", got)
	}
}

// A client whose body breaks off is told so, and its instance is not blamed.
func TestBrokenBodyIsTheClients(t *testing.T) {
	f := newFront(t, proxy.Config{}, serve(t, echo))
	for range 5 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nnonsense\r\n")
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusBadRequest {
			t.Errorf("got %s", response.Status)
		}
		if got := f.next(t); got.Failed() || got.Cause != "" && (got.Cause != api.CauseBadRequest || !strings.HasPrefix(got.Err.Error(), "the body of the request cannot be read: ")) {
			t.Errorf("got %+v", got)
		}
	}
}

// A gateway that has run out of files or ports blames no instance.
func TestOwnFaultsAreNoRefusal(t *testing.T) {
	for err, want := range map[error]bool{syscall.ECONNREFUSED: true, syscall.EHOSTUNREACH: true, syscall.EMFILE: false, syscall.EADDRNOTAVAIL: false} {
		p := proxy.New(proxy.Config{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			return nil, &net.OpError{Op: "dial", Err: err}
		})})
		got := p.Forward(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil), proxy.Attempt{})
		if got.Cause != api.CauseUnreachable || got.Refused != want || got.Failed() != want {
			t.Errorf("%v is the instance's: %t, want %t (%+v)", err, got.Refused, want, got)
		}
	}
}
