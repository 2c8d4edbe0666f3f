package backend_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/backend"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

const (
	// placementGrace is how long Nomad may lack room.
	placementGrace = time.Second
	// unknownStart is how long a start is taken to last before one is known.
	unknownStart = 5 * time.Second
)

// starting runs a test with an app at zero for which a request waits. The ports of
// the instances a and b are closed.
func starting(t *testing.T, test func(t *testing.T, f *fixture, a *backend.App, c *crowd)) {
	t.Helper()
	document := scaler.Document{"min_instances": "0", "start_timeout": "60s"}
	scaling(t, document, func(t *testing.T, f *fixture, a *backend.App, c *crowd) {
		for _, id := range []string{"a", "b"} {
			f.ports.close("instance-"+id, errors.New("connection refused"))
		}
		c.send(t.Context(), 0)
		awaitBurst(t)
		test(t, f, a, c)
	})
}

// wantFailed checks that a request was told that the start failed, and why.
func (c *crowd) wantFailed(t *testing.T, number int, why string) api.Refusal {
	t.Helper()
	synctest.Wait()
	_, refused := c.seen()
	got := refused[number]
	if got.Cause.Status() != 503 || got.Cause != api.CauseStartFailed || got.RetryAfter < 1 || !strings.Contains(got.Message, why) {
		t.Errorf("request %d got %+v, want 503 start_failed with %q and a time to retry", number, got, why)
	}
	return got
}

// wantWaiting checks that some requests wait, that none was served, and that no
// more were refused than before.
func (c *crowd) wantWaiting(t *testing.T, refusedBefore int) {
	t.Helper()
	synctest.Wait()
	if served, refused := c.seen(); len(refused) != refusedBefore || len(served) != 0 || c.queued() == 0 {
		t.Errorf("refused %+v and served %v with %d waiting, want that they wait", refused, served, c.queued())
	}
}

// noRoom is an evaluation that has no room for the app from now on.
func noRoom(id string) backend.PlacementFailure {
	return backend.PlacementFailure{Evaluation: id, Why: "1 instance cannot be placed: memory exhausted on 3 nodes", Since: time.Now()}
}

// pending is an instance of the app that has begun, and failed one that has ended in
// failure.
func pending(a *backend.App, id string, index uint64) nomad.Instance {
	i := allocation(a, id, 0)
	i.ModifyIndex = index
	return i
}

func failed(a *backend.App, id string, index uint64) nomad.Instance {
	i := pending(a, id, index)
	i.Gone, i.Failed, i.Failure = true, true, "task web: Driver Failure: no such image"
	return i
}

// Without room for an instance no request waits for long, and when there is room
// again the next request waits for it.
func TestStartWithoutRoom(t *testing.T) {
	starting(t, func(t *testing.T, f *fixture, a *backend.App, c *crowd) {
		f.ports.close("instance-a", nil)
		a.SetPlacement(noRoom("e"))
		c.wantWaiting(t, 0)
		time.Sleep(placementGrace + watchInterval)
		got := c.wantFailed(t, 0, "memory exhausted on 3 nodes")
		c.send(t.Context(), 1)
		c.wantFailed(t, 1, "memory exhausted on 3 nodes")
		if s := a.Status(); !strings.Contains(s.StartError, "memory exhausted") {
			t.Errorf("the app shows %q", s.StartError)
		}

		time.Sleep(time.Duration(got.RetryAfter) * time.Second)
		c.send(t.Context(), 2)
		c.send(t.Context(), 3)
		c.wantFailed(t, 3, "memory")
		c.wantWaiting(t, 3)

		a.SetPlacement(backend.PlacementFailure{})
		c.send(t.Context(), 4)
		c.wantWaiting(t, 3)
		startReady(t, a, "a", 0)
		if served, _ := c.seen(); !sameElements(served, []int{2, 4}) {
			t.Errorf("served %v, want those that waited", served)
		}
	})
}

