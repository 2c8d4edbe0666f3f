package provider

import (
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// census stands before Nomad and counts the requests by their kind: the method
// and the path, with jobs and evaluations left out.
type census struct {
	mu   sync.Mutex
	seen map[string]int
}

func (c *census) start(t testing.TB) (address string) {
	t.Helper()
	nomad, err := url.Parse(agent.Address)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(nomad)
	proxy.ErrorLog = log.New(io.Discard, "", 0)
	// Without these, the proxy would be what is slow.
	proxy.Transport = &http.Transport{MaxIdleConnsPerHost: 100}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		c.seen[kindOf(r)]++
		c.mu.Unlock()
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func kindOf(r *http.Request) string {
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/v1/"), "/")
	if len(parts) > 1 && parts[0] != "jobs" {
		parts[1] = "…"
	}
	return r.Method + " " + strings.Join(parts, "/")
}

// take returns what was counted since the last time.
func (c *census) take() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := c.seen
	c.seen = make(map[string]int)
	return seen
}

// table writes counts, as requests an app.
func table(seen map[string]int, apps int) string {
	var b strings.Builder
	for _, kind := range slices.Sorted(maps.Keys(seen)) {
		fmt.Fprintf(&b, "\n%8.2f %s", float64(seen[kind])/float64(apps), kind)
	}
	return b.String()
}

// fleet is a configuration of n apps.
func fleet(n int, prefix, most string) string {
	var config strings.Builder
	for i := range n {
		id := fmt.Sprintf("%s-%d", prefix, i)
		config.WriteString(app(id, spec(id, ""), `autoscaling = { min_instances = 1, max_instances = `+most+` }`))
	}
	return config.String()
}

// What is asked of Nomad for each app, and no more: a job is read once to
// refresh it, its specification is parsed once by each process, and what is
// written is read before and after. Only waiting takes as long as it takes.
func TestRequestsToNomad(t *testing.T) {
	t.Parallel()
	const apps = 20
	const mostWaits = 8
	c := &census{seen: make(map[string]int)}
	w := workspaceFor(t)
	address := c.start(t)
	waits := []string{"GET evaluation/…", "GET job/…/allocations"}
	const once = "GET namespace/…" // for its quota
	phase := func(name string, args []string, want map[string]int) {
		t.Helper()
		w.must(t, 0, args...)
		seen := c.take()
		t.Logf("%s:%s", name, table(seen, apps))
		waited := 0
		for _, kind := range waits {
			waited += seen[kind]
			delete(seen, kind)
		}
		if waited > mostWaits*apps {
			t.Errorf("%s: %d requests to wait for %d apps, want at most %d for each", name, waited, apps, mostWaits)
		}
		if seen[once] > 1 {
			t.Errorf("%s: %d times %s, want at most once", name, seen[once], once)
		}
		delete(seen, once)
		for kind := range want {
			want[kind] *= apps
		}
		if diff := cmp.Diff(want, seen); diff != "" {
			t.Errorf("%s of %d apps (-want +got):\n%s", name, apps, diff)
		}
	}
	plan, apply := []string{"plan", "-out=plan"}, []string{"apply", "plan"}
	w.configure(t, address, fleet(apps, "counted", "5"))
	phase("plan of new apps", plan, map[string]int{"PUT jobs/parse": 1})
	phase("apply of new apps", apply, map[string]int{"PUT jobs/parse": 1, "GET job/…": 2, "PUT jobs": 1})
	phase("plan without changes", plan, map[string]int{"GET job/…": 1})
	w.configure(t, address, fleet(apps, "counted", "6"))
	phase("plan of other policies", plan, map[string]int{"GET job/…": 1, "PUT jobs/parse": 1})
	phase("apply of other policies", apply, map[string]int{"PUT jobs/parse": 1, "GET job/…": 2, "PUT jobs": 1})
	w.configure(t, address, strings.ReplaceAll(fleet(apps, "counted", "6"), "3600", "1800"))
	phase("plan of other jobspecs", plan, map[string]int{"GET job/…": 1, "PUT jobs/parse": 1})
	// The jobspec of before tells which counts are new.
	phase("apply of other jobspecs", apply, map[string]int{"PUT jobs/parse": 2, "GET job/…": 2, "PUT jobs": 1})
	phase("destroy", []string{"apply", "-destroy", "-auto-approve"}, map[string]int{"GET job/…": 2, "DELETE job/…": 2})
}
