package gateway_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// directory is a service that gateways find each other by.
type directory struct {
	mu        sync.Mutex
	addresses []string
}

func (d *directory) ServiceAddresses(context.Context, string, string) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.addresses), nil
}

// together runs gateways that know each other, each on a Nomad of its own that
// reports the same.
func together(t testing.TB, n int) (all []*served) {
	t.Helper()
	found := new(directory)
	for i := range n {
		g := serve(t, func(c *gateway.Config) {
			c.ID, c.AdminToken, c.Peers = fmt.Sprintf("gateway-%d", i), "secret", &api.Client{Services: found, Token: "secret"}
		})
		all = append(all, g)
		found.mu.Lock()
		found.addresses = append(found.addresses, g.AdminAddress())
		found.mu.Unlock()
	}
	for _, g := range all {
		eventually(t, g.AdminAddress()+" knows the others", func() bool {
			var others []api.PeerStatus
			g.admin(t, "/v1/peers", &others)
			return len(others) == n-1 && !slices.ContainsFunc(others, func(p api.PeerStatus) bool { return p.State != api.PeerAnswers })
		})
	}
	return all
}

func TestPeersAreShown(t *testing.T) {
	all := together(t, 2)
	if response := get(t, "http://"+all[0].AdminAddress()+"/v1/peers"); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("without the token it answers %s", response.Status)
	}
	var shown []api.PeerStatus
	all[0].admin(t, "/v1/peers", &shown)
	if len(shown) != 1 || shown[0].Gateway != "gateway-1" || shown[0].State != api.PeerAnswers || shown[0].Answered.IsZero() ||
		shown[0].Address != "http://"+all[1].AdminAddress() || shown[0].Error != "" {
		t.Errorf("the others show as %+v", shown)
	}
	metrics := strings.Split(all[0].metrics(t), "\n")
	for _, want := range []string{
		`nomadscale_gateway_peers{state="answers"} 1`, `nomadscale_gateway_peers{state="gone"} 0`, "nomadscale_gateway_peer_errors_total 0",
	} {
		if !slices.Contains(metrics, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	// A gateway that has ended refuses connections.
	if err := all[1].stop(); err != nil {
		t.Errorf("ending the other gateway: %v", err)
	}
	eventually(t, "it is gone", func() bool {
		all[0].admin(t, "/v1/peers", &shown)
		return shown[0].State == api.PeerGone
	})
	metrics = strings.Split(all[0].metrics(t), "\n")
	if shown[0].Error == "" || !slices.Contains(metrics, `nomadscale_gateway_peers{state="gone"} 1`) ||
		slices.Contains(metrics, "nomadscale_gateway_peer_errors_total 0") {
		t.Errorf("after its end it shows as %+v, with the metrics\n%s", shown, strings.Join(metrics, "\n"))
	}
}

// What a gateway tells the others is its own load, where its requests are, which
// stopping instances have none, and that it ends.
func TestPeerReport(t *testing.T) {
	release := make(chan struct{})
	busy, free := instance(t, func(http.ResponseWriter, *http.Request) { <-release }), instance(t, ok)
	g := serve(t, func(c *gateway.Config) { c.ID, c.ShutdownDelay = "g1", 500*time.Millisecond })
	var before, report api.PeerReport
	g.admin(t, "/v1/peer", &before)
	if before.Gateway != "g1" || before.Process == "" || before.Process == "g1" || before.Ending || len(before.Apps) != 0 {
		t.Errorf("without apps it says %+v", before)
	}
	g.declare([]nomad.App{
		declared(t, webName, scaler.Document{"service_selection_mode": "first"}), declared(t, "default/idle/web", nil),
	}, allocation(webName, "a", 0, busy), allocation(webName, "b", 1, free))
	g.wantStates(t, map[string]api.State{"a": api.Ready, "b": api.Ready})
	answers := make(chan error, 2)
	for range 2 {
		go func() { answers <- fetch(g.url(webName)) }()
	}
	eventually(t, "two requests are under way", func() bool { return g.status(t, webName).InFlight == 2 })
	stopping := allocation(webName, "b", 1, free)
	stopping.Stopping, stopping.ModifyIndex = true, 2
	g.nomad.instances.Update(stopping)
	g.admin(t, "/v1/peer", &report)
	l := report.Apps[webID]
	if report.Process != before.Process || len(report.Apps) != 1 || l.RequestsPerMinute != 2 || l.Concurrency != 2 ||
		l.InFlight["a"] != 2 || len(l.InFlight) != 1 || !slices.Equal(l.Drained, []string{"b"}) {
		t.Errorf("with two requests it says %+v", report)
	}
	close(release)
	for range 2 {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
	done := make(chan error, 1)
	go func() { done <- g.stop() }()
	eventually(t, "it says that it ends", func() bool {
		g.admin(t, "/v1/peer", &report)
		return report.Ending
	})
	if err := <-done; err != nil {
		t.Errorf("ending the gateway: %v", err)
	}
}

// A gateway that looks for no other answers one that asks it for permits, and goes
// on serving.
func TestPermitsOfAGatewayThatIsAlone(t *testing.T) {
	g, url := fronting(t, scaler.Document{"max_concurrency_per_instance": "2", "max_instances": "1"}, ok)
	if err := fetch(url); err != nil {
		t.Fatal(err)
	}
	client := new(api.Client)
	report := api.PermitReport{Process: "other", App: webID, Number: 7, Requested: map[string]int{"a": 2, "unknown": 1}, RequestedAt: 7}
	for range 2 {
		answer, err := client.ExchangePermits(t.Context(), "http://"+g.AdminAddress(), report)
		if err != nil {
			t.Fatal(err)
		}
		if answer.Process == "" || answer.Process == "other" || answer.App != webID || answer.Number <= report.Number {
			t.Errorf("it answers %+v, want its own report with a number above %d", answer, report.Number)
		}
		if n := answer.Granted["a"]; n < 0 || n > 2 {
			t.Errorf("it has %d permits of a, want from 0 to 2", n)
		}
		report.Number = answer.Number + 1
	}
	if answer, err := client.ExchangePermits(t.Context(), "http://"+g.AdminAddress(), api.PermitReport{Process: "other",
		App: id("default/none/web"), Number: 9}); err != nil || answer.Granted != nil {
		t.Errorf("for an app that it does not know it answers %+v (%v)", answer, err)
	}
	if err := fetch(url); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// rush counts the requests that are at each instance.
type rush struct {
	mu       sync.Mutex
	at, most map[string]int
}

// instance is one that takes as long as the query of a request says.
func (r *rush) instance(t testing.TB, id string) (address string) {
	return instance(t, func(_ http.ResponseWriter, request *http.Request) {
		r.mu.Lock()
		r.at[id]++
		r.most[id] = max(r.most[id], r.at[id])
		r.mu.Unlock()
		take, _ := time.ParseDuration(request.URL.Query().Get("take"))
		time.Sleep(take)
		r.mu.Lock()
		r.at[id]--
		r.mu.Unlock()
	})
}

// highest is the most requests that each instance has had at once.
func (r *rush) highest() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	most := make(map[string]int)
	for id, n := range r.most {
		most[id] = n
	}
	return most
}

// With gateways under load that know each other, no instance has more requests
// than the cap at any moment, and all of the cap is used by one gateway alone.
func TestCapIsOverAllGateways(t *testing.T) {
	for _, test := range []struct{ gateways, instances, limit int }{{2, 1, 1}, {2, 3, 4}, {3, 1, 10}} {
		t.Run(fmt.Sprintf("%d gateways, %d instances of %d", test.gateways, test.instances, test.limit), func(t *testing.T) {
			r := &rush{at: map[string]int{}, most: map[string]int{}}
			var instances []nomad.Instance
			for i := range test.instances {
				name := string(rune('a' + i))
				instances = append(instances, allocation(webName, name, i, r.instance(t, name)))
			}
			all := together(t, test.gateways)
			for _, g := range all {
				g.declare([]nomad.App{declared(t, webName, scaler.Document{
					"max_concurrency_per_instance": fmt.Sprint(test.limit), "min_instances": fmt.Sprint(test.instances),
					"max_instances": fmt.Sprint(test.instances),
				})}, instances...)
			}
			for _, g := range all {
				eventually(t, "all instances are ready", func() bool { return g.status(t, webName).Running == test.instances })
			}
			if err := fetchAll(test.instances*test.limit, all[0].url(webName)+"?take=200ms"); err != nil {
				t.Error(err)
			}
			for name, n := range r.highest() {
				if n != test.limit {
					t.Errorf("for one gateway alone %s had %d requests at once, want %d", name, n, test.limit)
				}
			}
			var group sync.WaitGroup
			for _, g := range all {
				group.Go(func() {
					if err := fetchAll(60, g.url(webName)+"?take=10ms"); err != nil {
						t.Error(err)
					}
				})
			}
			group.Wait()
			for name, n := range r.highest() {
				if n > test.limit {
					t.Errorf("%s had %d requests at once, want at most %d", name, n, test.limit)
				}
			}
		})
	}
}
