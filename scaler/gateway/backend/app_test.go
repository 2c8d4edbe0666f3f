package backend_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/backend"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

func TestExactRefusesSeveral(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		a := f.app(t, webID, scaler.Document{"service_selection_mode": "exact"})
		startReady(t, a, "b", 0)
		if l := f.acquire(t, a); l.Instance() != "b" {
			t.Fatalf("with one instance: got %q, want b", l.Instance())
		}
		startReady(t, a, "a", 1)
		l, waited, err := a.Acquire(t.Context(), f.request(a))
		got := asRefusal(err)
		want := []api.InstanceRef{{ID: "b", Index: 0, Address: "instance-b"}, {ID: "a", Index: 1, Address: "instance-a"}}
		if got.Cause.Status() != 409 || got.Cause != api.CauseSeveralInstances || l.Instance() != "" || waited != 0 {
			t.Errorf("with two instances: got %+v at %q after %s, want 409 %s", got, l.Instance(), waited, api.CauseSeveralInstances)
		}
		if diff := cmp.Diff(want, got.Instances); diff != "" {
			t.Errorf("instances (-want +got):\n%s", diff)
		}
		if n := a.Status().InFlight; n != 1 {
			t.Errorf("%d requests are in flight, want 1", n)
		}
	})
}

// Requests that wait are told too that several instances could be meant.
func TestExactRefusesThoseThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		a := f.app(t, webID, scaler.Document{"service_selection_mode": "exact", "max_concurrency_per_instance": "1"})
		c := newCrowd(t, f, a)
		startReady(t, a, "a", 0)
		c.send(t.Context(), 0)
		c.send(t.Context(), 1)
		if c.queued() != 1 {
			t.Fatalf("%d requests wait, want 1", c.queued())
		}
		startReady(t, a, "b", 1)
		if _, refused := c.seen(); refused[1].Cause != api.CauseSeveralInstances || c.queued() != 0 {
			t.Errorf("refused %+v with %d waiting, want the second one", refused, c.queued())
		}
	})
}

// The mode can change while the app runs.
func TestSelectionModeChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		a := f.app(t, webID, nil)
		for i, id := range []string{"a", "b", "c"} {
			startReady(t, a, id, i)
		}
		for _, test := range []struct{ mode, want string }{{"first", "a"}, {"last", "c"}, {"first", "a"}} {
			configure(t, a, scaler.Document{"service_selection_mode": test.mode})
			for range 5 {
				l := f.acquire(t, a)
				if l.Instance() != test.want {
					t.Fatalf("%s: got %q, want %q", test.mode, l.Instance(), test.want)
				}
				l.Release(answered())
			}
		}
	})
}

// A request that an instance does not accept goes to another, and the instance
// gets no more.
func TestRefusingInstancesAreLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		a := f.app(t, webID, scaler.Document{"service_selection_mode": "first", "ready_path": "/ready"})
		for i, id := range []string{"a", "b", "c"} {
			startReady(t, a, id, i)
		}
		offered := make(map[string]int)
		for _, id := range []string{"a", "b"} {
			f.ports.close("instance-"+id, errors.New("connection refused"))
		}
		for range 3 {
			r := f.request(a)
			for {
				l, _, err := a.Acquire(t.Context(), r)
				if err != nil {
					t.Fatal(err)
				}
				offered[l.Instance()]++
				if l.Instance() == "c" {
					l.Release(answered())
					break
				}
				l.Release(refusedDial())
				r.Failed = l.Instance()
			}
		}
		if diff := cmp.Diff(map[string]int{"a": 1, "b": 1, "c": 3}, offered); diff != "" {
			t.Errorf("offered to (-want +got):\n%s", diff)
		}
		for _, i := range a.Status().Instances {
			want := api.Ejected
			if i.ID == "c" {
				want = api.Ready
			}
			if i.State != want || i.InFlight != 0 {
				t.Errorf("instance %s is %s with %d in flight, want %s", i.ID, i.State, i.InFlight, want)
			}
		}
		if n := f.metrics.seen()["ejection"]; n != 2 {
			t.Errorf("%d ejections were counted, want 2", n)
		}
	})
}

