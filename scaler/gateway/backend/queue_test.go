package backend_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
)

// Whatever requests come, fail at an instance or leave: those that have failed go
// first, the last of them ahead, and then the others in the order of arrival.
func TestQueueOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// A bubble has no deadline, so it is hidden from rapid.
		rapid.Check(struct{ rapid.TB }{t}, func(rt *rapid.T) {
			f := newFixture(t)
			a := f.app(t, webID, scaler.Document{"max_concurrency_per_instance": "1"})
			c := newCrowd(t, f, a)
			defer c.end()
			var want []int
			leave := make(map[int]context.CancelFunc)
			send := func(failed string) int {
				number := len(leave)
				ctx, cancel := context.WithCancel(t.Context())
				leave[number] = cancel
				r := f.request(a)
				r.Failed = failed
				go c.serve(ctx, number, r)
				synctest.Wait()
				return number
			}
			rt.Repeat(map[string]func(*rapid.T){
				"come": func(*rapid.T) { want = append(want, send("")) },
				"come again after a failure": func(*rapid.T) {
					want = slices.Insert(want, 0, send("an instance that is gone"))
				},
				"leave": func(rt *rapid.T) {
					if len(want) == 0 {
						return
					}
					n := rapid.IntRange(0, len(want)-1).Draw(rt, "n")
					leave[want[n]]()
					synctest.Wait()
					if _, refused := c.seen(); refused[want[n]].Cause != api.CauseClientLeft {
						rt.Fatalf("the client that left got %+v", refused[want[n]])
					}
					want = slices.Delete(want, n, n+1)
				},
				"": func(rt *rapid.T) {
					if n := c.queued(); n != len(want) {
						rt.Fatalf("%d requests wait, want %d", n, len(want))
					}
				},
			})
			startReady(t, a, "a", 0)
			for n := range len(want) {
				if served, _ := c.seen(); !slices.Equal(served, want[:n+1]) {
					rt.Fatalf("served %v, want the first of %v", served, want)
				}
				c.letOneGo()
			}
			if n := c.queued(); n != 0 {
				rt.Fatalf("%d requests wait at the end", n)
			}
		})
	})
}
