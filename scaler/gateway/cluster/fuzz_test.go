package cluster_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/cluster"
)

// Whatever another gateway says, nothing breaks, and its load is never below none.
func FuzzPeer(f *testing.F) {
	permits := api.PermitReport{Process: "p1", App: shop, Number: 1, Granted: map[string]int{"a": 1}, Requested: map[string]int{"a": 3}}
	for _, seed := range []any{busy, permits} {
		text, err := json.Marshal(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"process":"p","number":-1,"granted":{"a":99999},"requested":{"a":1073741824,"x":1}}`))
	const limit = 4
	f.Fuzz(func(t *testing.T, text []byte) {
		m := cluster.New(cluster.Config{}).Snapshot()
		var report api.PeerReport
		if err := json.Unmarshal(text, &report); err == nil {
			m = membership(t, report)
			if l := m.Load(shop); l.RequestsPerMinute < 0 || l.Concurrency < 0 || l.InFlight["a"] < 0 {
				t.Errorf("the load is %+v", l)
			}
			if share := cluster.RateShare(0, m.Arrivals(shop)); !(share > 0 && share <= 1) {
				t.Errorf("the share is %v", share)
			}
			m.Drained(shop, "a")
			m.ScaleOrder(shop, "own")
		}
		var r api.PermitReport
		if err := json.Unmarshal(text, &r); err != nil {
			return
		}
		g := newGateway("own", limit, []string{"a"}, false)
		now := time.Now()
		check := func() {
			if reserved := g.instances.all[0].reserved; reserved < 0 || reserved > limit {
				t.Errorf("%d of %d permits are reserved", reserved, limit)
			}
			for id, n := range g.permits.Report().Granted {
				if n < 0 || n > limit {
					t.Errorf("%d permits of %s are held", n, id)
				}
			}
		}
		g.permits.Observe(r, now)
		g.permits.Yield(r, 0, m, now)
		check()
		g.permits.Request(1)
		g.permits.Claim(m, now)
		check()
	})
}