// An instance that breaks off again and again is out for a while, gets no request
// meanwhile, and is back after a probe. An app's own errors eject nothing.
func TestBreakingInstanceIsEjected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const ejectAfter, ejectFirst = 3, time.Second
		f := newFixture(t)
		a := f.app(t, webID, scaler.Document{"service_selection_mode": "first"})
		startReady(t, a, "a", 0)
		startReady(t, a, "b", 1)
		for range ejectAfter {
			l := f.acquire(t, a)
			if l.Instance() != "a" {
				t.Fatalf("got %q, want a", l.Instance())
			}
			l.Release(api.AttemptResult{Phase: api.PhaseSent, Cause: api.CauseBadAnswer, Err: errors.New("it broke off"), Sent: time.Now()})
		}
		out := a.Status().Instances[0]
		if out.State != api.Ejected || out.Error == "" || f.metrics.seen()["ejection"] != 1 {
			t.Fatalf("the instance shows %+v, want that it is ejected, once, and why", out)
		}
		for range 10 {
			l := f.acquire(t, a)
			if l.Instance() != "b" {
				t.Errorf("got %q, want the other instance", l.Instance())
			}
			l.Release(answered())
		}
		time.Sleep(ejectFirst - time.Millisecond)
		synctest.Wait()
		if diff := cmp.Diff(map[string]api.State{"a": api.Ejected, "b": api.Ready}, states(a)); diff != "" {
			t.Errorf("just before a second (-want +got):\n%s", diff)
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		for range 2 * ejectAfter {
			l := f.acquire(t, a)
			if l.Instance() != "a" {
				t.Fatalf("got %q, want the instance that is back", l.Instance())
			}
			l.Release(api.AttemptResult{Phase: api.PhaseAnswered, Status: 500, Sent: time.Now()})
		}
		if s := states(a)["a"]; s != api.Ready {
			t.Errorf("an instance with errors of its own is %s", s)
		}
	})
}

// Without a policy that was ever valid an app serves nothing, and says why. A policy
// that is not valid leaves the last good one in force, and the error is shown.
func TestPolicyErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		broken := nomad.App{ID: webID, Err: errors.New(`max_instances = "many": must be a whole number`)}
		a := backend.NewApp(&f.Config, broken)
		a.Configure(broken)
		if s := a.Status(); a.Policy() != nil || s.Error != broken.Err.Error() || s.Policy != nil {
			t.Errorf("without a valid policy the app shows %+v", s)
		}
		if err := a.PolicyError(); !errors.Is(err, broken.Err) {
			t.Errorf("the error is %v, want %v", err, broken.Err)
		}

		configure(t, a, scaler.Document{"max_instances": "7"})
		if s := a.Status(); s.Error != "" || s.Policy["max_instances"] != "7" || a.PolicyError() != nil {
			t.Errorf("with a valid policy the app shows %+v", s)
		}
		a.Configure(broken)
		if s := a.Status(); s.Error != broken.Err.Error() || s.Policy["max_instances"] != "7" || a.Policy().MaxInstances != 7 {
			t.Errorf("the app shows %+v, want the error and the last good policy", s)
		}
		configure(t, a, scaler.Document{"max_instances": "8"})
		if s := a.Status(); s.Error != "" || s.Policy["max_instances"] != "8" {
			t.Errorf("after the policy was corrected the app shows %+v", s)
		}
		a.Configure(broken)
		configure(t, a, scaler.Document{"max_instances": "8"})
		if s := a.Status(); s.Error != "" {
			t.Errorf("after the last good policy came back the app shows %+v", s)
		}
	})
}

