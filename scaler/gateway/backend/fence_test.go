package backend_test

import (
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// When the load calls for fewer instances, new requests keep off the one that
// Nomad would stop.
func TestFenceSparesTheHighestIndex(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		a := f.app(t, webID, scaler.Document{
			"metric": "concurrency", "target_concurrency_per_instance": "10", "service_selection_mode": "last",
		})
		for i, id := range []string{"a", "b", "c"} {
			startReady(t, a, id, i)
		}
		at := make(map[string]int)
		for range 5 {
			a.Begin(f.Now())
			l := f.acquire(t, a)
			at[l.Instance()]++
			l.Release(answered())
			a.End(f.Now())
		}
		if diff := cmp.Diff(map[string]int{"b": 5}, at); diff != "" {
			t.Errorf("requests at (-want +got):\n%s", diff)
		}
	})
}
