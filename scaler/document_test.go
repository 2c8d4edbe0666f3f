package scaler_test

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// document is the shortest valid document with the given keys and values added.
func document(pairs ...string) scaler.Document {
	doc := scaler.Document{"namespace": "default", "job": "web", "group": "app"}
	for i := 0; i < len(pairs); i += 2 {
		doc[pairs[i]] = pairs[i+1]
	}
	return doc
}

func parse(t testing.TB, pairs ...string) scaler.Policy {
	t.Helper()
	p, err := scaler.Parse(document(pairs...))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestParseFillsInDefaults(t *testing.T) {
	want := scaler.Policy{
		App:          scaler.AppID{Namespace: "default", Job: "web", Group: "app"},
		Enabled:      true,
		MinInstances: 1, MaxInstances: 10, BufferInstances: 0,
		Metric: scaler.RequestsPerMinute, Target: 100,
		ScaleUpThreshold: 0.9, ScaleDownThreshold: 0.3,
		ScaleUpCooldown: 5 * time.Minute, ScaleDownCooldown: 10 * time.Minute,
		ScaleUpStep: 1, ScaleDownStep: 1,
		StopAfterInactive:    10 * time.Minute,
		ServiceSelectionMode: scaler.SelectRandom,
		RequestTimeout:       5 * time.Minute,
		StartTimeout:         time.Minute,
		MaxQueuedRequests:    1000,
	}
	if diff := cmp.Diff(want, parse(t)); diff != "" {
		t.Error(diff)
	}
}

func TestParseFillsInDefaultsThatDependOnOtherKeys(t *testing.T) {
	t.Run("concurrency", func(t *testing.T) {
		p := parse(t, "metric", "concurrency")
		if p.Target != 1 || p.ScaleUpThreshold != 1 {
			t.Errorf("target %v, up threshold %v; want 1 and 1", p.Target, p.ScaleUpThreshold)
		}
	})
	t.Run("custom", func(t *testing.T) {
		p := parse(t, "metric", "custom", "target_per_instance", "7")
		if p.Target != 7 || p.ScaleUpThreshold != 0.9 {
			t.Errorf("target %v, up threshold %v; want 7 and 0.9", p.Target, p.ScaleUpThreshold)
		}
	})
	t.Run("rate_limit", func(t *testing.T) {
		if p := parse(t, "rate_limit", "2.5"); p.RateLimitBurst != 13 {
			t.Errorf("burst %d; want 5 × 2.5, rounded up", p.RateLimitBurst)
		}
	})
	t.Run("hash", func(t *testing.T) {
		if p := parse(t, "service_selection_mode", "hash"); p.HashKey != "client_address" {
			t.Errorf("hash key %q; want client_address", p.HashKey)
		}
	})
}

// Every key, with each boundary of its range from both sides.
func TestParseChecksEveryValue(t *testing.T) {
	const whole, positive = "a whole number", "a number above 0"
	cases := []struct {
		key     string
		with    []string // what else the document must say
		good    []string
		bad     []string
		allowed string // what the error must say
	}{
		{key: "namespace", good: []string{"default"}, bad: []string{""}, allowed: "a namespace of Nomad"},
		{key: "job", good: []string{"web"}, bad: []string{""}, allowed: "the ID of a job"},
		{key: "group", good: []string{"app"}, bad: []string{""}, allowed: "the name of a group"},

		{key: "min_instances", good: []string{"0", "10", "1e+01"}, bad: []string{"-1", "1.5", "one", "", "NaN", "Inf", "1e400", " 1"}, allowed: whole + " from 0"},
		{key: "max_instances", good: []string{"1", "1000000", "1e+06", "1000000000"}, bad: []string{"0", "-1", "0.5", "1e+10", "1000000001", "2147483648"}, allowed: whole + " from 1 to 1000000000"},
		{key: "buffer_instances", good: []string{"0", "3"}, bad: []string{"-1", "0.1", "x"}, allowed: whole + " from 0"},
		{key: "metric", good: []string{"requests_per_minute", "concurrency"}, bad: []string{"", "cpu", "Concurrency"}, allowed: "requests_per_minute, concurrency or custom"},
		{key: "target_requests_per_instance", good: []string{"0.5", "100", "1e+06"}, bad: []string{"0", "-1", "many", "NaN", "+Inf"}, allowed: positive},
		{key: "target_concurrency_per_instance", with: []string{"metric", "concurrency"}, good: []string{"1", "1.5"}, bad: []string{"0", "-1", ""}, allowed: positive},
		{key: "target_per_instance", with: []string{"metric", "custom"}, good: []string{"1e-3", "42"}, bad: []string{"0", "-0", "-1"}, allowed: positive},
		{key: "scale_up_threshold", good: []string{"0.31", "1", "2.5"}, bad: []string{"0", "-0.9", "90%"}, allowed: "a number above 0"},
		{key: "scale_down_threshold", good: []string{"0.01", "0.89"}, bad: []string{"0", "-0.3", "low"}, allowed: "a number above 0"},
		{key: "scale_up_cooldown", good: []string{"0", "0s", "45", "1e+02", "90s", "5m", "1h30m"}, bad: []string{"-1", "-1s", "5 minutes", "", "1e30", "NaN"}, allowed: "a duration of at least 0s"},
		{key: "scale_down_cooldown", good: []string{"0", "600", "10m"}, bad: []string{"-1", "soon"}, allowed: "a duration of at least 0s"},
		{key: "scale_up_step", good: []string{"0", "5"}, bad: []string{"-1", "1.5"}, allowed: whole + " from 0"},
		{key: "scale_down_step", good: []string{"0", "5"}, bad: []string{"-1", "all"}, allowed: whole + " from 0"},
		{key: "stop_after_inactive", good: []string{"10", "10s", "1h"}, bad: []string{"9.999s", "9", "0", "-10s"}, allowed: "a duration of at least 10s"},
		{key: "service_selection_mode", good: []string{"random", "first", "last", "min_load", "exact", "round_robin", "power_of_two", "hash"}, bad: []string{"", "least_conn"}, allowed: "random, first, last, min_load, exact, round_robin, power_of_two or hash"},
		{key: "hash_key", with: []string{"service_selection_mode", "hash"}, good: []string{"client_address", "header:X-User", "cookie:session"}, bad: []string{"", "header:", "cookie", "query:q", "header:a b", "header:a:b"}, allowed: "client_address, header:<name> or cookie:<name>"},
		{key: "max_concurrency_per_instance", good: []string{"0", "100"}, bad: []string{"-1", "2.5"}, allowed: whole + " from 0"},
		{key: "request_timeout", good: []string{"0", "180"}, bad: []string{"-1s"}, allowed: "a duration of at least 0s"},
		{key: "start_timeout", good: []string{"1", "1s", "2m"}, bad: []string{"0", "999ms"}, allowed: "a duration of at least 1s"},
		{key: "max_queued_requests", good: []string{"0", "25000"}, bad: []string{"-1"}, allowed: whole + " from 0"},
		{key: "rate_limit", good: []string{"0", "0.5", "200"}, bad: []string{"-1", "fast"}, allowed: "a number of at least 0"},
		{key: "rate_limit_burst", with: []string{"rate_limit", "200"}, good: []string{"1", "1000"}, bad: []string{"-1", "1.5"}, allowed: whole + " from 0"},
		{key: "port", good: []string{"http"}, bad: []string{""}, allowed: "the label of a port"},
		{key: "hosts", good: []string{"example.com", "*.example.com", "A.example, b.example", "127.0.0.1"}, bad: []string{"", "a,,b", "example.com:80", "*", "a.*.com", "-a.com", "a..b", "a/b", strings.Repeat("a", 64)}, allowed: "host names without a port"},
		{key: "path_prefix", good: []string{"/", "/api", "/api/v1/"}, bad: []string{"", "api", "//", "/a//b", "/./", "/a/..", "/a?b", "/a#b", "/a b"}, allowed: "a path that begins with /"},
		{key: "ready_path", good: []string{"/", "/healthz"}, bad: []string{"", "healthz", "/../x"}, allowed: "a path that begins with /"},
		{key: "price_per_instance_second", good: []string{"0", "0.000059"}, bad: []string{"-0.1", "$1"}, allowed: "a number of at least 0"},
	}

	var tested []string
	for _, c := range cases {
		tested = append(tested, c.key)
		for _, value := range c.good {
			t.Run(c.key+"="+value, func(t *testing.T) {
				doc := document(c.with...)
				doc[c.key] = value
				if _, err := scaler.Parse(doc); err != nil {
					t.Error(err)
				}
			})
		}
		for _, value := range c.bad {
			t.Run(c.key+"="+value, func(t *testing.T) {
				doc := document(c.with...)
				doc[c.key] = value
				wantErrors(t, doc, fmt.Sprintf("%s = %q: must be ", c.key, value)+c.allowed)
			})
		}
	}
	for _, k := range scaler.Keys() {
		if !slices.Contains(tested, k.Name) {
			t.Errorf("key %s is not tested", k.Name)
		}
	}
}

// wantErrors checks that a document gives exactly the errors with these prefixes, and
// that ValueErrors returns each of them.
func wantErrors(t *testing.T, doc scaler.Document, want ...string) {
	t.Helper()
	p, err := scaler.Parse(doc)
	if err == nil {
		t.Fatalf("parsed; want %q", want)
	}
	if !reflect.DeepEqual(p, scaler.Policy{}) {
		t.Errorf("a policy and an error: %+v", p)
	}
	values := scaler.ValueErrors(fmt.Errorf("reading the policy: %w", err))
	if len(values) != len(want) {
		t.Fatalf("%d errors, want %d: %v", len(values), len(want), err)
	}
	for i, v := range values {
		if !strings.HasPrefix(v.Error(), want[i]) {
			t.Errorf("error %q; want %q", v, want[i])
		}
		if !strings.Contains(err.Error(), v.Error()) {
			t.Errorf("%q is not in the whole error %q", v, err)
		}
	}
}

func TestParseChecksContradictions(t *testing.T) {
	cases := map[string]struct {
		doc  scaler.Document
		want []string
	}{
		"min above max": {
			document("min_instances", "4", "max_instances", "3"),
			[]string{`min_instances = "4": must be at most max_instances, which is 3`},
		},
		"min above the default of max": {
			document("min_instances", "11"),
			[]string{`min_instances = "11": must be at most max_instances, which is 10`},
		},
		"equal thresholds": {
			document("scale_up_threshold", "0.5", "scale_down_threshold", "0.5"),
			[]string{`scale_down_threshold = "0.5": must be below scale_up_threshold, which is 0.5`},
		},
		"down threshold above the default of up": {
			document("scale_down_threshold", "0.95"),
			[]string{`scale_down_threshold = "0.95": must be below scale_up_threshold, which is 0.9`},
		},
		"a cap below the target": {
			document("metric", "concurrency", "target_concurrency_per_instance", "5", "max_concurrency_per_instance", "4"),
			[]string{`max_concurrency_per_instance = "4": must be 0 or at least target_concurrency_per_instance, which is 5`},
		},
		"a burst without a rate": {
			document("rate_limit_burst", "5"),
			[]string{`rate_limit_burst = "5": must be unset without rate_limit`},
		},
		"a rate that never lets one in": {
			document("rate_limit", "5", "rate_limit_burst", "0"),
			[]string{`rate_limit_burst = "0": must be at least 1 with rate_limit`},
		},
		"a hash key without the mode hash": {
			document("hash_key", "client_address"),
			[]string{`hash_key = "client_address": must be unset unless service_selection_mode is hash`},
		},
		"the target of another metric": {
			document("metric", "concurrency", "target_requests_per_instance", "100", "target_per_instance", "1"),
			[]string{
				`target_per_instance = "1": must be unset unless metric is custom`,
				`target_requests_per_instance = "100": must be unset unless metric is requests_per_minute`,
			},
		},
		"custom without a target": {
			document("metric", "custom"),
			[]string{`target_per_instance = "": must be set when metric is custom`},
		},
		"several at once": {
			document("min_instances", "4", "max_instances", "3", "scale_down_threshold", "1"),
			[]string{
				`min_instances = "4": must be at most max_instances, which is 3`,
				`scale_down_threshold = "1": must be below scale_up_threshold, which is 0.9`,
			},
		},
		"unknown keys": {
			document("min_instance", "1", "Metric", "concurrency"),
			[]string{
				`Metric = "concurrency": must be removed: there is no such key`,
				`min_instance = "1": must be removed: there is no such key`,
			},
		},
		"no target": {
			scaler.Document{},
			[]string{
				`namespace = "": must be a namespace of Nomad`,
				`job = "": must be the ID of a job`,
				`group = "": must be the name of a group of the job`,
			},
		},
		"every error at once": {
			document("max_instances", "0", "metric", "cpu", "colour", "red"),
			[]string{
				`colour = "red": must be removed`,
				`max_instances = "0": must be a whole number from 1`,
				`metric = "cpu": must be requests_per_minute, concurrency or custom`,
			},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) { wantErrors(t, c.doc, c.want...) })
	}
}

