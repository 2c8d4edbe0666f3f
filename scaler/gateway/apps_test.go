package gateway_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// Instances follow what Nomad says, in whatever order policies, lists and events
// come.
func TestInstancesFollowNomad(t *testing.T) {
	g := serve(t)
	here := instance(t, ok)
	a, b := allocation(webName, "a", 0, here), allocation(webName, "b", 1, here)
	foreign := allocation("default/other/web", "x", 0, here)
	g.nomad.instances.Replace([]nomad.Instance{a, foreign})
	g.nomad.report([]nomad.App{declared(t, webName, nil)})
	g.wantStates(t, map[string]api.State{"a": api.Ready})
	g.nomad.instances.Update(b)
	g.wantStates(t, map[string]api.State{"a": api.Ready, "b": api.Ready})

	stopping := b
	stopping.Stopping, stopping.ModifyIndex = true, 3
	g.nomad.instances.Update(stopping)
	g.wantStates(t, map[string]api.State{"a": api.Ready, "b": api.Draining})
	old := b
	old.ModifyIndex = 2
	g.nomad.instances.Update(old)
	g.nomad.instances.Replace([]nomad.Instance{a, old})
	g.wantStates(t, map[string]api.State{"a": api.Ready, "b": api.Draining})
	ended := stopping
	ended.Gone, ended.ModifyIndex = true, 4
	g.nomad.instances.Update(ended)
	g.wantStates(t, map[string]api.State{"a": api.Ready})

	g.nomad.instances.Replace([]nomad.Instance{foreign})
	g.wantStates(t, map[string]api.State{})
	g.nomad.instances.Replace([]nomad.Instance{stopping})
	g.wantStates(t, map[string]api.State{"b": api.Draining})
}

// Without Nomad everything that is known stays.
func TestInstancesStayWithoutNomad(t *testing.T) {
	g := serve(t)
	a := allocation(webName, "a", 0, instance(t, ok))
	const cold = "default/cold/web"
	g.declare([]nomad.App{declared(t, webName, nil), declared(t, cold, nil)}, a)
	g.wantStates(t, map[string]api.State{"a": api.Ready})
	g.nomad.instances.Lost(errors.New("no servers"))
	g.nomad.failed(errors.New("no servers"))
	g.wantStates(t, map[string]api.State{"a": api.Ready})
	if g.reachesNomad(t) {
		t.Error("Nomad is taken for reachable")
	}
	if got := refusal(t, get(t, g.url(cold))); got.Cause != api.CauseNomadUnreachable || !strings.HasSuffix(got.Message, "no servers") {
		t.Errorf("a start without Nomad: %+v, want that there are no servers", got)
	}
	g.nomad.instances.Replace([]nomad.Instance{a})
	if !g.reachesNomad(t) {
		t.Error("Nomad is taken for unreachable after it answered")
	}
}

// A policy that is not valid leaves the last good one in force, and says so; the
// other apps do not notice.
func TestPolicyErrorsStayWithTheirApp(t *testing.T) {
	g := serve(t)
	good, other := declared(t, webName, scaler.Document{"max_instances": "7"}), declared(t, "default/other/web", nil)
	broken := nomad.App{ID: good.ID, Err: errors.New(`max_instances = "many": must be a whole number`)}
	g.declare([]nomad.App{good, other}, allocation(webName, "a", 0, instance(t, ok)))
	g.nomad.report([]nomad.App{broken, other})
	status := g.statuses(t)
	if status[1].App != webID || status[1].Error != broken.Err.Error() || status[1].Policy["max_instances"] != "7" {
		t.Errorf("the app shows %+v, want the error and the last good policy", status[1])
	}
	if status[0].Error != "" || status[0].Policy == nil {
		t.Errorf("the other app shows %+v", status[0])
	}
	if response := get(t, g.url(webName)); response.StatusCode != http.StatusOK {
		t.Errorf("the app is not served by its last good policy: %s", body(t, response))
	}
	good.Policy.MaxInstances = 8
	g.nomad.report([]nomad.App{good, other})
	if s := g.statuses(t)[1]; s.Error != "" || s.Policy["max_instances"] != "8" {
		t.Errorf("after the policy was corrected the app shows %+v", s)
	}
}

