package scaler_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// hard are wider bounds than those of the default policy, 1 to 10.
var hard = scaler.Bounds{Min: 0, Max: 50}

// overriding is an override with a change that lasts half an hour.
func overriding(change func(*scaler.Override)) *scaler.Override {
	o := &scaler.Override{ExpiresAt: now.Add(30 * time.Minute), Reason: "launch", By: "ada"}
	change(o)
	return o
}

func TestOverrideChangesThePolicyUntilItExpires(t *testing.T) {
	p := parse(t)
	o := overriding(func(o *scaler.Override) {
		o.MinInstances, o.MaxInstances, o.BufferInstances, o.Target = new(2), new(50), new(3), new(20.0)
	})
	for _, test := range []struct {
		name    string
		at      time.Time
		applied bool
	}{
		{"from the start", now, true},
		{"until it expires", o.ExpiresAt.Add(-1), true},
		{"no longer", o.ExpiresAt, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := o.Apply(p, hard, test.at)
			if err != nil {
				t.Fatal(err)
			}
			want := p
			if test.applied {
				want.Override, want.MinInstances, want.MaxInstances, want.BufferInstances, want.Target = o, 2, 50, 3, 20
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	if got, err := (*scaler.Override)(nil).Apply(p, hard, now); err != nil || !cmp.Equal(got, p) {
		t.Errorf("no override made the policy %+v, %v", got, err)
	}
}

func TestOverrideOutOfReachIsRefusedWhole(t *testing.T) {
	for name, test := range map[string]struct {
		policy []string
		change func(*scaler.Override)
		want   string
	}{
		"above the hard maximum": {
			change: func(o *scaler.Override) { o.MaxInstances, o.BufferInstances = new(51), new(1) },
			want:   `max_instances = "51": must be at most the max of the scaling block, which is 50`,
		},
		"below the hard minimum": {
			change: func(o *scaler.Override) { o.MinInstances = new(1) },
			want:   `min_instances = "1": must be at least the min of the scaling block, which is 2`,
		},
		"a minimum above the policy's maximum": {
			change: func(o *scaler.Override) { o.MinInstances = new(11) },
			want:   `min_instances = "11": must be at most max_instances, which is 10`,
		},
		"a maximum below the policy's minimum": {
			policy: []string{"min_instances", "4"},
			change: func(o *scaler.Override) { o.MaxInstances = new(3) },
			want:   `min_instances = "4": must be at most max_instances, which is 3`,
		},
		"a target that no instance can reach": {
			policy: []string{"metric", "concurrency", "max_concurrency_per_instance", "4"},
			change: func(o *scaler.Override) { o.Target = new(5.0) },
			want:   `max_concurrency_per_instance = "4": must be 0 or at least target_concurrency_per_instance, which is 5`,
		},
		"an end too far away": {
			change: func(o *scaler.Override) { o.Hold, o.ExpiresAt = true, now.Add(31*24*time.Hour) },
			want:   `expires_at = "2026-12-23T12:00:00Z": must be at most 720h from now`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, o, bounds := parse(t, test.policy...), overriding(test.change), hard
			if name == "below the hard minimum" {
				bounds.Min = 2
			}
			if err := o.Check(p, bounds, now); err == nil || err.Error() != test.want {
				t.Errorf("it was refused with\n%v\nwant\n%s", err, test.want)
			}
			got, err := o.Apply(p, bounds, now)
			if err == nil || err.Error() != test.want {
				t.Errorf("it was applied with\n%v\nwant\n%s", err, test.want)
			}
			if diff := cmp.Diff(p, got); diff != "" {
				t.Errorf("it changed the policy:\n%s", diff)
			}
		})
	}
}

func TestCheckRefusesAnOverrideThatHasExpired(t *testing.T) {
	o := overriding(func(o *scaler.Override) { o.Hold, o.ExpiresAt = true, now })
	const want = `expires_at = "2026-11-22T12:00:00Z": must be in the future`
	if err := o.Check(parse(t), hard, now); err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	if err := overriding(func(o *scaler.Override) { o.MinInstances = new(-1) }).Check(parse(t), hard, now); err == nil || !strings.Contains(err.Error(), "min_instances = \"-1\": must be a whole number from 0") {
		t.Errorf("error %v, want one that names the value", err)
	}
}

// apply applies an override to the default policy.
func apply(t *testing.T, o *scaler.Override, pairs ...string) scaler.Policy {
	t.Helper()
	p, err := o.Apply(parse(t, pairs...), hard, now)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestDecideGoesByTheOverride(t *testing.T) {
	hold := overriding(func(o *scaler.Override) { o.Hold = true })
	silent := overriding(func(o *scaler.Override) { o.Hold, o.Reason, o.ExpiresAt = true, "", now.Add(14*time.Hour) })
	disabled := apply(t, hold)
	disabled.Enabled = false
	for _, test := range []struct {
		name    string
		policy  scaler.Policy
		desired int
		series  []scaler.Sample
		count   int
		rule    scaler.Rule
		reason  string
	}{
		{
			"a hold keeps the count under load", apply(t, hold), 2, steady(900, 10*time.Minute),
			2, scaler.RuleHeld, "held by an override until 12:30 UTC, set by ada: launch",
		},
		{
			"a hold keeps the count without load", apply(t, hold), 2, steady(0, 20*time.Minute),
			2, scaler.RuleHeld, "held by an override until 12:30 UTC, set by ada: launch",
		},
		{
			"a hold names the day when it ends on another, and no reason when there is none", apply(t, silent), 2, nil,
			2, scaler.RuleHeld, "held by an override until 2026-11-23 02:00 UTC, set by ada",
		},
		{
			"a hold keeps a count outside of the policy's own bounds", apply(t, hold), 40, nil,
			40, scaler.RuleHeld, "held by an override until 12:30 UTC, set by ada: launch",
		},
		{
			"a hold does not keep a count that Nomad does not allow", apply(t, hold), 60, nil,
			50, scaler.RuleAboveMax, "60 desired is above max_instances 50; hold by an override until 12:30 UTC",
		},
		{
			"disabled comes before held", disabled, 2, nil,
			2, scaler.RuleDisabled, "scaling is disabled",
		},
		{
			"a raised minimum acts at once, and the reason says where it comes from",
			apply(t, overriding(func(o *scaler.Override) { o.MinInstances = new(4) })), 1, steady(10, 10*time.Minute),
			4, scaler.RuleBelowMin, "1 desired is below min_instances 4; min 4 by an override until 12:30 UTC",
		},
		{
			"a raised maximum allows a scale-up",
			apply(t, overriding(func(o *scaler.Override) { o.MaxInstances = new(50) }), "scale_up_step", "0"), 10, steady(3000, 10*time.Minute),
			34, scaler.RuleUp, "3000 requests a minute is 300 % of 10 instances, above 90 %; 34 instances called for; max 50 by an override until 12:30 UTC",
		},
		{
			"a lowered target calls for more",
			apply(t, overriding(func(o *scaler.Override) { o.Target, o.BufferInstances = new(50.0), new(1) }), "scale_up_step", "0"), 2, steady(90, 10*time.Minute),
			3, scaler.RuleUp, "90 requests a minute is 180 % of 1 instance, above 90 %; 3 instances called for (with 1 buffer); buffer 1, target 50 by an override until 12:30 UTC",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := scaler.Decide(test.policy, scaler.Observation{Now: now, Desired: test.desired, Series: test.series})
			if d.Count != test.count || d.Rule != test.rule {
				t.Errorf("%d by %s, want %d by %s", d.Count, d.Rule, test.count, test.rule)
			}
			if d.Reason() != test.reason {
				t.Errorf("reason\n got: %s\nwant: %s", d.Reason(), test.reason)
			}
		})
	}
}

func TestDecisionTellsWhatIsLeftOfTheCooldowns(t *testing.T) {
	d := scaler.Decide(parse(t), scaler.Observation{Now: now, Desired: 2, LastUp: ago(4 * time.Minute), LastChange: ago(2 * time.Minute)})
	if d.UpCooldown != time.Minute || d.DownCooldown != 8*time.Minute || d.Wait != 0 {
		t.Errorf("%s and %s are left, waiting for %s; want 1m and 8m, waiting for none", d.UpCooldown, d.DownCooldown, d.Wait)
	}
}

func TestApplyAndDecideDoNotAllocate(t *testing.T) {
	p, o := parse(t), overriding(func(o *scaler.Override) { o.MaxInstances, o.Target = new(50), new(20.0) })
	observed := scaler.Observation{Now: now, Desired: 1, Series: steady(0, 650*time.Second)}
	if n := testing.AllocsPerRun(100, func() {
		changed, _ := o.Apply(p, hard, now)
		scaler.Decide(changed, observed)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// overrides draws overrides that are valid independently of a policy.
func overrides() *rapid.Generator[*scaler.Override] {
	return rapid.Custom(func(t *rapid.T) *scaler.Override {
		o := &scaler.Override{
			ExpiresAt: now.Add(time.Duration(rapid.IntRange(-100, 4_000_000).Draw(t, "seconds left")) * time.Second).UTC(),
			Reason:    rapid.StringMatching(`[a-zé "\\]{0,10}`).Draw(t, "reason"), By: rapid.StringMatching(`[a-z]{0,10}`).Draw(t, "by"),
		}
		count := func(name string, least int) *int {
			if !rapid.Bool().Draw(t, "set "+name) {
				return nil
			}
			return new(rapid.IntRange(least, 60).Draw(t, name))
		}
		o.MinInstances, o.MaxInstances, o.BufferInstances = count("min", 0), count("max", 1), count("buffer", 0)
		if o.MinInstances == nil && o.MaxInstances == nil && o.BufferInstances == nil {
			if o.Hold = rapid.Bool().Draw(t, "hold"); !o.Hold {
				o.Target = new(rapid.Float64Range(0.1, 1000).Draw(t, "target"))
			}
		}
		return o
	})
}

func TestOverridesKeepTheInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, o := policies().Draw(t, "policy"), overrides().Draw(t, "override")
		bounds := scaler.Bounds{Min: rapid.IntRange(0, p.MinInstances).Draw(t, "hard min"), Max: rapid.IntRange(p.MaxInstances, 60).Draw(t, "hard max")}
		changed, err := o.Apply(p, bounds, now)
		if checked := o.Check(p, bounds, now); (checked == nil) != (err == nil && o.Live(now)) {
			t.Errorf("checked with %v, applied with %v", checked, err)
		}
		if changed.MinInstances < bounds.Min || changed.MaxInstances > bounds.Max || changed.MinInstances > changed.MaxInstances {
			t.Errorf("%d to %d is outside of %+v", changed.MinInstances, changed.MaxInstances, bounds)
		}
		if applied := err == nil && o.Live(now); applied != (changed.Override == o) || !applied && !cmp.Equal(p, changed) {
			t.Errorf("half of it was applied: %+v", changed)
		}
		observed := observations(changed).Draw(t, "observation")
		invariants(t, changed, observed, scaler.Decide(changed, observed))
	})
}

func TestOverrideSurvivesJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := overrides().Draw(t, "override")
		text, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		back, err := scaler.ParseOverride(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if diff := cmp.Diff(o, back); diff != "" {
			t.Error(diff)
		}
	})
}