// The port of the policy says where an instance is reached, from the moment it
// changes.
func TestPortChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		a := f.app(t, webID, nil)
		i := allocation(a, "a", 0)
		i.Ports = append(i.Ports, nomad.Port{Label: "admin", Address: "admin-a"})
		a.SetInstance(i, false, time.Time{})
		for port, want := range map[string]string{"admin": "admin-a", "http": "instance-a"} {
			configure(t, a, scaler.Document{"port": port})
			synctest.Wait()
			if s := a.Status().Instances[0]; s.State != api.Ready || s.Address != want {
				t.Errorf("the instance shows %+v, want it ready at the port %s", s, port)
			}
			l := f.acquire(t, a)
			if l.Address() != want {
				t.Errorf("a request goes to %s, want %s", l.Address(), want)
			}
			l.Release(answered())
		}
		configure(t, a, scaler.Document{"port": "none"})
		if s := a.Status().Instances[0]; s.State != api.Starting || !strings.Contains(s.Error, `"none"`) {
			t.Errorf("without such a port the instance shows %+v", s)
		}
	})
}

// What a request met at another port is not held against the instance.
func TestPortChangesDuringARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		a := f.app(t, webID, nil)
		i := allocation(a, "a", 0)
		i.Ports = append(i.Ports, nomad.Port{Label: "admin", Address: "admin-a"})
		a.SetInstance(i, false, time.Time{})
		synctest.Wait()
		l := f.acquire(t, a)
		configure(t, a, scaler.Document{"port": "admin"})
		synctest.Wait()
		time.Sleep(time.Second)
		l.Release(refusedDial())
		if s := a.Status(); s.Instances[0].State != api.Ready || s.InFlight != 0 {
			t.Errorf("the instance shows %+v, want that it is ready", s.Instances[0])
		}
	})
}

// A policy that lets more requests at an instance serves those that wait.
func TestPolicyChangesWhileRequestsWait(t *testing.T) {
	document := scaler.Document{"max_concurrency_per_instance": "1"}
	scaling(t, document, func(t *testing.T, _ *fixture, a *backend.App, c *crowd) {
		startReady(t, a, "a", 0)
		for n := range 3 {
			c.send(t.Context(), n)
		}
		configure(t, a, scaler.Document{"max_concurrency_per_instance": "2"})
		synctest.Wait()
		if served, _ := c.seen(); len(served) != 2 || c.queued() != 1 {
			t.Errorf("served %v with %d waiting, want two", served, c.queued())
		}
		configure(t, a, nil)
		synctest.Wait()
		if served, _ := c.seen(); len(served) != 3 || c.queued() != 0 {
			t.Errorf("served %v with %d waiting, want all three", served, c.queued())
		}
	})
}

// The delay of a stopping instance is ended when its last request is, once, and only
// by a gateway that may.
func TestDelaysEndEarly(t *testing.T) {
	for _, may := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t, func(c *backend.Config) { c.EndDelays = may })
			a := f.app(t, webID, scaler.Document{"service_selection_mode": "first"})
			startReady(t, a, "busy", 0)
			startReady(t, a, "free", 1)
			l := f.acquire(t, a)
			stop(a, "busy", 0)
			synctest.Wait()
			if _, _, ended := f.nomad.calls(); l.Instance() != "busy" || len(ended) != 0 {
				t.Errorf("the delays of %v were ended while a request was at %s", ended, l.Instance())
			}
			if l := f.acquire(t, a); l.Instance() != "free" {
				t.Errorf("a request went to %s, want to the instance that is not stopping", l.Instance())
			} else {
				l.Release(answered())
			}
			l.Release(answered())
			stop(a, "free", 1)
			stop(a, "free", 1)
			stop(a, "gone", 9)
			synctest.Wait()
			_, _, ended := f.nomad.calls()
			var want []string
			if may {
				want = []string{"busy", "free"}
			}
			if diff := cmp.Diff(want, slices.Sorted(slices.Values(ended))); diff != "" {
				t.Errorf("allowed %t: delays ended (-want +got):\n%s", may, diff)
			}
		})
	}
}

// Places where requests come from are shown, and those that another app has.
func TestMountsAreShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		a := f.app(t, webID, nil)
		a.SetMounts([]string{"/apps/default/shop/web/"}, []string{"shop.example.com/"})
		want := []string{"/apps/default/shop/web/", "shop.example.com/"}
		if s := a.Status(); !cmp.Equal(append(s.Mounts, s.Refused...), want) {
			t.Errorf("the app shows %v and %v, want %v", s.Mounts, s.Refused, want)
		}
	})
}
