package nomad_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

// watchStatuses returns a cache that watches until the test ends, and the failures that it
// reports.
func watchStatuses(t *testing.T, c *nomad.Client) (*nomad.StatusCache, *failures) {
	t.Helper()
	cache, failed := nomad.NewStatusCache(c), new(failures)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		cache.Watch(ctx, failed.add)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return cache, failed
}

type failures struct {
	mu       sync.Mutex
	reported []error
}

func (f *failures) add(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reported = append(f.reported, err)
}

func (f *failures) all() []error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]error(nil), f.reported...)
}

// isCached reports whether the cache returns a cached status.
func isCached(t *testing.T, cache *nomad.StatusCache, p scaler.Policy) bool {
	t.Helper()
	_, cached, err := cache.Status(t.Context(), p.App)
	return err == nil && cached
}

// untilCached is longer than it takes until a new stream counts.
const untilCached = 30 * time.Second

// A change by another client is in the next status as soon as its event arrives, with the
// scaling event that follows.
func TestStatusCacheSeesEveryChange(t *testing.T) {
	agent := nomadtest.Start(t)
	cache, failed := watchStatuses(t, agent.Client)
	apps := make(map[string]scaler.Policy)
	for _, name := range []string{"scaled", "registered", "stopped", "purged", "noted", "own"} {
		apps[name] = nomadtest.Policy(t, "cached-"+name, scaler.Document{"max_instances": "5"})
		agent.Register(t, nomadtest.Job(apps[name]))
	}
	nomadtest.Eventually(t, untilCached, "every status kept", func() bool {
		all := true
		for _, p := range apps {
			all = isCached(t, cache, p) && all
		}
		return all
	})
	// sees waits until a status matches, which must not take longer than an event.
	sees := func(t *testing.T, p scaler.Policy, fits func(nomad.Status, error) bool) {
		t.Helper()
		nomadtest.Eventually(t, 2*time.Second, "the change", func() bool {
			status, _, err := cache.Status(t.Context(), p.App)
			return fits(status, err)
		})
	}

	t.Run("a scale", func(t *testing.T) {
		p := apps["scaled"]
		before := agent.Status(t, p)
		if err := agent.Client.Scale(t.Context(), p.App, before, scaler.Decision{Desired: 1, Count: 3, Rule: scaler.RuleUp}); err != nil {
			t.Fatal(err)
		}
		sees(t, p, func(status nomad.Status, err error) bool {
			if err == nil && status.Desired == 3 && status.History.LastAction == nil {
				t.Error("the count has changed and the history has not")
			}
			return err == nil && status.Desired == 3
		})
		if isCached(t, cache, p) {
			t.Error("the status is kept while its scaling event may be on the way")
		}
	})
	t.Run("a registration", func(t *testing.T) {
		p := apps["registered"]
		job := nomadtest.Job(p)
		*job.TaskGroups[0].Count = 4
		agent.Register(t, job)
		sees(t, p, func(status nomad.Status, err error) bool { return err == nil && status.Desired == 4 })
	})
	t.Run("a stop", func(t *testing.T) {
		p := apps["stopped"]
		if _, _, err := agent.API.Jobs().Deregister(p.App.Job, false, nil); err != nil {
			t.Fatal(err)
		}
		sees(t, p, func(status nomad.Status, err error) bool { return err == nil && status.Stopped })
	})
	t.Run("a purge", func(t *testing.T) {
		p := apps["purged"]
		if _, _, err := agent.API.Jobs().Deregister(p.App.Job, true, nil); err != nil {
			t.Fatal(err)
		}
		sees(t, p, func(_ nomad.Status, err error) bool { return errors.Is(err, nomad.ErrNotFound) })
	})
	t.Run("one's own", func(t *testing.T) {
		cache.Forget(apps["own"].App)
		if isCached(t, cache, apps["own"]) {
			t.Error("the status is kept while its job is being changed")
		}
	})
	t.Run("a note, which makes no event, is nothing to decide by", func(t *testing.T) {
		p := apps["noted"]
		before, _, err := cache.Status(t.Context(), p.App)
		if err != nil {
			t.Fatal(err)
		}
		if err := agent.Client.Record(t.Context(), p.App, "a dry run", nomad.Meta(scaler.Decision{Desired: 1, Count: 2}, before.History)); err != nil {
			t.Fatal(err)
		}
		if after := agent.Status(t, p); after.Desired != before.Desired || after.History != before.History {
			t.Errorf("the note made %+v of %+v", after, before)
		}
	})
	t.Run("in a namespace that came later", func(t *testing.T) {
		if _, err := agent.API.Namespaces().Register(&api.Namespace{Name: "later"}, nil); err != nil {
			t.Fatal(err)
		}
		p := nomadtest.Policy(t, "cached-later", scaler.Document{"namespace": "later", "max_instances": "5"})
		agent.Register(t, nomadtest.Job(p))
		// The stream is opened again, and then covers the namespace.
		nomadtest.Eventually(t, 30*time.Second+untilCached, "a kept status", func() bool { return isCached(t, cache, p) })
		job := nomadtest.Job(p)
		*job.TaskGroups[0].Count = 2
		agent.Register(t, job)
		sees(t, p, func(status nomad.Status, err error) bool { return err == nil && status.Desired == 2 })
	})
	if reported := failed.all(); len(reported) > 0 {
		t.Errorf("failures %v were reported, want none", reported)
	}
}

