package gateway

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// upstreamServer is an instance of an app, in this process.
func upstreamServer(t testing.TB, h http.HandlerFunc) (address string) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func ok(http.ResponseWriter, *http.Request) {}

// states are the instances of the app by ID.
func (g *Gateway) states(app string) map[string]api.State {
	states := map[string]api.State{}
	for _, i := range g.apps.find(app).status(g.now(), nil).Instances {
		states[i.ID] = i.State
	}
	return states
}

func wantStates(t *testing.T, g *Gateway, want map[string]api.State) {
	t.Helper()
	eventually(t, "the instances are as they should be", func() bool { return cmp.Equal(want, g.states(appName)) })
}

// Instances follow what Nomad says, in whatever order policies, lists and events
// come.
func TestInstancesFollowNomad(t *testing.T) {
	g := newGateway(t)
	here := upstreamServer(t, ok)
	a, b := allocation(appName, "a", 0, here), allocation(appName, "b", 1, here)
	foreign := allocation("default/other/web", "x", 0, here)
	g.apps.Replace([]nomad.Instance{a, foreign})
	g.apps.report([]nomad.App{declared(t, appName, nil)})
	wantStates(t, g, map[string]api.State{"a": api.Ready})
	g.apps.Update(b)
	wantStates(t, g, map[string]api.State{"a": api.Ready, "b": api.Ready})

	stopping := b
	stopping.Stopping, stopping.ModifyIndex = true, 3
	g.apps.Update(stopping)
	wantStates(t, g, map[string]api.State{"a": api.Ready, "b": api.Draining})
	old := b
	old.ModifyIndex = 2
	g.apps.Update(old)
	g.apps.Replace([]nomad.Instance{a, old})
	wantStates(t, g, map[string]api.State{"a": api.Ready, "b": api.Draining})
	ended := stopping
	ended.Gone, ended.ModifyIndex = true, 4
	g.apps.Update(ended)
	wantStates(t, g, map[string]api.State{"a": api.Ready})

	g.apps.Replace([]nomad.Instance{foreign})
	wantStates(t, g, map[string]api.State{})
	g.apps.Replace([]nomad.Instance{stopping})
	wantStates(t, g, map[string]api.State{"b": api.Draining})
}

// Without Nomad everything that is known stays.
func TestInstancesStayWithoutNomad(t *testing.T) {
	g := newGateway(t)
	a := allocation(appName, "a", 0, upstreamServer(t, ok))
	g.apps.report([]nomad.App{declared(t, appName, nil)})
	g.apps.Replace([]nomad.Instance{a})
	wantStates(t, g, map[string]api.State{"a": api.Ready})
	g.apps.Lost(errors.New("no servers"))
	g.apps.failed(errors.New("no servers"))
	wantStates(t, g, map[string]api.State{"a": api.Ready})
	if err := g.apps.unreachable(); err == nil || err.Error() != "no servers" {
		t.Errorf("Nomad is unreachable because of %v, want that there are no servers", err)
	}
	g.apps.Replace([]nomad.Instance{a})
	if err := g.apps.unreachable(); err != nil {
		t.Errorf("Nomad is unreachable after it answered: %v", err)
	}
}

// A policy that is not valid leaves the last good one in force, and says so; the
// other apps do not notice.
func TestPolicyErrorsStayWithTheirApp(t *testing.T) {
	g := newGateway(t)
	good, other := declared(t, appName, scaler.Document{"max_instances": "7"}), declared(t, "default/other/web", nil)
	broken := nomad.App{ID: good.ID, Err: errors.New(`max_instances = "many": must be a whole number`)}
	g.declare(good, other)
	g.apps.report([]nomad.App{broken, other})
	status := g.apps.statuses()
	if status[1].App != appID || status[1].Error != broken.Err.Error() || status[1].Policy["max_instances"] != "7" {
		t.Errorf("the app shows %+v, want the error and the last good policy", status[1])
	}
	if status[0].Error != "" || status[0].Policy == nil {
		t.Errorf("the other app shows %+v", status[0])
	}
	if a, _ := g.apps.table.Load().find("", "/apps/"+appName+"/"); a == nil || a.policy.Load().MaxInstances != 7 {
		t.Error("the app is not served by its last good policy")
	}
	good.Policy.MaxInstances = 8
	g.apps.report([]nomad.App{good, other})
	if s := g.apps.statuses()[1]; s.Error != "" || s.Policy["max_instances"] != "8" {
		t.Errorf("after the policy was mended the app shows %+v", s)
	}
}