func TestParseOverrideNamesWhatIsWrong(t *testing.T) {
	const expires = `"expires_at": "2026-11-22T12:30:00Z"`
	for text, want := range map[string][]string{
		`{"max": 5, "hold": true, ` + expires + `}`:           {`max = "5": must be removed: there is no such key`},
		`{"Max_Instances": 5, "hold": true, ` + expires + `}`: {`Max_Instances = "5": must be removed: there is no such key`},
		`{"max_instances": "5", ` + expires + `}`:             {`max_instances = "\"5\"": must be a whole number from 1 to 1000000000`},
		`{"max_instances": 5.5, ` + expires + `}`:             {`max_instances = "5.5": must be a whole number from 1 to 1000000000`},
		`{"max_instances": 0, ` + expires + `}`:               {`max_instances = "0": must be a whole number from 1 to 1000000000`},
		`{"min_instances": null, ` + expires + `}`:            {`min_instances = "null": must be a whole number from 0 to 1000000000`},
		`{"buffer_instances": -1, ` + expires + `}`:           {`buffer_instances = "-1": must be a whole number from 0 to 1000000000`},
		`{"target": true, ` + expires + `}`:                   {`target = "true": must be a number above 0`},
		`{"target": 0, ` + expires + `}`:                      {`target = "0": must be a number above 0`},
		`{"hold": 1, ` + expires + `}`:                        {`hold = "1": must be true or false`},
		`{"hold": true, "min_instances": 1, ` + expires + `}`: {`hold = "true": must be unset with min_instances`},
		`{"hold": true}`: {`expires_at = "": must be set, because an override is temporary`},
		`{"hold": true, "expires_at": "tomorrow"}`:          {`expires_at = "\"tomorrow\"": must be a time such as 2026-01-02T15:04:05Z`},
		`{"hold": true, "expires_at": 5}`:                   {`expires_at = "5": must be a time such as`},
		`{` + expires + `}`:                                 {`override = "": must be a change: min_instances, max_instances, buffer_instances, target or hold`},
		`{"hold": true, "reason": "a\nb", ` + expires + `}`: {`reason = "a\nb": must be a text of one line`},
		`{"hold": true, "by": 7, ` + expires + `}`:          {`by = "7": must be a text of one line`},
		`{"hold": true, "hold": false, ` + expires + `}`:    {`hold = "false": must be given only once`},
		`{"max": 1, "min_instances": "x", ` + expires + `}`: {`max = "1"`, `min_instances = "\"x\""`},
		`[]`:                                 {`override = "[]": must be a JSON object`},
		`null`:                               {`override = "null": must be a JSON object`},
		`"{}"`:                               {`must be a JSON object`},
		`{"hold": true, ` + expires + `} {}`: {`after top-level value`},
		`{"hold": true, "reason": "` + strings.Repeat("é", 201) + `"` + `}`: {`reason = "`, `must be a text of one line and at most 200 characters`},
		`{`: {`unexpected end of JSON input`},
	} {
		o, err := scaler.ParseOverride([]byte(text))
		if err == nil {
			t.Errorf("%s became %+v, want an error", text, o)
			continue
		}
		for _, words := range want {
			if !strings.Contains(err.Error(), words) {
				t.Errorf("%s: error\n%v\nwant\n%s", text, err, words)
			}
		}
	}
}

