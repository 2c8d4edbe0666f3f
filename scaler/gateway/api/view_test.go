package api_test

import (
	"testing"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
)

// Of what several gateways say of an instance, the most severe state counts, and the
// requests add up.
func TestViewOfAnInstance(t *testing.T) {
	says := func(state api.State, inFlight int, err string) api.AppStatus {
		return api.AppStatus{Instances: []api.InstanceStatus{
			{InstanceRef: api.InstanceRef{ID: "other"}, State: api.Draining, InFlight: 9},
			{InstanceRef: api.InstanceRef{ID: "a"}, State: state, InFlight: inFlight, Error: err},
		}}
	}
	for name, c := range map[string]struct {
		gateways []api.AppStatus
		want     api.InstanceStatus
	}{
		"ready at all":           {[]api.AppStatus{says(api.Ready, 1, ""), says(api.Ready, 2, "")}, api.InstanceStatus{State: api.Ready, InFlight: 3}},
		"ejected at one":         {[]api.AppStatus{says(api.Ejected, 0, "refused"), says(api.Ready, 2, "")}, api.InstanceStatus{State: api.Ejected, InFlight: 2, Error: "refused"}},
		"draining at one":        {[]api.AppStatus{says(api.Starting, 0, ""), says(api.Draining, 1, "")}, api.InstanceStatus{State: api.Draining, InFlight: 1}},
		"not listed by one":      {[]api.AppStatus{says(api.Ready, 1, ""), {}}, api.InstanceStatus{State: api.Starting, InFlight: 1}},
		"with no gateway at all": {nil, api.InstanceStatus{State: api.Ready}},
	} {
		c.want.ID = "a"
		if got := (api.AppView{Gateways: c.gateways}).Instance("a"); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
