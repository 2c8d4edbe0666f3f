package api_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	nomadapi "github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

// speaker answers for a gateway at which an app has that load.
func speaker(t *testing.T, apps map[string]int) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			http.Error(w, "the admin token is needed", http.StatusUnauthorized)
			return
		}
		app := r.FormValue("app")
		if app == "" {
			var all []string
			for app, load := range apps {
				all = append(all, fmt.Sprintf(`%q: {"requests_per_minute": %d, "concurrency": 1}`, app, load))
			}
			fmt.Fprintf(w, `{"apps": {%s}}`, strings.Join(all, ","))
			return
		}
		load, ok := apps[app]
		if !ok {
			http.Error(w, "there is no such app", http.StatusNotFound)
			return
		}
		fmt.Fprintf(w, `{"series": [{"time": %q, "value": %d}]}`, time.Now().Format(time.RFC3339Nano), load)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestGatewaysAddUp(t *testing.T) {
	one := speaker(t, map[string]int{"default/web/app": 30, "default/new/app": 1})
	two := speaker(t, map[string]int{"default/web/app": 12})
	g := api.Client{Addresses: []string{one, two}, Token: "secret"}

	series, err := g.Series(t.Context(), id("default/web/app"), scaler.RequestsPerMinute, time.Minute)
	if err != nil || len(series) == 0 || series[len(series)-1].Value != 42 {
		t.Errorf("the series is %v, %v; want 42 at its end", series, err)
	}
	loads, err := g.Loads(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if rate, ok := loads[id("default/web/app")].In(scaler.RequestsPerMinute); !ok || rate != 42 {
		t.Errorf("the rate is %v, want 42", rate)
	}
	if n, ok := loads[id("default/web/app")].In(scaler.Concurrency); !ok || n != 2 {
		t.Errorf("the concurrency is %v, want 2", n)
	}
	if _, ok := loads[id("default/web/app")].In(scaler.Custom); ok {
		t.Error("gateways measure a custom metric")
	}
	if load, known := loads[id("default/new/app")]; known {
		t.Errorf("an app that one gateway does not know has the load %v", load)
	}
}

func TestGatewaysThatDoNotAnswerMakeTheLoadUnknown(t *testing.T) {
	one := speaker(t, map[string]int{"default/web/app": 30})
	for name, test := range map[string]struct {
		gateways api.Client
		want     string
	}{
		"one that is gone":           {api.Client{Addresses: []string{one, "http://127.0.0.1:1"}, Token: "secret"}, "asking a gateway"},
		"one with another token":     {api.Client{Addresses: []string{one}, Token: "wrong"}, "401 Unauthorized: the admin token is needed"},
		"one that knows no such app": {api.Client{Addresses: []string{one, speaker(t, nil)}, Token: "secret"}, "404 Not Found: there is no such app"},
	} {
		t.Run(name, func(t *testing.T) {
			series, err := test.gateways.Series(t.Context(), id("default/web/app"), scaler.Concurrency, time.Minute)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the series is %v, %v; want an error with %q", series, err, test.want)
			}
		})
	}
}

func TestGatewaysAreFoundByTheirService(t *testing.T) {
	agent := nomadtest.Start(t)
	g := api.Client{Services: agent.Client, Service: api.AdminService, Namespace: "default", Token: "secret"}
	const none = "there is no service nomadscale-gateway-admin in namespace default"
	if _, err := g.Loads(t.Context()); err == nil || !strings.Contains(err.Error(), none) {
		t.Errorf("error %v, want %q", err, none)
	}

	var services []*nomadapi.Service
	for _, address := range []string{speaker(t, map[string]int{"default/web/app": 3}), speaker(t, map[string]int{"default/web/app": 4})} {
		port := address[strings.LastIndexByte(address, ':')+1:]
		services = append(services, &nomadapi.Service{Name: api.AdminService, Provider: "nomad", Address: "127.0.0.1", AddressMode: "auto", PortLabel: port})
	}
	job := nomadtest.Job(nomadtest.Policy(t, "gateway", nil))
	job.TaskGroups[0].Services = services
	agent.Register(t, job)
	nomadtest.Eventually(t, time.Minute, "the load of both gateways", func() bool {
		loads, err := g.Loads(t.Context())
		return err == nil && loads[id("default/web/app")].RequestsPerMinute == 7
	})
}

func TestParseAddresses(t *testing.T) {
	got, err := api.ParseAddresses("http://10.0.0.1:9090/, https://gateway.example")
	if err != nil || len(got) != 2 || got[0] != "http://10.0.0.1:9090" || got[1] != "https://gateway.example" {
		t.Errorf("the gateways are %q, %v", got, err)
	}
	for _, list := range []string{"10.0.0.1:9090", "ftp://10.0.0.1", "http://"} {
		if got, err := api.ParseAddresses(list); err == nil {
			t.Errorf("%q became %q", list, got)
		}
	}
}