func TestOverrideChanges(t *testing.T) {
	for want, o := range map[string]*scaler.Override{
		"hold":                             {Hold: true},
		"max 50":                           {MaxInstances: new(50)},
		"min 0, max 5, buffer 1, target 2": {MinInstances: new(0), MaxInstances: new(5), BufferInstances: new(1), Target: new(2.0)},
	} {
		if got := o.Changes(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func FuzzParseOverride(f *testing.F) {
	f.Add([]byte(`{"max_instances": 50, "expires_at": "2026-11-22T12:30:00Z", "reason": "launch", "by": "ada"}`))
	f.Add([]byte(`{"min_instances": 1e1, "buffer_instances": 0, "target": 0.5, "expires_at": "2026-11-22T12:30:00+01:00"}`))
	f.Add([]byte(`{"hold": true, "expires_at": "2026-11-22T12:30:00Z"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		o, err := scaler.ParseOverride(text)
		if err != nil {
			for _, v := range scaler.ValueErrors(err) {
				if v.Allowed == "" || !strings.Contains(v.Error(), v.Key) {
					t.Errorf("an error that does not say what is wrong: %q", v)
				}
			}
			return
		}
		if o.Changes() == "" || o.ExpiresAt.IsZero() {
			t.Errorf("it says nothing: %+v", o)
		}
		changed, err := o.Apply(parse(t), hard, o.ExpiresAt.Add(-time.Second))
		if err == nil && (changed.MinInstances < hard.Min || changed.MaxInstances > hard.Max || !(changed.Target > 0) || changed.BufferInstances < 0) {
			t.Errorf("out of bounds: %+v", changed)
		}
		again, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		back, err := scaler.ParseOverride(again)
		if err != nil || !slices.Equal([]string{back.Changes(), back.Reason, back.By}, []string{o.Changes(), o.Reason, o.By}) || !back.ExpiresAt.Equal(o.ExpiresAt) {
			t.Errorf("%s became %s: %v", text, again, err)
		}
	})
}
