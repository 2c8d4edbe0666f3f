package nomad_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

// enterprise is a Nomad Enterprise with a quota, which the agent of these tests lacks. A
// nil response stands for a token without the capability.
type enterprise struct {
	namespace *api.Namespace
	quota     *api.QuotaSpec
	asked     atomic.Int32
}

func (e *enterprise) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.asked.Add(1)
	switch {
	case e.namespace != nil && r.URL.Path == "/v1/namespace/team":
		_ = json.NewEncoder(w).Encode(e.namespace)
	case e.quota != nil && r.URL.Path == "/v1/quota/team-quota":
		_ = json.NewEncoder(w).Encode(e.quota)
	default:
		http.Error(w, "Permission denied", http.StatusForbidden)
	}
}

func TestQuota(t *testing.T) {
	t.Parallel()
	limited := func(region string, limits api.QuotaResources) *api.QuotaSpec {
		return &api.QuotaSpec{Name: "team-quota", Limits: []*api.QuotaLimit{{Region: region, RegionLimit: &limits}}}
	}
	team := &api.Namespace{Name: "team", Quota: "team-quota"}
	p := nomadtest.Policy(t, "shop", scaler.Document{"namespace": "team", "max_instances": "8"})
	job := nomadtest.Job(p)
	job.TaskGroups[0].Tasks[0].Resources = &api.Resources{CPU: new(500), MemoryMB: new(256)}
	for _, c := range []struct {
		name      string
		namespace *api.Namespace
		quota     *api.QuotaSpec
		says      []string // for each advice
		asked     int32
	}{
		{"too little cpu", team, limited("global", api.QuotaResources{CPU: new(3900), MemoryMB: new(2048)}), []string{"need 4000 MHz (cpu), and quota team-quota allows namespace team 3900: 7 of them fit"}, 2},
		{"too little of both", team, limited("global", api.QuotaResources{CPU: new(100), MemoryMB: new(-1)}), []string{"0 of them fit", "need 2048 MB (memory), and quota team-quota allows namespace team 0"}, 2},
		{"enough", team, limited("global", api.QuotaResources{CPU: new(4000), MemoryMB: new(2048), Cores: new(1)}), nil, 2},
		{"unlimited", team, limited("global", api.QuotaResources{CPU: new(0)}), nil, 2},
		{"of another region", team, limited("west", api.QuotaResources{CPU: new(100)}), nil, 2},
		{"a namespace without a quota", &api.Namespace{Name: "team"}, nil, nil, 1},
		{"a quota that may not be read", team, nil, nil, 2},
		{"a namespace that may not be read", nil, nil, nil, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			fake := &enterprise{namespace: c.namespace, quota: c.quota}
			server := httptest.NewServer(fake)
			defer server.Close()
			client, err := nomad.New(&api.Config{Address: server.URL})
			if err != nil {
				t.Fatal(err)
			}
			var quotas nomad.Quotas
			for range 2 {
				advice := quotas.Advise(t.Context(), client, job, jobspec.NewBlock(p), "")
				if len(advice) != len(c.says) {
					t.Fatalf("got %+v, want %q", advice, c.says)
				}
				for i, a := range advice {
					if a.Key != "max_instances" || !strings.Contains(a.Reason, c.says[i]) {
						t.Errorf("got %+v, want %q", a, c.says[i])
					}
				}
			}
			if asked := fake.asked.Load(); asked != c.asked {
				t.Errorf("Nomad was asked %d times, want %d", asked, c.asked)
			}
		})
	}
}