// The port of the policy says where an instance is reached, from the moment it
// changes.
func TestPortChanges(t *testing.T) {
	g := newGateway(t)
	i := allocation(appName, "a", 0, upstreamServer(t, ok))
	i.Ports = append(i.Ports, nomad.Port{Label: "admin", Address: upstreamServer(t, ok)})
	g.apps.report([]nomad.App{declared(t, appName, nil)})
	g.apps.Replace([]nomad.Instance{i})
	for port, want := range map[string]string{"admin": i.Ports[1].Address, "http": i.Ports[0].Address} {
		g.apps.report([]nomad.App{declared(t, appName, scaler.Document{"port": port})})
		eventually(t, "the instance is ready at the port "+port, func() bool {
			s := g.apps.statuses()[0].Instances[0]
			return s.State == api.Ready && s.Address == want
		})
	}
	g.apps.report([]nomad.App{declared(t, appName, scaler.Document{"port": "none"})})
	if s := g.apps.statuses()[0].Instances[0]; s.State != api.Starting || !strings.Contains(s.Error, `"none"`) {
		t.Errorf("without such a port the instance shows %+v", s)
	}
}

// Apps that go lose their route and their metrics.
func TestAppsGo(t *testing.T) {
	g := newGateway(t)
	g.declare(declared(t, appName, nil))
	g.apps.find(appName).metrics.duration.Observe(1)
	g.declare()
	if a, _ := g.apps.table.Load().find("", "/apps/"+appName+"/"); a != nil {
		t.Error("the app is still mounted")
	}
	families, err := g.metrics.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, metric := range family.Metric {
			for _, label := range metric.Label {
				if label.GetValue() == appName {
					t.Errorf("%s still has the app", family.GetName())
				}
			}
		}
	}
}

// The delay of a stopping instance is ended when its last request is, once, and
// only by a gateway that may.
func TestDelaysEndEarly(t *testing.T) {
	for _, may := range []bool{true, false} {
		f := new(fakeNomad)
		g := newGateway(t, with(f), func(c *Config) { c.EndDelays = may })
		g.declare(declared(t, appName, nil))
		a := g.apps.find(appName)
		a.addReady("a", 0)
		a.addReady("b", 1)
		stop := func(id string, index int) {
			n := allocation(appName, id, index, "")
			n.Stopping, n.ModifyIndex = true, 2
			g.apps.Update(n)
		}
		under, over := make(chan struct{}), make(chan struct{})
		h := g.selection(func(_ http.ResponseWriter, _ *http.Request, _ *call) error { close(under); <-over; return nil })
		done := make(chan error)
		c := g.callFor(appName)
		go func() { done <- serve(h, c) }()
		<-under
		busy, free := "a", "b"
		if c.place.id() == "b" {
			busy, free = "b", "a"
		}
		stop(busy, 5)
		if _, _, ended := f.calls(); len(ended) != 0 {
			t.Errorf("the delays of %v were ended while a request was under way", ended)
		}
		close(over)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		stop(free, 6)
		stop(free, 6)
		gone := allocation(appName, "z", 9, "")
		gone.Stopping = true
		g.apps.Update(gone)
		g.work.Wait()
		_, _, ended := f.calls()
		want := map[string]int{}
		if may {
			want = map[string]int{busy: 1, free: 1}
		}
		got := map[string]int{}
		for _, id := range ended {
			got[id]++
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("allowed %t: delays ended (-want +got):\n%s", may, diff)
		}
	}
}
