package gateway

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// waiting runs a test with an app at zero for which a request waits.
func waiting(t *testing.T, test func(t *testing.T, g *Gateway, c *crowd)) {
	t.Helper()
	f := new(fakeNomad)
	scaling(t, scaler.Document{"min_instances": "0", "start_timeout": "60s"}, f, func(t *testing.T, g *Gateway, c *crowd) {
		c.send(t.Context(), 0)
		settled(t)
		test(t, g, c)
	})
}

// wantFailed checks that a request was told that the start failed, and why.
func (c *crowd) wantFailed(t *testing.T, number int, why string) api.Refusal {
	t.Helper()
	synctest.Wait()
	_, refused := c.seen()
	got := refused[number]
	if got.Cause.Status() != http.StatusServiceUnavailable || got.Cause != api.CauseStartFailed || got.RetryAfter < 1 || !strings.Contains(got.Message, why) {
		t.Errorf("request %d got %+v, want 503 start_failed with %q and a time to retry", number, got, why)
	}
	return got
}

// wantWaiting checks that nobody was refused, or only those.
func (c *crowd) wantWaiting(t *testing.T, refusedBefore int) {
	t.Helper()
	synctest.Wait()
	if served, refused := c.seen(); len(refused) != refusedBefore || len(served) != 0 || c.queued() == 0 {
		t.Errorf("refused %+v and served %v with %d waiting, want that they wait", refused, served, c.queued())
	}
}

// noRoom is an evaluation that says so of the app.
func noRoom(id string) nomad.Evaluation {
	return nomad.Evaluation{ID: id, Namespace: "default", Job: "shop", Unplaced: map[string]string{"web": "1 instance cannot be placed: memory exhausted on 3 nodes"}}
}

// pending is an instance of the app that has begun, and failed is one that ended.
func pendingInstance(id string, index uint64) nomad.Instance {
	i := allocation(appName, id, 0, "")
	i.ModifyIndex = index
	return i
}

func failedAllocation(id string, index uint64) nomad.Instance {
	i := pendingInstance(id, index)
	i.Gone, i.Failed, i.Failure = true, true, "task web: Driver Failure: no such image"
	return i
}

// Without room for an instance nobody waits for long, and when there is room
// again the next request waits for it.
func TestStartWithoutRoom(t *testing.T) {
	waiting(t, func(t *testing.T, g *Gateway, c *crowd) {
		g.apps.UpdateEvaluation(noRoom("e"))
		c.wantWaiting(t, 0)
		time.Sleep(placeGrace + attendInterval)
		got := c.wantFailed(t, 0, "memory exhausted on 3 nodes")
		c.send(t.Context(), 1)
		c.wantFailed(t, 1, "memory exhausted on 3 nodes")
		if s := g.apps.statuses()[0]; !strings.Contains(s.StartError, "memory exhausted") {
			t.Errorf("the app shows %q", s.StartError)
		}

		time.Sleep(time.Duration(got.RetryAfter) * time.Second)
		c.send(t.Context(), 2)
		c.send(t.Context(), 3)
		c.wantFailed(t, 3, "memory")
		c.wantWaiting(t, 3)

		g.apps.UpdateEvaluation(nomad.Evaluation{ID: "e", Namespace: "default", Job: "shop"})
		c.send(t.Context(), 4)
		c.wantWaiting(t, 3)
		g.apps.find(appName).addReady("a", 0)
		synctest.Wait()
		if served, _ := c.seen(); !sameElements(served, []int{2, 4}) {
			t.Errorf("served %v, want those that waited", served)
		}
	})
}

// Room that is soon found fails nobody, nor does a later evaluation's end of an
// earlier one's wait.
func TestStartWithRoomInTime(t *testing.T) {
	waiting(t, func(t *testing.T, g *Gateway, c *crowd) {
		g.apps.UpdateEvaluation(noRoom("e"))
		time.Sleep(placeGrace / 2)
		g.apps.UpdateEvaluation(nomad.Evaluation{ID: "e", Namespace: "default", Job: "shop"})
		time.Sleep(2 * placeGrace)
		c.wantWaiting(t, 0)
		g.apps.UpdateEvaluation(noRoom("f"))
		g.apps.UpdateEvaluation(nomad.Evaluation{ID: "e", Namespace: "default", Job: "shop"})
		time.Sleep(placeGrace + attendInterval)
		c.wantFailed(t, 0, "memory")
		// One that got lost is over when it is no longer listed.
		g.apps.ReplaceEvaluations(nil)
		c.send(t.Context(), 1)
		c.wantWaiting(t, 1)
	})
}

