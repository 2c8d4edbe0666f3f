package simulate_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/simulate"
)

func samples(start time.Time, step time.Duration, loads ...float64) []scaler.Sample {
	all := make([]scaler.Sample, len(loads))
	for i, load := range loads {
		all[i] = scaler.Sample{Time: start.Add(time.Duration(i) * step), Value: load}
	}
	return all
}

var (
	noon    = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	unknown = math.NaN()
)

func TestParseTrace(t *testing.T) {
	dated := simulate.Trace{Points: samples(noon, time.Minute, 0, 60, unknown, 12.5), End: noon.Add(4 * time.Minute)}
	undated := simulate.Trace{Points: samples(after(0), 90*time.Second, 1, 2), End: after(3 * time.Minute)}
	of := func(trace simulate.Trace, metric scaler.Metric) simulate.Trace {
		trace.Metric = metric
		return trace
	}
	for _, c := range []struct {
		name, text string
		want       simulate.Trace
	}{
		{"CSV, RFC 3339", "time,requests_per_minute\n2026-11-22T12:00:00Z,0\n2026-11-22T12:01:00Z,60\n2026-11-22T13:02:00+01:00,\n2026-11-22T12:03:00Z,12.5\n", of(dated, scaler.RequestsPerMinute)},
		{"CSV, Unix seconds", "time,concurrency\n1795348800,0\n1795348860,60\n1795348920.0,NaN\n1795348980,12.5\n", of(dated, scaler.Concurrency)},
		{"CSV, durations", "time,load\n0s,1\n90s,2\n", undated},
		{"CSV, columns swapped, comments, spaces, a byte order mark and CRLF", "\ufeff# a trace\r\nload, time\r\n1, 0\r\n# on\r\n2, 1m30s\r\n", undated},
		{"JSON", `[{"time":"2026-11-22T12:00:00Z","concurrency":0},{"time":1795348860,"concurrency":60},{"time":"1795348920","concurrency":null},{"concurrency":12.5,"time":1795348980}]`, of(dated, scaler.Concurrency)},
		{"JSON, durations", ` [{"time":"0s","load":1},{"time":"1m30s","load":2}] `, undated},
		{
			"Prometheus",
			`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"job":"a"},"values":[[1795348800,"0"],[1795348860,"60"],[1795348920,"NaN"],[1795348980,"12.5"]]}]}}`,
			dated,
		},
		{
			"Prometheus, series added up, each where it has values",
			`{"status":"success","isPartial":false,"data":{"resultType":"matrix","result":[
				{"metric":{},"values":[[1795348800,"0"],[1795348860,"40"],[1795348920,"+Inf"]]},
				{"metric":{},"values":[[1795348860,"20"],[1795348980,"12.5"]]}]}}`,
			dated,
		},
		{
			"Prometheus, a gap",
			`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1795348800,"0"],[1795348860,"60"],[1795348980,"12.5"]]}]}}`,
			dated,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := simulate.ParseTrace([]byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got, cmpopts.EquateNaNs()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestParseTraceRefuses(t *testing.T) {
	const time, load = "a time as in RFC 3339, a number of Unix seconds or a duration such as 90s", "a number from 0 to 1e15, or nothing where the load is not known"
	prometheus := func(result string) string {
		return `{"status":"success","data":{"resultType":"matrix","result":` + result + `}}`
	}
	for _, c := range []struct{ text, want string }{
		{"", "the trace is empty"},
		{" \n", "the trace is empty"},
		{"# only a comment\n", "the trace is empty"},
		{"time\n", "line 1: must have 2 columns"},
		{"time,rps\n0,1\n", `line 1: header = "time,rps": must be time and requests_per_minute, concurrency or load`},
		{"at,load\n0,1\n", `line 1: header = "at,load": must be time and requests_per_minute, concurrency or load`},
		{"time,load\n0,1\n", "the trace has 1 points of time: it must have at least 2"},
		{"time,load\n0,1\n\nsoon,1\n", `line 4: time = "soon": must be ` + time},
		{"time,load\n0,1\n-5s,1\n", `line 3: time = "-5s": must be ` + time},
		{"time,load\n0,1\n1900-01-01T00:00:00Z,1\n", `line 3: time = "1900-01-01T00:00:00Z": must be ` + time},
		{"time,load\n0,1\n10s,many\n", `line 3: load = "many": must be ` + load},
		{"time,concurrency\n0,1\n10s,-1\n", `line 3: concurrency = "-1": must be ` + load},
		{"time,load\n0,1\n10s,Inf\n", `line 3: load = "Inf": must be ` + load},
		{"time,load\n0,1\n10s,1e16\n", `line 3: load = "1e16": must be ` + load},
		{"time,load\n0,1\n10s,1,2\n", "line 3: must have 2 columns"},
		{"time,load\n0,1\n\"10s,1\n", `line 3: extraneous or missing " in quoted-field`},
		{"time,load\n10s,1\n10s,1\n", `line 3: time = "10s": must be after the one before it`},
		{"time,load\n0,1\n2199-01-01T00:00:00Z,1\n", "the trace is longer than 100 years"},

		{`[]`, "the trace has 0 points of time: it must have at least 2"},
		{`[1]`, "a list of objects with a time and requests_per_minute, concurrency or load: json: cannot unmarshal number into Go value of type map[string]interface {}"},
		{`[{"time":0,"load":1}] x`, "a list of objects with a time and requests_per_minute, concurrency or load: there is more after the end, at byte 22"},
		{`[{"time":0,"load":1},{"time":10,"concurrency":1}]`, `entry 2: concurrency = "1": must be removed: an entry has a time and load`},
		{`[{"time":0,"rps":1}]`, `entry 1: rps = "1": must be time, requests_per_minute, concurrency or load`},
		{`[{"time":0}]`, `entry 1: load = "": must be given: a number from 0 to 1e15, or null where the load is not known`},
		{`[{"load":1}]`, `entry 1: time = "": must be ` + time},
		{`[{"time":[],"load":1}]`, `entry 1: time = "[]": must be ` + time},
		{`[{"time":0,"load":1},{"time":10,"load":-1}]`, `entry 2: load = "-1": must be a number from 0 to 1e15, or null where the load is not known`},
		{`[{"time":0,"load":1},{"time":10,"load":"1"}]`, `entry 2: load = "1": must be a number from 0 to 1e15, or null where the load is not known`},
		{`[{"time":10,"load":1},{"time":0,"load":1}]`, `entry 2: time = "0": must be after the one before it`},

		{`{`, "an answer of Prometheus: unexpected EOF"},
		{`{"status":"error","errorType":"bad_data","error":"invalid parameter \"query\""}`, `prometheus has answered with an error: invalid parameter "query"`},
		{`{}`, `status = "": must be success`},
		{`{"status":"success","data":{"resultType":"vector","result":[]}}`, `data.resultType = "vector": must be matrix, as /api/v1/query_range answers`},
		{prometheus(`[]`), "the query has no result: there is no series"},
		{prometheus(`[{"values":[]}]`), "the trace has 0 points of time: it must have at least 2"},
		{prometheus(`[{"values":[[1,"1"],[2]]}]`), "data.result[0].values[1]: it has 1 elements: must be a time and a value"},
		{prometheus(`[{"values":[["x","1"]]}]`), `data.result[0].values[0]: time = "\"x\"": must be a number of Unix seconds`},
		{prometheus(`[{"values":[[-1,"1"]]}]`), `data.result[0].values[0]: time = "-1": must be a number of Unix seconds`},
		{prometheus(`[{"values":[[1,1]]}]`), `data.result[0].values[0]: value = "1": must be a string with a number, such as "12.5"`},
		{prometheus(`[{"values":[[1,"-1"]]}]`), `data.result[0].values[0]: value = "-1": must be a number from 0 to 1e15, "NaN" or "+Inf"`},
	} {
		if _, err := simulate.ParseTrace([]byte(c.text)); err == nil || err.Error() != c.want {
			t.Errorf("%q:\n got: %v\nwant: %s", c.text, err, c.want)
		}
	}
}

func TestParseShape(t *testing.T) {
	const h = time.Hour
	for _, c := range []struct {
		text   string
		length time.Duration
		end    time.Duration
		loads  map[time.Duration]float64 // at points of the trace
	}{
		{"constant:600", 0, h, map[time.Duration]float64{0: 600}},
		{"constant:0.5", 3 * h, 3 * h, map[time.Duration]float64{0: 0.5}},
		{"steps:0@0s,600@5m,0@1h", 0, 115 * time.Minute, map[time.Duration]float64{0: 0, 5 * time.Minute: 600, h: 0}},
		{"steps: 600@300, 5@10m ", 0, 15 * time.Minute, map[time.Duration]float64{0: 0, 5 * time.Minute: 600, 10 * time.Minute: 5}},
		{"steps:600@0", 0, h, map[time.Duration]float64{0: 600}},
		{"steps:0@0s,600@5m,0@1h", 30 * time.Minute, 30 * time.Minute, map[time.Duration]float64{0: 0, 5 * time.Minute: 600}},
		{"sine:20..900/24h", 0, 24 * h, map[time.Duration]float64{0: 20, 6 * h: 460, 12 * h: 900, 18 * h: 460}},
		{"sine:20..900/24h", 60 * h, 60 * h, map[time.Duration]float64{36 * h: 900, 48 * h: 20}},
		{"spike:60..2000@10m+5m", 0, 25 * time.Minute, map[time.Duration]float64{0: 60, 10 * time.Minute: 2000, 15 * time.Minute: 60}},
		{"spike:60..2000@0s+5m", 0, 10 * time.Minute, map[time.Duration]float64{0: 2000, 5 * time.Minute: 60}},
		{"business-day", 0, 24 * h, map[time.Duration]float64{6 * h: 0, 11 * h: 1000, 14 * h: 950, 22 * h: 0}},
		{"business-day:100..300", 7 * 24 * h, 7 * 24 * h, map[time.Duration]float64{11 * h: 300, (4*24 + 11) * h: 300, (5*24 + 11) * h: 100, (6*24 + 22) * h: 100}},
	} {
		trace, err := simulate.ParseShape(c.text, c.length)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if !trace.End.Equal(after(c.end)) || !trace.Start().Equal(after(0)) || trace.Metric != "" {
			t.Errorf("%s is from %v to %v in %q", c.text, trace.Start(), trace.End, trace.Metric)
		}
		loads := make(map[time.Duration]float64)
		for _, point := range trace.Points {
			loads[point.Time.Sub(after(0))] = point.Value
		}
		for at, want := range c.loads {
			if got, ok := loads[at]; !ok || math.Abs(got-want) > 1e-9*want {
				t.Errorf("%s: %v at %v, want %v", c.text, got, at, want)
			}
		}
		if !trace.Linear && len(loads) != len(c.loads) {
			t.Errorf("%s has points %v", c.text, loads)
		}
	}
}

func TestParseShapeRefuses(t *testing.T) {
	const load = "a number from 0 to 1e15"
	for _, c := range []struct{ text, want string }{
		{"ramp:1", `shape = "ramp:1": must be like constant:600, steps:0@0s,600@5m,0@1h, sine:20..900/24h, spike:60..2000@10m+5m, business-day:0..1000`},
		{"constant", `constant, as in constant:600: load = "": must be ` + load},
		{"constant:-1", `constant, as in constant:600: load = "-1": must be ` + load},
		{"constant:NaN", `constant, as in constant:600: load = "NaN": must be ` + load},
		{"steps:600", `steps, as in steps:0@0s,600@5m,0@1h: step = "600": must be a load and a time, such as 600@5m`},
		{"steps:600@soon", `steps, as in steps:0@0s,600@5m,0@1h: time = "soon": must be a duration of at least 0s, such as 90s or 24h`},
		{"steps:1@5m,2@5m", `steps, as in steps:0@0s,600@5m,0@1h: time = "5m": must be after 5m, the one before it`},
		{"sine:900/24h", `sine, as in sine:20..900/24h: loads = "900": must be the least and the most, such as 20..900`},
		{"sine:900..20/24h", `sine, as in sine:20..900/24h: most load = "20": must be at least 900`},
		{"sine:20..900/24", `sine, as in sine:20..900/24h: period = "24": must be a duration of at least 1m, such as 90s or 24h`},
		{"spike:60..2000", `spike, as in spike:60..2000@10m+5m: time = "": must be a duration of at least 0s, such as 90s or 24h`},
		{"spike:60..2000@10m", `spike, as in spike:60..2000@10m+5m: length = "": must be a duration of at least 1s, such as 90s or 24h`},
		{"business-day:5", `business-day, as in business-day:0..1000: loads = "5": must be the least and the most, such as 20..900`},
	} {
		if _, err := simulate.ParseShape(c.text, 0); err == nil || err.Error() != c.want {
			t.Errorf("%s:\n got: %v\nwant: %s", c.text, err, c.want)
		}
	}
	for _, length := range []time.Duration{-1, 200 * year} {
		if _, err := simulate.ParseShape("constant:1", length); err == nil || !strings.HasSuffix(err.Error(), "must be above 0 and at most 100 years") {
			t.Errorf("a length of %v: %v", length, err)
		}
	}
	if _, err := simulate.ParseShape("sine:0..1/1m", year); err == nil || !strings.Contains(err.Error(), "more than 20000 of it") {
		t.Errorf("a year of minutes: %v", err)
	}
}

// Every shape's own syntax is one that is understood.
func TestShapes(t *testing.T) {
	for _, s := range simulate.Shapes() {
		if _, err := simulate.ParseShape(s.Syntax, 0); err != nil || !simulate.IsShape(s.Syntax) || s.Description == "" {
			t.Errorf("%s: %v", s.Syntax, err)
		}
	}
	if simulate.IsShape("trace.csv") {
		t.Error("trace.csv is no shape")
	}
}

// usable is what holds of every trace that is read: it can be simulated.
func usable(t *testing.T, trace simulate.Trace, err error) {
	if err != nil {
		if err.Error() == "" {
			t.Error("an error without words")
		}
		return
	}
	p := policy(t, "min_instances", "0")
	if trace.Metric != "" && trace.Metric != p.Metric {
		p = policy(t, "min_instances", "0", "metric", string(trace.Metric))
	}
	length := trace.End.Sub(trace.Start())
	step := max(length/100, time.Millisecond)
	if len(trace.Points) > 10_000 || length < 0 {
		return
	}
	r, err := simulate.Run(p, trace, simulate.Options{Step: step, StartDelay: step / 3})
	if err != nil {
		t.Fatal(err)
	}
	if r.Length() != length || r.PeakCount > p.MaxInstances || r.InstanceSeconds < 0 || math.IsNaN(r.MeanUtilisation) {
		t.Errorf("%+v", r)
	}
}

func FuzzParseTrace(f *testing.F) {
	f.Add([]byte("time,requests_per_minute\n0s,1\n90s,2\n"))
	f.Add([]byte(`[{"time":"0s","load":1},{"time":"90s","load":null}]`))
	f.Add([]byte(`{"status":"success","data":{"resultType":"matrix","result":[{"values":[[1,"1"],[2,"2"]]}]}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		trace, err := simulate.ParseTrace(text)
		usable(t, trace, err)
	})
}

func FuzzParseCSV(f *testing.F) {
	f.Add("time,requests_per_minute\n2026-11-22T12:00:00Z,0\n2026-11-22T12:01:00Z,60\n")
	f.Add("concurrency,time\nNaN,0\n# comment\n1e3,1e9\n")
	f.Fuzz(func(t *testing.T, text string) {
		trace, err := simulate.ParseCSV([]byte(text))
		usable(t, trace, err)
	})
}

func FuzzParseJSON(f *testing.F) {
	f.Add(`[{"time":"2026-11-22T12:00:00Z","concurrency":0},{"time":1795348860,"concurrency":60}]`)
	f.Add(`[{"time":0,"load":null},{"time":0.5,"load":1e15}]`)
	f.Fuzz(func(t *testing.T, text string) {
		trace, err := simulate.ParseJSON([]byte(text))
		usable(t, trace, err)
	})
}

func FuzzParsePrometheus(f *testing.F) {
	f.Add(`{"status":"success","data":{"resultType":"matrix","result":[{"values":[[1,"1"],[2,"2"],[9,"NaN"]]},{"values":[[1.5,"+Inf"]]}]}}`)
	f.Add(`{"status":"error","error":"no"}`)
	f.Fuzz(func(t *testing.T, text string) {
		trace, err := simulate.ParsePrometheus([]byte(text))
		usable(t, trace, err)
	})
}

func FuzzParseShape(f *testing.F) {
	for _, s := range simulate.Shapes() {
		f.Add(s.Syntax, int64(0))
		f.Add(s.Syntax, int64(time.Hour))
	}
	f.Fuzz(func(t *testing.T, text string, length int64) {
		trace, err := simulate.ParseShape(text, time.Duration(length))
		usable(t, trace, err)
	})
}