// Room that is soon found fails no request. When a later evaluation has none, the
// requests fail, and they wait again once it is over.
func TestStartWithRoomInTime(t *testing.T) {
	starting(t, func(t *testing.T, _ *fixture, a *backend.App, c *crowd) {
		a.SetPlacement(noRoom("e"))
		time.Sleep(placementGrace / 2)
		a.SetPlacement(backend.PlacementFailure{})
		time.Sleep(2 * placementGrace)
		c.wantWaiting(t, 0)
		a.SetPlacement(noRoom("f"))
		time.Sleep(placementGrace + watchInterval)
		c.wantFailed(t, 0, "memory")
		a.SetPlacement(backend.PlacementFailure{})
		c.send(t.Context(), 1)
		c.wantWaiting(t, 1)
	})
}

// An instance that failed fails the requests that wait for it, until Nomad
// starts another.
func TestStartFails(t *testing.T) {
	starting(t, func(t *testing.T, _ *fixture, a *backend.App, c *crowd) {
		a.SetInstance(pending(a, "a", 1), true, time.Time{})
		a.SetInstance(failed(a, "a", 2), true, time.Time{})
		c.wantFailed(t, 0, "no such image")

		a.SetInstance(failed(a, "a", 3), true, time.Now().Add(40*time.Second))
		c.send(t.Context(), 1)
		if got := c.wantFailed(t, 1, "no such image"); got.RetryAfter != 40 {
			t.Errorf("to retry after %d s, want when Nomad does, in 40", got.RetryAfter)
		}

		a.SetInstance(pending(a, "b", 4), true, time.Time{})
		replaced := failed(a, "a", 4)
		replaced.Failed, replaced.Stopping = false, true
		a.SetInstance(replaced, true, time.Time{})
		c.send(t.Context(), 2)
		c.wantWaiting(t, 2)
		if s := a.Status(); s.StartError != "" {
			t.Errorf("the app shows %q while another instance starts", s.StartError)
		}
		a.SetInstance(failed(a, "b", 5), true, time.Now().Add(20*time.Second))
		if got := c.wantFailed(t, 2, "no such image"); got.RetryAfter != 20 {
			t.Errorf("to retry after %d s, want when Nomad does, in 20", got.RetryAfter)
		}
	})
}

// A task that Nomad restarts has start_timeout to come up: a crash on the way fails
// no request. When that is over, or Nomad gives up, no request waits any more.
func TestStartWithRestarts(t *testing.T) {
	starting(t, func(t *testing.T, _ *fixture, a *backend.App, c *crowd) {
		crashing := pending(a, "a", 1)
		a.SetInstance(crashing, true, time.Time{})
		crashing.Failure, crashing.ModifyIndex = "task web: Terminated: Exit Code: 1; Restart within policy", 2
		a.SetInstance(crashing, true, time.Time{})
		time.Sleep(50 * time.Second)
		c.wantWaiting(t, 0)

		time.Sleep(11 * time.Second)
		synctest.Wait()
		_, refused := c.seen()
		got := refused[0]
		if got.Cause != api.CauseStartTimeout && got.Cause != api.CauseStartFailed || !strings.Contains(got.Message, "Exit Code: 1") {
			t.Errorf("after start_timeout: %+v, want what the task met", got)
		}
		c.send(t.Context(), 1)
		c.wantFailed(t, 1, "Exit Code: 1")

		time.Sleep(unknownStart)
		c.send(t.Context(), 2)
		c.wantWaiting(t, 2)
		crashing.Failed, crashing.ModifyIndex = true, 3
		a.SetInstance(crashing, true, time.Time{})
		crashing.Failed, crashing.ModifyIndex = false, 4
		a.SetInstance(crashing, true, time.Time{})
		c.wantWaiting(t, 2)
	})
}

// What fails while an instance serves is no reason to refuse a request.
func TestStartFailsWhileAnInstanceIsReady(t *testing.T) {
	scaling(t, scaler.Document{"max_concurrency_per_instance": "1"}, func(t *testing.T, _ *fixture, a *backend.App, c *crowd) {
		startReady(t, a, "a", 0)
		c.send(t.Context(), 0)
		a.SetPlacement(noRoom("e"))
		a.SetInstance(failed(a, "b", 2), true, time.Time{})
		time.Sleep(2 * placementGrace)
		c.send(t.Context(), 1)
		time.Sleep(2 * placementGrace)
		synctest.Wait()
		if served, refused := c.seen(); len(served) != 1 || len(refused) != 0 {
			t.Errorf("served %v and refused %v, want that the second waits for the first", served, refused)
		}
	})
}