// The port of the policy says where an instance is reached, from the moment it
// changes.
func TestPortChanges(t *testing.T) {
	g := serve(t)
	i := allocation(webName, "a", 0, instance(t, ok))
	i.Ports = append(i.Ports, nomad.Port{Label: "admin", Address: instance(t, ok)})
	g.declare([]nomad.App{declared(t, webName, nil)}, i)
	for port, want := range map[string]string{"admin": i.Ports[1].Address, "http": i.Ports[0].Address} {
		g.nomad.report([]nomad.App{declared(t, webName, scaler.Document{"port": port})})
		eventually(t, "the instance is ready at the port "+port, func() bool {
			s := g.status(t, webName).Instances[0]
			return s.State == api.Ready && s.Address == want
		})
	}
	g.nomad.report([]nomad.App{declared(t, webName, scaler.Document{"port": "none"})})
	if s := g.status(t, webName).Instances[0]; s.State != api.Starting || !strings.Contains(s.Error, `"none"`) {
		t.Errorf("without such a port the instance shows %+v", s)
	}
}

// Apps that go lose their route and their metrics.
func TestAppsGo(t *testing.T) {
	g, url := fronting(t, nil, ok)
	if response := get(t, url); response.StatusCode != http.StatusOK {
		t.Fatalf("the app answers %s", response.Status)
	}
	eventually(t, "the request is counted", func() bool { return strings.Contains(g.metrics(t), webName) })
	g.declare(nil)
	if got := refusal(t, get(t, url)); got.Cause != api.CauseNoApp {
		t.Errorf("the app is still mounted: %+v", got)
	}
	for line := range strings.Lines(g.metrics(t)) {
		if strings.Contains(line, webName) {
			t.Errorf("the metrics still have %s", line)
		}
	}
}

// The delay of a stopping instance is ended when its last request is, once, and
// only by a gateway that may.
func TestDelaysEndEarly(t *testing.T) {
	for _, may := range []bool{true, false} {
		g := serve(t, func(c *gateway.Config) { c.EndDelays = may })
		under, over := make(chan struct{}), make(chan struct{})
		busy := instance(t, func(http.ResponseWriter, *http.Request) { close(under); <-over })
		free := instance(t, ok)
		g.declare([]nomad.App{declared(t, webName, scaler.Document{"service_selection_mode": "first"})},
			allocation(webName, "busy", 0, busy), allocation(webName, "free", 1, free))
		g.wantStates(t, map[string]api.State{"busy": api.Ready, "free": api.Ready})
		stop := func(id string, index uint64, address string) {
			n := allocation(webName, id, 0, address)
			n.Stopping, n.ModifyIndex = true, index
			g.nomad.instances.Update(n)
		}
		done := make(chan error, 1)
		go func() { done <- fetch(g.url(webName)) }()
		<-under
		stop("busy", 2, busy)
		if ended := g.nomad.delaysEnded(); len(ended) != 0 {
			t.Errorf("the delays of %v were ended while a request was under way", ended)
		}
		close(over)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		stop("free", 2, free)
		stop("free", 2, free)
		stop("unknown", 1, "")
		eventually(t, "nothing is under way", func() bool { return g.underWay(t) == 0 })
		if err := g.stop(); err != nil {
			t.Errorf("ending the gateway: %v", err)
		}
		want := map[string]int{}
		if may {
			want = map[string]int{"busy": 1, "free": 1}
		}
		got := map[string]int{}
		for _, id := range g.nomad.delaysEnded() {
			got[id]++
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("allowed %t: delays ended (-want +got):\n%s", may, diff)
		}
	}
}