// An instance that failed fails the requests that wait for it, until Nomad
// starts another.
func TestStartFails(t *testing.T) {
	waiting(t, func(t *testing.T, g *Gateway, c *crowd) {
		g.apps.Update(pendingInstance("a", 1))
		g.apps.Update(failedAllocation("a", 2))
		c.wantFailed(t, 0, "no such image")

		g.apps.UpdateEvaluation(nomad.Evaluation{ID: "next", Namespace: "default", Job: "shop", Until: g.now().Add(40 * time.Second)})
		again := failedAllocation("a", 3)
		again.Next = "next"
		g.apps.Update(again)
		c.send(t.Context(), 1)
		if got := c.wantFailed(t, 1, "no such image"); got.RetryAfter != 40 {
			t.Errorf("to retry after %d s, want when Nomad does, in 40", got.RetryAfter)
		}

		g.apps.Update(pendingInstance("b", 4))
		replaced := failedAllocation("a", 4)
		replaced.Failed, replaced.Stopping = false, true
		g.apps.Update(replaced)
		c.send(t.Context(), 2)
		c.wantWaiting(t, 2)
		if s := g.apps.statuses()[0]; s.StartError != "" {
			t.Errorf("the app shows %q while another instance starts", s.StartError)
		}
		g.apps.Update(failedAllocation("b", 5))
		c.wantFailed(t, 2, "no such image")
	})
}

// A task that Nomad restarts has start_timeout to come up: a crash on the way
// fails nobody. When that is over, or Nomad gives up, nobody waits any more.
func TestStartWithRestarts(t *testing.T) {
	waiting(t, func(t *testing.T, g *Gateway, c *crowd) {
		crashing := pendingInstance("a", 1)
		g.apps.Update(crashing)
		crashing.Failure, crashing.ModifyIndex = "task web: Terminated: Exit Code: 1; Restart within policy", 2
		g.apps.Update(crashing)
		time.Sleep(50 * time.Second)
		c.wantWaiting(t, 0)

		time.Sleep(11 * time.Second)
		synctest.Wait()
		if _, refused := c.seen(); refused[0].Cause != api.CauseStartTimeout && refused[0].Cause != api.CauseStartFailed || !strings.Contains(refused[0].Message, "Exit Code: 1") {
			t.Errorf("after start_timeout: %+v, want what the task met", refused[0])
		}
		c.send(t.Context(), 1)
		c.wantFailed(t, 1, "Exit Code: 1")

		time.Sleep(unknownStart)
		c.send(t.Context(), 2)
		c.wantWaiting(t, 2)
		crashing.Failed, crashing.ModifyIndex = true, 3
		g.apps.Update(crashing)
		crashing.Failed, crashing.ModifyIndex = false, 4
		g.apps.Update(crashing)
		c.wantWaiting(t, 2)
	})
}

// What fails beside an instance that serves is no reason to refuse anybody.
func TestStartBesideReadyInstances(t *testing.T) {
	scaling(t, scaler.Document{"max_concurrency_per_instance": "1"}, new(fakeNomad), func(t *testing.T, g *Gateway, c *crowd) {
		g.apps.find(appName).addReady("a", 0)
		c.send(t.Context(), 0)
		g.apps.UpdateEvaluation(noRoom("e"))
		g.apps.Update(failedAllocation("b", 2))
		time.Sleep(2 * placeGrace)
		c.send(t.Context(), 1)
		time.Sleep(2 * placeGrace)
		synctest.Wait()
		if served, refused := c.seen(); len(served) != 1 || len(refused) != 0 {
			t.Errorf("served %v and refused %v, want that the second waits for the first", served, refused)
		}
	})
}
