package trace_test

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/simulate/trace"
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

func TestParse(t *testing.T) {
	dated := trace.Trace{Points: samples(noon, time.Minute, 0, 60, unknown, 12.5), End: noon.Add(4 * time.Minute)}
	undated := trace.Trace{Points: samples(after(0), 90*time.Second, 1, 2), End: after(3 * time.Minute)}
	of := func(tr trace.Trace, metric scaler.Metric) trace.Trace {
		tr.Metric = metric
		return tr
	}
	for _, c := range []struct {
		name, text string
		want       trace.Trace
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
			got, err := trace.Parse([]byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got, cmpopts.EquateNaNs()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
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
		{"time,load\n0,1\n", "the trace must have at least 2 points, and it has 1"},
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

		{`[]`, "the trace must have at least 2 points, and it has 0"},
		{`[1]`, "a list of objects with a time and requests_per_minute, concurrency or load: json: cannot unmarshal number into Go value of type map[string]interface {}"},
		{`[{"time":0,"load":1}] x`, "a list of objects with a time and requests_per_minute, concurrency or load: there is more text after the end, at byte 22"},
		{`[{"time":0,"load":1},{"time":10,"concurrency":1}]`, `entry 2: concurrency = "1": must be removed: an entry has a time and load`},
		{`[{"time":0,"rps":1}]`, `entry 1: rps = "1": must be time, requests_per_minute, concurrency or load`},
		{`[{"time":0}]`, `entry 1: load = "": must be given: a number from 0 to 1e15, or null where the load is not known`},
		{`[{"load":1}]`, `entry 1: time = "": must be ` + time},
		{`[{"time":[],"load":1}]`, `entry 1: time = "[]": must be ` + time},
		{`[{"time":0,"load":1},{"time":10,"load":-1}]`, `entry 2: load = "-1": must be a number from 0 to 1e15, or null where the load is not known`},
		{`[{"time":0,"load":1},{"time":10,"load":"1"}]`, `entry 2: load = "1": must be a number from 0 to 1e15, or null where the load is not known`},
		{`[{"time":10,"load":1},{"time":0,"load":1}]`, `entry 2: time = "0": must be after the one before it`},

		{`{`, "an answer of Prometheus: unexpected EOF"},
		{`{"status":"error","errorType":"bad_data","error":"invalid parameter \"query\""}`, `prometheus answered with an error: invalid parameter "query"`},
		{`{}`, `status = "": must be success`},
		{`{"status":"success","data":{"resultType":"vector","result":[]}}`, `data.resultType = "vector": must be matrix, as /api/v1/query_range answers`},
		{prometheus(`[]`), "the query has no result: it matches no series"},
		{prometheus(`[{"values":[]}]`), "the trace must have at least 2 points, and it has 0"},
		{prometheus(`[{"values":[[1,"1"],[2]]}]`), "data.result[0].values[1]: it has 1 elements: must be a time and a value"},
		{prometheus(`[{"values":[["x","1"]]}]`), `data.result[0].values[0]: time = "\"x\"": must be a number of Unix seconds`},
		{prometheus(`[{"values":[[-1,"1"]]}]`), `data.result[0].values[0]: time = "-1": must be a number of Unix seconds`},
		{prometheus(`[{"values":[[1,1]]}]`), `data.result[0].values[0]: value = "1": must be a string with a number, such as "12.5"`},
		{prometheus(`[{"values":[[1,"-1"]]}]`), `data.result[0].values[0]: value = "-1": must be a number from 0 to 1e15, "NaN" or "+Inf"`},
	} {
		if _, err := trace.Parse([]byte(c.text)); err == nil || err.Error() != c.want {
			t.Errorf("%q:\n got: %v\nwant: %s", c.text, err, c.want)
		}
	}
}