func TestParseReadsNumbersAsTheAutoscalerWritesThem(t *testing.T) {
	p := parse(t, "max_instances", "1e+06", "target_requests_per_instance", "2.5e+07", "scale_up_cooldown", "1e+06")
	if p.MaxInstances != 1_000_000 || p.Target != 25_000_000 || p.ScaleUpCooldown != 1_000_000*time.Second {
		t.Errorf("read %d, %v and %v", p.MaxInstances, p.Target, p.ScaleUpCooldown)
	}
}

func TestDurations(t *testing.T) {
	cases := []struct {
		text    string
		want    time.Duration
		written string
	}{
		{"0", 0, "0s"},
		{"45", 45 * time.Second, "45s"},
		{"0.5", 500 * time.Millisecond, "500ms"},
		{"600", 10 * time.Minute, "10m"},
		{"3600", time.Hour, "1h"},
		{"5400", 90 * time.Minute, "1h30m"},
		{"1h0m5s", time.Hour + 5*time.Second, "1h0m5s"},
		{"20h0m0s", 20 * time.Hour, "20h"},
		{"-90s", -90 * time.Second, "-1m30s"},
	}
	for _, c := range cases {
		d, ok := scaler.ParseDuration(c.text)
		if !ok || d != c.want {
			t.Errorf("%s is read as %v, %v; want %v", c.text, d, ok, c.want)
		}
		if s := scaler.FormatDuration(d); s != c.written {
			t.Errorf("%v is written as %s; want %s", d, s, c.written)
		}
	}
	for _, text := range []string{"", "m", "ten", "1d", "Inf", "1e18"} {
		if d, ok := scaler.ParseDuration(text); ok {
			t.Errorf("%q is read as %v", text, d)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64().Draw(t, "duration"))
		if back, ok := scaler.ParseDuration(scaler.FormatDuration(d)); !ok || back != d {
			t.Fatalf("%v is written as %s and read as %v", d, scaler.FormatDuration(d), back)
		}
	})
}

