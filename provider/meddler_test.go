package provider

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log"
	"math"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/terraform"
)

// meddler stands before Nomad and runs its hooks around the first registration
// that passes through, and when waiting for a deployment has begun. It can cut
// connections.
type meddler struct {
	before, after func() error
	waiting       func() error
	// unreadable is how many reads of a job fail.
	unreadable atomic.Int32
	// cut is how many requests find their connection cut.
	cut atomic.Int64
	// deaf cuts the connection of a registration before Nomad hears of it, and
	// mute before it can answer; all that follow are cut too.
	deaf, mute atomic.Bool
	// blind takes the index out of the first registration: Nomad checks it outside
	// of the transaction that writes, and so can miss what comes between.
	blind        bool
	done, waited atomic.Bool
	failed       atomic.Pointer[error]
}

// forever is a number of requests that are cut.
const forever = math.MaxInt64

func (m *meddler) start(t *testing.T) (address string) {
	t.Helper()
	nomad, err := url.Parse(agent.Address)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(nomad)
	proxy.ErrorLog = log.New(io.Discard, "", 0) // clients that go away
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if m.cut.Load() > 0 {
			m.cut.Add(-1)
			panic(http.ErrAbortHandler)
		}
		if r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, "/v1/job/") && m.unreadable.Add(-1) >= 0 {
			http.Error(w, "no leader", http.StatusInternalServerError)
			return
		}
		registration := r.Method == http.MethodPut && r.URL.Path == "/v1/jobs" && m.done.CompareAndSwap(false, true)
		if registration {
			m.run(m.before)
			if m.blind {
				m.run(func() error { return withoutIndex(r) })
			}
			m.lose(m.deaf.Load())
			defer m.lose(m.mute.Load())
			if m.mute.Load() {
				w = httptest.NewRecorder()
			}
		}
		proxy.ServeHTTP(w, r)
		if registration {
			m.run(m.after)
		}
		if strings.HasSuffix(r.URL.Path, "/deployments") && m.waited.CompareAndSwap(false, true) {
			m.run(m.waiting)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// withoutIndex makes a registration one that is not compared with what is there.
func withoutIndex(r *http.Request) error {
	var request map[string]any
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		return err
	}
	delete(request, "EnforceIndex")
	body, err := json.Marshal(request)
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return err
}

// lose cuts this connection and all that follow, if it is to.
func (m *meddler) lose(now bool) {
	if now {
		m.cut.Store(forever)
		panic(http.ErrAbortHandler)
	}
}

// restore cuts no more.
func (m *meddler) restore() {
	m.deaf.Store(false)
	m.mute.Store(false)
	m.cut.Store(0)
}

func (m *meddler) run(hook func() error) {
	if hook == nil {
		return
	}
	if err := hook(); err != nil {
		m.failed.Store(&err)
	}
}

// meddled checks that the hooks ran.
func (m *meddler) meddled(*terraform.State) error {
	if err := m.failed.Load(); err != nil {
		return *err
	}
	if !m.done.Load() {
		return errors.New("nothing was registered")
	}
	return nil
}