func TestStatusCacheSurvivesNomadsRestart(t *testing.T) {
	agent := nomadtest.Start(t, nomadtest.Options{Durable: true})
	cache, failed := watchStatuses(t, agent.Client)
	p := nomadtest.Policy(t, "restarted", nil)
	agent.Register(t, nomadtest.Job(p))
	nomadtest.Eventually(t, untilCached, "a kept status", func() bool { return isCached(t, cache, p) })

	agent.Kill()
	nomadtest.Eventually(t, 2*time.Second, "an error while Nomad is down", func() bool {
		_, _, err := cache.Status(t.Context(), p.App)
		return err != nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := agent.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if _, _, err := cache.Status(t.Context(), p.App); err != nil {
		t.Errorf("error %v after the restart", err)
	}
	nomadtest.Eventually(t, untilCached, "a kept status after the restart", func() bool { return isCached(t, cache, p) })
	if len(failed.all()) == 0 {
		t.Error("the end of the stream was not reported")
	}
}

// With a token that may read statuses but no events, every status is read from Nomad.
func TestStatusCacheWithoutEvents(t *testing.T) {
	agent := nomadtest.Start(t, nomadtest.Options{ACL: true})
	p := nomadtest.Policy(t, "web", nil)
	agent.Register(t, nomadtest.Job(p))
	rules := `namespace "default" { capabilities = ["read-job-scaling"] }`
	if _, err := agent.API.ACLPolicies().Upsert(&api.ACLPolicy{Name: "reader", Rules: rules}, nil); err != nil {
		t.Fatal(err)
	}
	token, _, err := agent.API.ACLTokens().Create(&api.ACLToken{Name: "reader", Type: "client", Policies: []string{"reader"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	client, err := nomad.New(&api.Config{Address: agent.Address, SecretID: token.SecretID})
	if err != nil {
		t.Fatal(err)
	}
	cache, failed := watchStatuses(t, client)
	nomadtest.Eventually(t, 2*soon, "the failure", func() bool { return len(failed.all()) > 0 })
	if err := failed.all()[0]; !strings.Contains(err.Error(), "read-job") {
		t.Errorf("error %v, want one that names the capability", err)
	}
	status, kept, err := cache.Status(t.Context(), p.App)
	if err != nil || kept || status.Desired != 1 {
		t.Errorf("the status is %+v, kept: %t, %v; want the one that Nomad has", status, kept, err)
	}
}

// speaking is a Nomad with one job. A test defines its count and the lines of its event
// stream.
type speaking struct {
	count atomic.Int64
	asked atomic.Int64

	mu     sync.Mutex
	stream *io.PipeWriter
	opened int
	refuse bool
}

func (s *speaking) RoundTrip(r *http.Request) (*http.Response, error) {
	response := &http.Response{StatusCode: http.StatusOK, Header: make(http.Header), ContentLength: -1, Request: r}
	for _, header := range []string{"X-Nomad-Index", "X-Nomad-LastContact"} {
		response.Header.Set(header, "1")
	}
	switch {
	case r.URL.Path == "/v1/namespaces":
		response.Body = io.NopCloser(strings.NewReader(`[{"Name": "default"}]`))
	case strings.HasSuffix(r.URL.Path, "/scale"):
		s.asked.Add(1)
		response.Body = io.NopCloser(strings.NewReader(fmt.Sprintf(`{"TaskGroups": {"app": {"Desired": %d}}}`, s.count.Load())))
	case r.URL.Path == "/v1/event/stream":
		s.mu.Lock()
		defer s.mu.Unlock()
		s.opened++
		read, write := io.Pipe()
		context.AfterFunc(r.Context(), func() { write.CloseWithError(r.Context().Err()) })
		s.stream, response.Body = write, read
		if !s.refuse {
			go fmt.Fprintln(write, "{}")
		}
	default:
		return nil, fmt.Errorf("unexpected request for %s", r.URL.Path)
	}
	return response, nil
}

func (s *speaking) say(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintln(s.stream, line)
}

func (s *speaking) streams() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opened
}

// speak runs a test with a cache of such a Nomad, which sends a heartbeat every 30 seconds
// while it is alive.
func speak(t *testing.T, test func(t *testing.T, s *speaking, cache *nomad.StatusCache, failed *failures, alive *atomic.Bool)) {
	synctest.Test(t, func(t *testing.T) {
		s := new(speaking)
		s.count.Store(1)
		client, err := nomad.New(&api.Config{Address: "http://nomad", HttpClient: &http.Client{Transport: s}})
		if err != nil {
			t.Fatal(err)
		}
		cache, failed := watchStatuses(t, client)
		alive := new(atomic.Bool)
		alive.Store(true)
		beat := time.NewTicker(30 * time.Second)
		t.Cleanup(beat.Stop)
		go func() {
			for {
				select {
				case <-t.Context().Done():
					return
				case <-beat.C:
					if alive.Load() {
						s.say("{}")
					}
				}
			}
		}()
		test(t, s, cache, failed, alive)
	})
}

func TestStatusCacheExpires(t *testing.T) {
	speak(t, func(t *testing.T, s *speaking, cache *nomad.StatusCache, failed *failures, _ *atomic.Bool) {
		p := nomadtest.Policy(t, "web", nil)
		ask := func(want int, wantKept bool) {
			t.Helper()
			status, kept, err := cache.Status(t.Context(), p.App)
			if err != nil || status.Desired != want || kept != wantKept {
				t.Errorf("the count is %d, kept: %t, %v; want %d, kept: %t", status.Desired, kept, err, want, wantKept)
			}
		}
		event := func(job string) {
			s.say(fmt.Sprintf(`{"Index": 9, "Events": [{"Topic": "Job", "Namespace": "default", "Key": %q, "Payload": {"Job": {}}}]}`, job))
			synctest.Wait()
		}
		synctest.Wait()
		ask(1, false)
		ask(1, false) // what happened just before the stream began may not be over
		time.Sleep(6 * time.Second)
		ask(1, false)
		ask(1, true)
		event("another")
		ask(1, true)

		s.count.Store(2)
		event("web")
		ask(2, false)
		ask(2, false) // the scaling event may be on the way
		time.Sleep(6 * time.Second)
		ask(2, false)
		ask(2, true)

		// A lost event matters for at most five minutes.
		s.count.Store(3)
		time.Sleep(2 * time.Minute)
		ask(2, true)
		time.Sleep(3 * time.Minute)
		ask(3, false)

		// A caller that changes a count reads the status, which is cached from then on.
		s.count.Store(4)
		if status, err := cache.Read(t.Context(), p.App); err != nil || status.Desired != 4 {
			t.Errorf("the count is %d, %v; want 4", status.Desired, err)
		}
		ask(4, true)
		if reported := failed.all(); len(reported) > 0 || s.streams() != 1 {
			t.Errorf("%d streams, failures %v; want one and none", s.streams(), reported)
		}
	})
}

func TestStatusCacheWithoutAHeartbeat(t *testing.T) {
	speak(t, func(t *testing.T, s *speaking, cache *nomad.StatusCache, failed *failures, alive *atomic.Bool) {
		p := nomadtest.Policy(t, "web", nil)
		time.Sleep(6 * time.Second)
		isCached(t, cache, p)
		if !isCached(t, cache, p) {
			t.Fatal("nothing is kept")
		}
		alive.Store(false)
		time.Sleep(46 * time.Second)
		if isCached(t, cache, p) {
			t.Error("a status is kept by a stream that is dead")
		}
		if reported := failed.all(); len(reported) != 1 || !strings.Contains(reported[0].Error(), "no heartbeat") {
			t.Errorf("failures %v, want one", reported)
		}
		time.Sleep(11 * time.Second)
		if s.streams() != 2 {
			t.Errorf("%d streams were opened, want another one", s.streams())
		}
	})
}

func TestStatusCacheReportsAFailureOnce(t *testing.T) {
	speak(t, func(t *testing.T, s *speaking, _ *nomad.StatusCache, failed *failures, alive *atomic.Bool) {
		alive.Store(false)
		s.mu.Lock()
		s.refuse = true
		s.mu.Unlock()
		time.Sleep(10 * time.Minute)
		if reported := failed.all(); len(reported) != 1 || !strings.Contains(reported[0].Error(), "read-job") {
			t.Errorf("failures %v, want the refusal once", reported)
		}
		if n := s.streams(); n < 10 || n > 100 {
			t.Errorf("the stream was tried %d times in ten minutes", n)
		}
	})
}
