package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

// runGateway runs a gateway until the test ends.
func runGateway(t *testing.T, token string) *gateway.Gateway {
	t.Helper()
	g, err := gateway.New(gateway.Config{Nomad: agent.Client, Listen: "127.0.0.1:0", AdminToken: token})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return g
}

// answering runs an app of that many instances that serve requests, and returns
// their allocations by index.
func answering(t *testing.T, job string, count int, document scaler.Document) (scaler.Policy, []string) {
	t.Helper()
	app, err := nomadtest.Build(t.TempDir(), "app", "./examples/app")
	if err != nil {
		t.Fatal(err)
	}
	whole := scaler.Document{
		"min_instances": fmt.Sprint(count), "max_instances": fmt.Sprint(count), "target_requests_per_instance": "1000",
	}
	for key, value := range document {
		whole[key] = value
	}
	p := nomadtest.Policy(t, job, whole)
	agent.Register(t, nomadtest.Job(p, app))
	nomadtest.Eventually(t, 30*time.Second, "running instances", func() bool { return agent.Status(t, p).Running == count })
	placed, err := agent.Client.Instances(t.Context(), p.App)
	if err != nil || len(placed) != count {
		t.Fatalf("%d instances, %v; want %d", len(placed), err, count)
	}
	ids := make([]string, count)
	for i, one := range placed {
		if ids[i] = one.ID; one.Index != i {
			t.Fatalf("the instances are %+v, want them by index", placed)
		}
	}
	return p, ids
}

// request asks an app through a gateway, for as long as work lasts, and tells
// which instance has answered.
func request(g *gateway.Gateway, p scaler.Policy, work string) (string, error) {
	ctx, cancel := withTimeout()
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+g.Address()+"/apps/"+p.App.String()+"/?work="+work, nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	var answer struct{ Allocation string }
	return answer.Allocation, json.NewDecoder(response.Body).Decode(&answer)
}

func instancesOf(job, inside string) string {
	whole := reading("nomadscale_instances", fmt.Sprintf("job_id = %q\ngroup = \"app\"\n%s", job, inside))
	// The requests of the last minute become fewer by themselves.
	return strings.Replace(whole, "= data.nomadscale_instances.d\n", "= { for name, value in data.nomadscale_instances.d : name => value if name != \"requests_per_minute\" }\n", 1)
}

func instancesHold(name string, value knownvalue.Check) statecheck.StateCheck {
	return statecheck.ExpectKnownValue("data.nomadscale_instances.d", tfjsonpath.New(name), value)
}

func texts(all ...string) knownvalue.Check {
	checks := make([]knownvalue.Check, len(all))
	for i, text := range all {
		checks[i] = knownvalue.StringExact(text)
	}
	return knownvalue.ListExact(checks)
}