func TestValueErrors(t *testing.T) {
	a, b := &scaler.ValueError{Key: "a"}, &scaler.ValueError{Key: "b"}
	cases := map[string]struct {
		err  error
		want []*scaler.ValueError
	}{
		"none":    {nil, nil},
		"other":   {errors.New("other"), nil},
		"one":     {a, []*scaler.ValueError{a}},
		"wrapped": {fmt.Errorf("job web: %w", a), []*scaler.ValueError{a}},
		"joined":  {errors.Join(a, errors.New("other"), fmt.Errorf("again: %w", errors.Join(b, a))), []*scaler.ValueError{a, b, a}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, scaler.ValueErrors(c.err)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Every field of a policy is set by a key, and every key sets a field.
func TestKeysAreComplete(t *testing.T) {
	// Documents that differ from the plain one in a single field.
	other := map[string]scaler.Document{
		"Namespace": document("namespace", "x"), "Job": document("job", "x"), "Group": document("group", "x"),
		"MinInstances": document("min_instances", "2"), "MaxInstances": document("max_instances", "11"),
		"BufferInstances":  document("buffer_instances", "1"),
		"Metric":           document("metric", "custom", "target_per_instance", "100"),
		"Target":           document("target_requests_per_instance", "7"),
		"ScaleUpThreshold": document("scale_up_threshold", "0.8"), "ScaleDownThreshold": document("scale_down_threshold", "0.4"),
		"ScaleUpCooldown": document("scale_up_cooldown", "1"), "ScaleDownCooldown": document("scale_down_cooldown", "1"),
		"ScaleUpStep": document("scale_up_step", "2"), "ScaleDownStep": document("scale_down_step", "2"),
		"StopAfterInactive":         document("stop_after_inactive", "11"),
		"ServiceSelectionMode":      document("service_selection_mode", "first"),
		"MaxConcurrencyPerInstance": document("max_concurrency_per_instance", "2"),
		"RequestTimeout":            document("request_timeout", "1"), "StartTimeout": document("start_timeout", "1"),
		"MaxQueuedRequests": document("max_queued_requests", "1"),
		"Port":              document("port", "http"), "Hosts": document("hosts", "example.com"),
		"PathPrefix": document("path_prefix", "/x"), "ReadyPath": document("ready_path", "/x"),
		"PricePerInstanceSecond": document("price_per_instance_second", "1"),
		// These need another key.
		"HashKey":        document("service_selection_mode", "hash", "hash_key", "cookie:x"),
		"RateLimit":      document("rate_limit", "1", "rate_limit_burst", "5"),
		"RateLimitBurst": document("rate_limit", "1", "rate_limit_burst", "9"),
	}
	// fields are a policy's values by name, with those of its app one by one.
	fields := func(p scaler.Policy) map[string]any {
		all := make(map[string]any)
		for _, of := range []reflect.Value{reflect.ValueOf(p), reflect.ValueOf(p.App)} {
			for i := range of.NumField() {
				all[of.Type().Field(i).Name] = of.Field(i).Interface()
			}
		}
		return all
	}
	for name, plain := range fields(parse(t)) {
		if name == "Enabled" || name == "Override" || name == "App" { // not in the document, or by its fields
			continue
		}
		p, err := scaler.Parse(other[name])
		if err != nil {
			t.Errorf("no document for the field %s: %v", name, err)
			continue
		}
		if reflect.DeepEqual(fields(p)[name], plain) {
			t.Errorf("the field %s is not reached by %v", name, other[name])
		}
	}

	for _, k := range scaler.Keys() {
		reached := slices.ContainsFunc(slices.Collect(maps.Values(other)), func(doc scaler.Document) bool { _, ok := doc[k.Name]; return ok })
		if !reached && k.Name != scaler.Concurrency.TargetKey() {
			t.Errorf("no document has the key %s", k.Name)
		}
		found, ok := scaler.LookupKey(k.Name)
		if !ok || found.Description != k.Description {
			t.Errorf("the key %s is not found by its name", k.Name)
		}
		if k.Allowed == "" || k.Description == "" || k.Kind == "" {
			t.Errorf("the key %s is not described: %+v", k.Name, k)
		}
	}
	if _, ok := scaler.LookupKey("enabled"); ok {
		t.Error("enabled is a key")
	}
}

// The described default has the same effect as a missing key.
func TestDefaultsAreAsDescribed(t *testing.T) {
	metric := map[string]string{
		"target_concurrency_per_instance": "concurrency",
		"target_requests_per_instance":    "requests_per_minute",
	}
	for _, k := range scaler.Keys() {
		value, _, _ := strings.Cut(k.Default, ";") // exceptions follow
		if k.Check(value) != nil || k.Kind == scaler.List || k.Kind == scaler.String && !slices.Contains([]string{"metric", "service_selection_mode"}, k.Name) {
			continue // described in words
		}
		doc := document("metric", "requests_per_minute")
		if m, ok := metric[k.Name]; ok {
			doc["metric"] = m
		}
		implied, err := scaler.Parse(doc)
		if err != nil {
			t.Fatal(err)
		}
		doc[k.Name] = value
		explicit, err := scaler.Parse(doc)
		if err != nil {
			t.Errorf("the default of %s: %v", k.Name, err)
		}
		if diff := cmp.Diff(implied, explicit); diff != "" {
			t.Errorf("the default of %s is not %q:\n%s", k.Name, value, diff)
		}
	}
}

// policies draws policies of every kind that Parse can return.
func policies() *rapid.Generator[scaler.Policy] {
	return rapid.Custom(func(t *rapid.T) scaler.Policy {
		count := func(name string, least, most int) int { return rapid.IntRange(least, most).Draw(t, name) }
		seconds := func(name string, least, most int) time.Duration {
			return time.Duration(rapid.IntRange(least*1000, most*1000).Draw(t, name)) * time.Millisecond
		}
		fraction := func(name string, least, most float64) float64 { return rapid.Float64Range(least, most).Draw(t, name) }
		p := scaler.Policy{
			App: scaler.AppID{Namespace: "default", Job: "web", Group: "app"}, Enabled: true,
			MaxInstances:    count("max", 1, 40),
			BufferInstances: count("buffer", 0, 5),
			Metric:          rapid.SampledFrom([]scaler.Metric{scaler.RequestsPerMinute, scaler.Concurrency, scaler.Custom}).Draw(t, "metric"),
			Target:          fraction("target", 0.01, 1000),

			ScaleUpThreshold: fraction("up", 0.05, 2),
			ScaleUpCooldown:  seconds("up cooldown", 0, 1000), ScaleDownCooldown: seconds("down cooldown", 0, 1000),
			ScaleUpStep: count("up step", 0, 5), ScaleDownStep: count("down step", 0, 5),
			StopAfterInactive: seconds("stop after", 10, 1000),

			ServiceSelectionMode: rapid.SampledFrom([]scaler.SelectionMode{scaler.SelectRandom, scaler.SelectMinLoad, scaler.SelectHash}).Draw(t, "mode"),
			RequestTimeout:       seconds("request timeout", 0, 1000), StartTimeout: seconds("start timeout", 1, 1000),
			MaxQueuedRequests: count("queue", 0, 10000),
			RateLimit:         fraction("rate", 0, 1000),

			Port:                   rapid.StringMatching(`[a-z]{0,5}`).Draw(t, "port"),
			Hosts:                  rapid.SliceOfN(rapid.StringMatching(`(\*\.)?[a-z0-9]{1,8}\.com`), 0, 3).Draw(t, "hosts"),
			PathPrefix:             rapid.StringMatching(`(/[a-z]{1,5}/?)?`).Draw(t, "prefix"),
			ReadyPath:              rapid.StringMatching(`(/[a-z]{0,5})?`).Draw(t, "ready"),
			PricePerInstanceSecond: fraction("price", 0, 1),
		}
		p.MinInstances = count("min", 0, p.MaxInstances)
		p.ScaleDownThreshold = p.ScaleUpThreshold * fraction("down", 0.01, 0.99)
		if p.ServiceSelectionMode == scaler.SelectHash {
			p.HashKey = rapid.SampledFrom([]string{"client_address", "header:X-User", "cookie:id"}).Draw(t, "hash key")
		}
		if p.RateLimit > 0 {
			p.RateLimitBurst = count("burst", 1, 10000)
		}
		if p.Metric != scaler.Concurrency {
			p.MaxConcurrencyPerInstance = count("cap", 0, 100)
		}
		if len(p.Hosts) == 0 {
			p.Hosts = nil
		}
		return p
	})
}

func TestDocumentRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := policies().Draw(t, "policy")
		back, err := scaler.Parse(p.Document())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(p, back); diff != "" {
			t.Fatal(diff)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("min_instances=1\nmax_instances=1e+06"))
	f.Add([]byte("metric=custom\ntarget_per_instance=0.1\nscale_up_cooldown=90"))
	f.Add([]byte("hosts=a.example, *.b.example\npath_prefix=/x\nservice_selection_mode=hash"))
	f.Add([]byte("rate_limit=0.1\nrequest_timeout=0\nstop_after_inactive=1h0m0s"))
	f.Fuzz(func(t *testing.T, text []byte) {
		doc := document()
		for line := range strings.Lines(string(text)) {
			key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
			doc[key] = value
		}
		p, err := scaler.Parse(doc)
		if err != nil {
			for _, v := range scaler.ValueErrors(err) {
				if v.Allowed == "" || !strings.Contains(v.Error(), v.Key) {
					t.Errorf("an error that does not say what is wrong: %q", v)
				}
			}
			return
		}
		if p.MinInstances < 0 || p.MinInstances > p.MaxInstances || p.MaxInstances < 1 || p.BufferInstances < 0 ||
			!(p.Target > 0) || !(p.ScaleDownThreshold > 0) || !(p.ScaleDownThreshold < p.ScaleUpThreshold) ||
			p.ScaleUpCooldown < 0 || p.ScaleDownCooldown < 0 || p.ScaleUpStep < 0 || p.ScaleDownStep < 0 ||
			p.StopAfterInactive < 10*time.Second || p.StartTimeout < time.Second || p.RequestTimeout < 0 {
			t.Errorf("out of bounds: %+v", p)
		}
		back, err := scaler.Parse(p.Document())
		if err != nil {
			t.Fatalf("its own document: %v", err)
		}
		if diff := cmp.Diff(p, back); diff != "" {
			t.Error(diff)
		}
	})
}
