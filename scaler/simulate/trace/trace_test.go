package trace_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/simulate/trace"
)

func TestLoad(t *testing.T) {
	tr := trace.Trace{Points: samples(noon, time.Minute, 10, 30, unknown), End: noon.Add(3 * time.Minute)}
	loads := func() (all []float64) {
		for _, at := range []time.Duration{0, 15 * time.Second, time.Minute, 90 * time.Second, 150 * time.Second} {
			all = append(all, tr.Load(min(int(at/time.Minute), len(tr.Points)-1), noon.Add(at)))
		}
		return all
	}
	if diff := cmp.Diff([]float64{10, 10, 30, 30, unknown}, loads(), cmpopts.EquateNaNs()); diff != "" {
		t.Errorf("steps (-want +got)\n%s", diff)
	}
	tr.Linear = true
	if diff := cmp.Diff([]float64{10, 15, 30, unknown, unknown}, loads(), cmpopts.EquateNaNs()); diff != "" {
		t.Errorf("linear (-want +got)\n%s", diff)
	}
}

func TestPeaks(t *testing.T) {
	tr := trace.Trace{Points: samples(noon, time.Minute, 10, 30, unknown, 20), End: noon.Add(4 * time.Minute)}
	bounds := func(at ...time.Duration) (all []time.Time) {
		for _, d := range at {
			all = append(all, noon.Add(d))
		}
		return all
	}
	for _, c := range []struct {
		name   string
		bounds []time.Time
		want   []float64
	}{
		{"the whole", bounds(0, 4*time.Minute), []float64{30}},
		{"within a point", bounds(10*time.Second, 20*time.Second, 30*time.Second), []float64{10, 10}},
		{"a point at a bound belongs to what follows", bounds(0, time.Minute, 2*time.Minute), []float64{10, 30}},
		{"an unknown load", bounds(time.Minute, 130*time.Second, 140*time.Second, 4*time.Minute), []float64{30, unknown, 20}},
	} {
		if diff := cmp.Diff(c.want, tr.Peaks(c.bounds), cmpopts.EquateNaNs()); diff != "" {
			t.Errorf("%s (-want +got)\n%s", c.name, diff)
		}
	}
}