// With real gateways and instances, the load is the sum of what all gateways know,
// and a mode chooses what the gateway then does.
func TestInstances(t *testing.T) {
	p, ids := answering(t, "instances", 3, nil)
	first, second := runGateway(t, "secret"), runGateway(t, "secret")
	for _, g := range []*gateway.Gateway{first, second} {
		ready := make(map[string]bool)
		nomadtest.Eventually(t, 30*time.Second, "ready instances", func() bool {
			id, err := request(g, p, "0s")
			ready[id] = err == nil
			return len(ready) >= len(ids)
		})
	}
	// Requests that last, until the test ends: their instances are known.
	ctx, stop := context.WithCancel(t.Context())
	var requests sync.WaitGroup
	defer requests.Wait()
	defer stop()
	for _, g := range []*gateway.Gateway{first, first, second} {
		requests.Go(func() {
			r, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+g.Address()+"/apps/"+p.App.String()+"/?work=10m", nil)
			if response, err := http.DefaultClient.Do(r); err == nil {
				response.Body.Close()
			}
		})
	}
	fleet := &api.Client{Addresses: []string{"http://" + first.AdminAddress(), "http://" + second.AdminAddress()}, Token: "secret"}
	busy := make(map[string]int)
	nomadtest.Eventually(t, 30*time.Second, "three requests at instances that are all ready", func() bool {
		statuses, err := fleet.Statuses(t.Context(), p.App)
		if err != nil {
			t.Fatal(err)
		}
		clear(busy)
		sum, ready := 0, 0
		for _, status := range statuses {
			for _, i := range status.Instances {
				busy[i.ID] += i.InFlight
				sum += i.InFlight
				if i.State == api.Ready {
					ready++
				}
			}
		}
		return sum == 3 && ready == 2*len(ids)
	})
	var leastBusy []string
	for _, id := range ids {
		if busy[id] == min(busy[ids[0]], busy[ids[1]], busy[ids[2]]) {
			leastBusy = append(leastBusy, id)
		}
	}
	placed, err := agent.Client.Instances(t.Context(), p.App)
	if err != nil {
		t.Fatal(err)
	}
	shown := make([]knownvalue.Check, len(ids))
	for i, id := range ids {
		shown[i] = knownvalue.ObjectExact(map[string]knownvalue.Check{
			"id": knownvalue.StringExact(id), "index": knownvalue.Int64Exact(int64(i)), "address": knownvalue.StringExact(placed[i].Address("http")),
			"node": knownvalue.StringExact(placed[i].Node), "state": knownvalue.StringExact("ready"), "in_flight": knownvalue.Int64Exact(int64(busy[id])), "error": knownvalue.Null(),
		})
	}
	gateways := fmt.Sprintf("gateways = [\"http://%s\", \"http://%s/\"]\n", first.AdminAddress(), second.AdminAddress())
	token := gateways + "gateway_token = \"secret\"\n"
	chooses := func(mode string, candidates ...string) resource.TestStep {
		selected := knownvalue.Null()
		if len(candidates) == 1 {
			return resource.TestStep{
				Config: instancesOf("instances", token+mode),
				ConfigStateChecks: []statecheck.StateCheck{
					instancesHold("selected", knownvalue.StringExact(candidates[0])), instancesHold("candidates", texts(candidates...)), instancesHold("selection_error", knownvalue.Null()),
				},
			}
		}
		return resource.TestStep{
			Config: instancesOf("instances", token+mode),
			ConfigStateChecks: []statecheck.StateCheck{
				instancesHold("selected", selected), instancesHold("candidates", texts(candidates...)), instancesHold("selection_error", knownvalue.Null()),
			},
		}
	}
	apply(t,
		resource.TestStep{
			Config: instancesOf("instances", token),
			ConfigStateChecks: []statecheck.StateCheck{
				instancesHold("id", knownvalue.StringExact("default/instances/app")),
				instancesHold("service_selection_mode", knownvalue.StringExact("random")),
				instancesHold("instances", knownvalue.ListExact(shown)),
				instancesHold("concurrency", knownvalue.Int64Exact(3)),
				instancesHold("requests_per_minute", knownvalue.NotNull()),
				instancesHold("load_error", knownvalue.Null()),
			},
		},
		chooses(`service_selection_mode = "random"`, ids...),
		chooses(`service_selection_mode = "round_robin"`, ids...),
		chooses(`service_selection_mode = "first"`, ids[0]),
		chooses(`service_selection_mode = "last"`, ids[2]),
		chooses(`service_selection_mode = "min_load"`, leastBusy...),
		chooses(`service_selection_mode = "hash"`, ids...),
		resource.TestStep{
			Config: instancesOf("instances", token+`service_selection_mode = "exact"`),
			ConfigStateChecks: []statecheck.StateCheck{
				instancesHold("selected", knownvalue.Null()), instancesHold("candidates", texts()),
				instancesHold("selection_error", knownvalue.StringExact("service_selection_mode exact needs exactly one instance, and 3 are ready: "+strings.Join(ids, ", "))),
			},
		},
		// Without the token, or with a gateway that does not answer, the load is not
		// known; what does not go by it is all the same.
		resource.TestStep{
			Config: instancesOf("instances", gateways+`service_selection_mode = "last"`),
			ConfigStateChecks: []statecheck.StateCheck{
				instancesHold("load_error", knownvalue.StringRegexp(said("401 Unauthorized"))),
				instancesHold("concurrency", knownvalue.Null()), instancesHold("requests_per_minute", knownvalue.Null()),
				instancesHold("selected", knownvalue.StringExact(ids[2])),
			},
		},
		resource.TestStep{
			Config: instancesOf("instances", strings.Replace(token, second.AdminAddress(), "127.0.0.1:1", 1)+`service_selection_mode = "min_load"`),
			ConfigStateChecks: []statecheck.StateCheck{
				instancesHold("load_error", knownvalue.StringRegexp(said("127.0.0.1:1"))),
				instancesHold("instances", knownvalue.ListPartial(map[int]knownvalue.Check{0: knownvalue.ObjectPartial(map[string]knownvalue.Check{
					"state": knownvalue.StringExact("running"), "in_flight": knownvalue.Null(),
				})})),
				instancesHold("selected", knownvalue.Null()), instancesHold("candidates", texts()),
				instancesHold("selection_error", knownvalue.StringExact("it goes by the requests at each instance, which are not known")),
			},
		},
		resource.TestStep{
			Config: instancesOf("instances", `gateway_service = "nowhere"`),
			ConfigStateChecks: []statecheck.StateCheck{
				instancesHold("load_error", knownvalue.StringExact("finding the gateways: there is no service nowhere in namespace default")),
			},
		},
	)
}

