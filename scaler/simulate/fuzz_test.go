package simulate_test

import (
	"math"
	"testing"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/simulate"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/simulate/trace"
)

// replayable checks that a trace that was read can be replayed.
func replayable(t *testing.T, tr trace.Trace, err error) {
	if err != nil {
		if err.Error() == "" {
			t.Error("an error without words")
		}
		return
	}
	p := policy(t, "min_instances", "0")
	if tr.Metric != "" && tr.Metric != p.Metric {
		p = policy(t, "min_instances", "0", "metric", string(tr.Metric))
	}
	length := tr.End.Sub(tr.Start())
	step := max(length/100, time.Millisecond)
	if len(tr.Points) > 10_000 || length < 0 {
		return
	}
	r, err := simulate.Run(p, tr, simulate.Options{Step: step, StartDelay: step / 3})
	if err != nil {
		t.Fatal(err)
	}
	if r.Length() != length || r.PeakCount > p.MaxInstances || r.InstanceSeconds < 0 || math.IsNaN(r.MeanUtilisation) {
		t.Errorf("%+v", r)
	}
}

func FuzzRunOnAnyFormat(f *testing.F) {
	f.Add([]byte("time,requests_per_minute\n0s,1\n90s,2\n"))
	f.Add([]byte(`[{"time":"0s","load":1},{"time":"90s","load":null}]`))
	f.Add([]byte(`{"status":"success","data":{"resultType":"matrix","result":[{"values":[[1,"1"],[2,"2"]]}]}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		tr, err := trace.Parse(text)
		replayable(t, tr, err)
	})
}

func FuzzRunOnCSV(f *testing.F) {
	f.Add("time,requests_per_minute\n2026-11-22T12:00:00Z,0\n2026-11-22T12:01:00Z,60\n")
	f.Add("concurrency,time\nNaN,0\n# comment\n1e3,1e9\n")
	f.Fuzz(func(t *testing.T, text string) {
		tr, err := trace.ParseCSV([]byte(text))
		replayable(t, tr, err)
	})
}

func FuzzRunOnJSON(f *testing.F) {
	f.Add(`[{"time":"2026-11-22T12:00:00Z","concurrency":0},{"time":1795348860,"concurrency":60}]`)
	f.Add(`[{"time":0,"load":null},{"time":0.5,"load":1e15}]`)
	f.Fuzz(func(t *testing.T, text string) {
		tr, err := trace.ParseJSON([]byte(text))
		replayable(t, tr, err)
	})
}

func FuzzRunOnPrometheus(f *testing.F) {
	f.Add(`{"status":"success","data":{"resultType":"matrix","result":[{"values":[[1,"1"],[2,"2"],[9,"NaN"]]},{"values":[[1.5,"+Inf"]]}]}}`)
	f.Add(`{"status":"error","error":"no"}`)
	f.Fuzz(func(t *testing.T, text string) {
		tr, err := trace.ParsePrometheus([]byte(text))
		replayable(t, tr, err)
	})
}

func FuzzRunOnShape(f *testing.F) {
	for _, s := range trace.Shapes() {
		f.Add(s.Syntax, int64(0))
		f.Add(s.Syntax, int64(time.Hour))
	}
	f.Fuzz(func(t *testing.T, text string, length int64) {
		tr, err := trace.ParseShape(text, time.Duration(length))
		replayable(t, tr, err)
	})
}