// The instance that hash chooses for a key is the one that gets the key's
// requests.
func TestInstanceOfAKeyIsTheGateways(t *testing.T) {
	p, ids := answering(t, "instances-hash", 3, scaler.Document{"service_selection_mode": "hash", "hash_key": "header:X-User"})
	g := runGateway(t, "")
	nomadtest.Eventually(t, 30*time.Second, "ready instances", func() bool {
		statuses, err := (&api.Client{Addresses: []string{"http://" + g.AdminAddress()}}).Statuses(t.Context(), p.App)
		return err == nil && statuses[0].Running == len(ids)
	})
	var steps []resource.TestStep
	for _, user := range []string{"ada", "grace", "barbara"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+g.Address()+"/apps/"+p.App.String()+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-User", user)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		var answer struct{ Allocation string }
		err = json.NewDecoder(response.Body).Decode(&answer)
		response.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		steps = append(steps, resource.TestStep{
			Config:            instancesOf("instances-hash", fmt.Sprintf("gateways = [\"http://%s\"]\nkey = %q", g.AdminAddress(), user)),
			ConfigStateChecks: []statecheck.StateCheck{instancesHold("selected", knownvalue.StringExact(answer.Allocation))},
		})
	}
	apply(t, steps...)
}

// An app without instances, gateways that do not know it, and what is refused.
func TestInstancesOfNothing(t *testing.T) {
	t.Parallel()
	registerIn(t, "default", "no-instances", nil, nil)
	refused := func(inside, says string) resource.TestStep {
		return resource.TestStep{Config: instancesOf("no-instances", inside), ExpectError: said(says)}
	}
	silent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "[]") }))
	defer silent.Close()
	apply(t,
		resource.TestStep{
			Config: instancesOf("no-instances", `gateways = ["`+silent.URL+`"]`),
			ConfigStateChecks: []statecheck.StateCheck{
				instancesHold("instances", knownvalue.ListExact(nil)), instancesHold("selected", knownvalue.Null()),
				instancesHold("selection_error", knownvalue.StringExact("no instance is ready")),
				instancesHold("load_error", knownvalue.StringExact("a gateway does not know the app default/no-instances/app")),
			},
		},
		refused(`service_selection_mode = "best"`, `service_selection_mode is "best"; it must be random, first, last`),
		refused(`gateways = ["10.0.0.1:9090"]`, `gateways[0] is "10.0.0.1:9090"; it must be the URL of a gateway's admin listener`),
		resource.TestStep{Config: instancesOf("nothing", ""), ExpectError: said("There is no such app")},
	)
}
