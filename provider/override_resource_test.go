package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

// clock is one that a test moves.
type clock struct {
	start time.Time
	ahead atomic.Int64
}

func newClock() *clock { return &clock{start: time.Now().UTC().Truncate(time.Second)} }

func (c *clock) now() time.Time { return c.start.Add(time.Duration(c.ahead.Load())) }

func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// in is a time from now, as the state shows it.
func (c *clock) in(d time.Duration) string { return c.now().Add(d).Format(time.RFC3339) }

// overridable runs an app without instances: of 0 to 10, in a block from 0 to 50.
func overridable(t *testing.T, job string) scaler.AppID {
	t.Helper()
	p := nomadtest.Policy(t, job, scaler.Document{"min_instances": "0"})
	block := jobspec.NewBlock(p)
	block.Max = 50
	j := nomadtest.Job(p)
	j.TaskGroups[0].Scaling = block.Render()
	agent.Register(t, j)
	return p.App
}

// override is a resource "o" for an app; inside are its other arguments.
func override(target scaler.AppID, inside string) string {
	return fmt.Sprintf("resource \"nomadscale_override\" \"o\" {\n  job_id = %q\n  group = %q\n%s\n}\n", target.Job, target.Group, inside)
}

const o = "nomadscale_override.o"

func overrideHolds(name string, value knownvalue.Check) statecheck.StateCheck {
	return statecheck.ExpectKnownValue(o, tfjsonpath.New(name), value)
}

func overrideAction(kind plancheck.ResourceActionType, more ...plancheck.PlanCheck) resource.ConfigPlanChecks {
	return resource.ConfigPlanChecks{PreApply: append([]plancheck.PlanCheck{plancheck.ExpectResourceAction(o, kind)}, more...)}
}

// applyAt is apply with a clock.
func applyAt(t *testing.T, c *clock, destroyed resource.TestCheckFunc, steps ...resource.TestStep) {
	t.Helper()
	applyCase(t, resource.TestCase{ProtoV6ProviderFactories: serversAt(c.now), CheckDestroy: destroyed, Steps: steps})
}

// setByHand sets an override as another than Terraform does, whatever is there.
func setByHand(target scaler.AppID, change scaler.Override, now time.Time) error {
	ctx, cancel := withTimeout()
	defer cancel()
	before, err := agent.Client.Override(ctx, target)
	if err != nil && !errors.Is(err, nomad.ErrNotFound) {
		return err
	}
	_, err = agent.Client.SetOverride(ctx, target, &change, before.ModifyIndex, now)
	return err
}

func clearByHand(target scaler.AppID) error {
	ctx, cancel := withTimeout()
	defer cancel()
	before, err := agent.Client.Override(ctx, target)
	if err != nil {
		return err
	}
	return agent.Client.ClearOverride(ctx, target, before.ModifyIndex)
}

// inNomad checks what the override of an app says; "" is for none.
func inNomad(target scaler.AppID, want string) resource.TestCheckFunc {
	return func(*terraform.State) error {
		ctx, cancel := withTimeout()
		defer cancel()
		got := ""
		read, err := agent.Client.Override(ctx, target)
		switch {
		case errors.Is(err, nomad.ErrNotFound):
		case err != nil:
			return err
		case read.Override == nil:
			return read.Err
		default:
			got = read.Override.Changes() + " by " + read.Override.By
		}
		if got != want {
			return fmt.Errorf("the override of %s is %q, want %q", target, got, want)
		}
		return nil
	}
}

// withTimeout is a context for checks, which outlive the test's own.
func withTimeout() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 10*time.Second)
}

// saying matches texts in that order, with .* between them, as said does.
func saying(texts string) *regexp.Regexp {
	var patterns []string
	for text := range strings.SplitSeq(texts, ".*") {
		patterns = append(patterns, said(text).String())
	}
	return regexp.MustCompile(strings.Join(patterns, "(?s:.*)"))
}

func must(t *testing.T, do func() error) func() {
	return func() {
		t.Helper()
		if err := do(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOverrideLifecycle(t *testing.T) {
	t.Parallel()
	target, c := overridable(t, "team/overridden"), newClock()
	version := *job(t, target.Job).Version
	applyAt(t, c, inNomad(target, ""),
		resource.TestStep{
			Config: override(target, `max_instances = 50
			  duration = "2h"
			  reason   = "launch"`),
			ConfigPlanChecks: overrideAction(plancheck.ResourceActionCreate, plancheck.ExpectUnknownValue(o, tfjsonpath.New("expires_at"))),
			ConfigStateChecks: []statecheck.StateCheck{
				overrideHolds("id", knownvalue.StringExact("default/team/overridden/app")),
				overrideHolds("namespace", knownvalue.StringExact("default")),
				overrideHolds("max_instances", knownvalue.Int64Exact(50)),
				overrideHolds("min_instances", knownvalue.Null()),
				overrideHolds("hold", knownvalue.Null()),
				overrideHolds("expires_at", knownvalue.StringExact(c.in(2*time.Hour))),
				overrideHolds("by", knownvalue.StringExact("terraform")),
			},
			Check: inNomad(target, "max 50 by terraform"),
		},
		resource.TestStep{ // the same length in other words
			PreConfig: func() { c.advance(time.Minute) },
			Config: override(target, `max_instances = 50
			  duration = "120m"
			  reason   = "launch"`),
			ConfigPlanChecks: overrideAction(plancheck.ResourceActionNoop),
		},
		resource.TestStep{ // a change starts the duration again
			PreConfig: func() { c.advance(time.Hour) },
			Config: override(target, `min_instances = 1
			  max_instances    = 40
			  buffer_instances = 2
			  target           = 12.5
			  duration         = "2h"`),
			ConfigPlanChecks: overrideAction(plancheck.ResourceActionUpdate),
			ConfigStateChecks: []statecheck.StateCheck{
				overrideHolds("expires_at", knownvalue.StringExact(c.start.Add(3*time.Hour+time.Minute).Format(time.RFC3339))),
				overrideHolds("target", knownvalue.Float64Exact(12.5)),
				overrideHolds("reason", knownvalue.Null()),
			},
			Check: inNomad(target, "min 1, max 40, buffer 2, target 12.5 by terraform"),
		},
		resource.TestStep{
			Config: override(target, `hold = true
			  duration = 1800
			  by       = "ada"`),
			ConfigPlanChecks:  overrideAction(plancheck.ResourceActionUpdate),
			ConfigStateChecks: []statecheck.StateCheck{overrideHolds("max_instances", knownvalue.Null()), overrideHolds("hold", knownvalue.Bool(true))},
			Check:             inNomad(target, "hold by ada"),
		},
		resource.TestStep{
			Config: override(target, `max_instances = 20
			  expires_at = "`+c.start.Add(5*time.Hour).In(time.FixedZone("", 3600)).Format(time.RFC3339)+`"`),
			ConfigPlanChecks: overrideAction(plancheck.ResourceActionUpdate),
			Check:            inNomad(target, "max 20 by terraform"),
		},
		resource.TestStep{ // the same moment in another zone
			Config: override(target, `max_instances = 20
			  expires_at = "`+c.start.Add(5*time.Hour).Format(time.RFC3339)+`"`),
			ConfigPlanChecks: overrideAction(plancheck.ResourceActionNoop),
			Check: func(*terraform.State) error {
				if now := *job(t, target.Job).Version; now != version {
					return fmt.Errorf("the job is at version %d, want %d: an override makes no new one", now, version)
				}
				return nil
			},
		},
	)
}

// An override that has expired is no drift, whatever has become of it.
func TestOverrideExpires(t *testing.T) {
	t.Parallel()
	target, c := overridable(t, "expiring"), newClock()
	config := func(most int) string {
		return override(target, fmt.Sprintf("max_instances = %d\nduration = \"1h\"", most))
	}
	empty := func(meanwhile func()) resource.TestStep {
		return resource.TestStep{PreConfig: meanwhile, Config: config(20), ConfigPlanChecks: overrideAction(plancheck.ResourceActionNoop)}
	}
	foreign := scaler.Override{MaxInstances: new(30), ExpiresAt: c.start.Add(5 * time.Hour), By: "ada"}
	applyAt(t, c, inNomad(target, "max 30 by ada"),
		resource.TestStep{Config: config(20), Check: inNomad(target, "max 20 by terraform")},
		empty(func() { c.advance(59 * time.Minute) }),
		empty(func() { c.advance(time.Minute) }), // expired, and still there
		empty(must(t, func() error { return clearByHand(target) })),
		resource.TestStep{ // another declaration starts again
			Config:            config(25),
			ConfigPlanChecks:  overrideAction(plancheck.ResourceActionUpdate, plancheck.ExpectUnknownValue(o, tfjsonpath.New("expires_at"))),
			ConfigStateChecks: []statecheck.StateCheck{overrideHolds("expires_at", knownvalue.StringExact(c.start.Add(2*time.Hour).Format(time.RFC3339)))},
			Check:             inNomad(target, "max 25 by terraform"),
		},
		resource.TestStep{ // in the place of one that is there and has expired, too
			PreConfig: func() { c.advance(time.Hour) },
			Config:    config(20),
			Check:     inNomad(target, "max 20 by terraform"),
		},
		empty(func() { c.advance(time.Hour); must(t, func() error { return setByHand(target, foreign, c.now()) })() }),
		resource.TestStep{Config: config(21), ExpectError: saying("default/expiring/app: max 30 until .* by ada")},
		empty(nil),
		// What is destroyed in the end is not ada's.
	)
}

// An override that is longer by hand ends when it was declared to.
func TestProlongedOverrideExpires(t *testing.T) {
	t.Parallel()
	target, c := overridable(t, "prolonged"), newClock()
	config := override(target, "max_instances = 20\nduration = \"1h\"")
	prolonged := scaler.Override{MaxInstances: new(20), ExpiresAt: c.start.Add(5 * time.Hour), By: "terraform"}
	applyAt(t, c, nil,
		resource.TestStep{Config: config},
		resource.TestStep{
			PreConfig:          must(t, func() error { return setByHand(target, prolonged, c.now()) }),
			Config:             config,
			PlanOnly:           true,
			ExpectNonEmptyPlan: true,
		},
		resource.TestStep{
			PreConfig:        func() { c.advance(time.Hour) },
			Config:           config,
			ConfigPlanChecks: overrideAction(plancheck.ResourceActionNoop),
		},
	)
}

// Before it expires, each change by hand is shown alone, and undone with
// the end that it had.
func TestOverrideDrift(t *testing.T) {
	t.Parallel()
	target, c := overridable(t, "drifting"), newClock()
	config := override(target, `min_instances = 1
	  max_instances    = 20
	  buffer_instances = 2
	  target           = 50
	  duration         = "10h"
	  reason           = "launch"`)
	end := c.start.Add(10 * time.Hour)
	steps := []resource.TestStep{{Config: config}}
	for path, change := range map[string]func(*scaler.Override){
		"min_instances":    func(o *scaler.Override) { o.MinInstances = new(2) },
		"max_instances":    func(o *scaler.Override) { o.MaxInstances = new(30) },
		"buffer_instances": func(o *scaler.Override) { o.BufferInstances = nil },
		"target":           func(o *scaler.Override) { o.Target = new(60.0) },
		"expires_at":       func(o *scaler.Override) { o.ExpiresAt = end.Add(-time.Hour) },
		"reason":           func(o *scaler.Override) { o.Reason = "" },
		"by":               func(o *scaler.Override) { o.By = "ada" },
	} {
		steps = append(steps, resource.TestStep{
			PreConfig: func() {
				changed := scaler.Override{
					MinInstances: new(1), MaxInstances: new(20), BufferInstances: new(2), Target: new(50.0), ExpiresAt: end, Reason: "launch", By: "terraform",
				}
				change(&changed)
				c.advance(time.Minute)
				must(t, func() error { return setByHand(target, changed, c.now()) })()
			},
			Config:            config,
			ConfigPlanChecks:  overrideAction(plancheck.ResourceActionUpdate, planned{map[string][]string{"o": {path}}}),
			ConfigStateChecks: []statecheck.StateCheck{overrideHolds("expires_at", knownvalue.StringExact(end.Format(time.RFC3339)))},
			Check:             inNomad(target, "min 1, max 20, buffer 2, target 50 by terraform"),
		})
	}
	steps = append(steps,
		resource.TestStep{
			PreConfig:         must(t, func() error { return clearByHand(target) }),
			Config:            config,
			ConfigPlanChecks:  overrideAction(plancheck.ResourceActionCreate),
			ConfigStateChecks: []statecheck.StateCheck{overrideHolds("expires_at", knownvalue.StringFunc(func(at string) error { return same(at, c.in(10*time.Hour)) }))},
			Check:             inNomad(target, "min 1, max 20, buffer 2, target 50 by terraform"),
		},
		resource.TestStep{ // what cannot be read is drift in all of it
			PreConfig: must(t, func() error {
				all, _, err := agent.API.Variables().PrefixList("nomadscale/overrides/drifting", nil)
				if err != nil || len(all) != 1 {
					return fmt.Errorf("%d variables, %w", len(all), err)
				}
				_, _, err = agent.API.Variables().Update(&api.Variable{Path: all[0].Path, Items: api.VariableItems{"override": "{"}}, nil)
				return err
			}),
			Config:           config,
			ConfigPlanChecks: overrideAction(plancheck.ResourceActionUpdate),
			Check:            inNomad(target, "min 1, max 20, buffer 2, target 50 by terraform"),
		})
	applyAt(t, c, inNomad(target, ""), steps...)
}

func same(got, want string) error {
	if got != want {
		return fmt.Errorf("%q, want %q", got, want)
	}
	return nil
}

func TestInvalidOverrides(t *testing.T) {
	t.Parallel()
	target, c := overridable(t, "invalid-override"), newClock()
	bounded := nomadtest.Policy(t, "bounded-override", scaler.Document{"min_instances": "2", "max_instances": "4", "max_concurrency_per_instance": "5", "metric": "concurrency"})
	agent.Register(t, nomadtest.Job(bounded))
	for name, test := range map[string]struct {
		target scaler.AppID
		inside string
		says   string
	}{
		"nothing":       {target, `duration = "1h"`, "At least one of min_instances, max_instances, buffer_instances, target and hold must be given"},
		"no end":        {target, `max_instances = 5`, "Either expires_at or duration must be given"},
		"two ends":      {target, `max_instances = 5` + "\n" + `duration = "1h"` + "\n" + `expires_at = "` + c.in(time.Hour) + `"`, "Only one of expires_at and duration can be given"},
		"hold":          {target, `hold = true` + "\n" + `max_instances = 5` + "\n" + `duration = "1h"`, `hold is "true"; it must be unset with min_instances`},
		"duration":      {target, `max_instances = 5` + "\n" + `duration = "soon"`, `duration is "soon"; it must be a duration above 0 and at most 720h`},
		"no duration":   {target, `max_instances = 5` + "\n" + `duration = "0s"`, `duration is "0s"; it must be a duration above 0`},
		"long duration": {target, `max_instances = 5` + "\n" + `duration = "721h"`, `duration is "721h"; it must be .* at most 720h`},
		"time":          {target, `max_instances = 5` + "\n" + `expires_at = "tomorrow"`, `expires_at is "tomorrow"; it must be a time such as 2026-01-02T15:04:05Z`},
		"past":          {target, `max_instances = 5` + "\n" + `expires_at = "` + c.in(-time.Second) + `"`, `expires_at is .* it must be in the future`},
		"far":           {target, `max_instances = 5` + "\n" + `expires_at = "` + c.in(721*time.Hour) + `"`, `expires_at is .* it must be at most 720h from now`},
		"negative":      {target, `min_instances = -1` + "\n" + `duration = "1h"`, `min_instances is "-1"; it must be a whole number from 0`},
		"target":        {target, `target = 0` + "\n" + `duration = "1h"`, `target is "0"; it must be a number above 0`},
		"reason":        {target, `max_instances = 5` + "\n" + `duration = "1h"` + "\n" + `reason = "a\nb"`, `it must be a text of one line and at most 200 characters`},
		"hard max":      {target, `max_instances = 51` + "\n" + `duration = "1h"`, `max_instances is "51"; it must be at most the max of the scaling block, which is 50. Nomad itself refuses .* hard_max_instances`},
		"hard min":      {bounded.App, `min_instances = 1` + "\n" + `duration = "1h"`, `min_instances is "1"; it must be at least the min of the scaling block, which is 2. Nomad itself refuses .* hard_min_instances`},
		"policy's min":  {bounded.App, `max_instances = 1` + "\n" + `duration = "1h"`, `min_instances is "2"; it must be at most max_instances, which is 1. What the override leaves out is as in the app's policy`},
		"policy's cap":  {bounded.App, `target = 6` + "\n" + `duration = "1h"`, `max_concurrency_per_instance is "5"; it must be 0 or at least target_concurrency_per_instance, which is 6. What the override leaves out`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			applyAt(t, c, inNomad(test.target, ""), resource.TestStep{Config: override(test.target, test.inside), PlanOnly: true, ExpectError: saying(test.says)})
		})
	}
}

// An app that comes in the same run is checked when it is there.
func TestOverrideOfANewApp(t *testing.T) {
	t.Parallel()
	const id = "overridden-again"
	target := scaler.AppID{Namespace: "default", Job: id, Group: "web"}
	declared := func(most int) string {
		return app("a", spec(id, "count = 0"), `autoscaling = { min_instances = 0, max_instances = 2, hard_max_instances = 9 }`) + fmt.Sprintf(`
resource "nomadscale_override" "o" {
  job_id        = nomadscale_app.a.job_id
  group         = nomadscale_app.a.group
  max_instances = %d
  duration      = "1h"
}
`, most)
	}
	apply(t,
		resource.TestStep{Config: declared(10), ExpectError: saying(`max_instances is "10"; it must be at most the max of the scaling block, which is 9`)},
		resource.TestStep{Config: declared(9), Check: inNomad(target, "max 9 by terraform")},
	)
	apply(t,
		resource.TestStep{Config: override(scaler.AppID{Job: "nobody", Group: "app"}, `hold = true`+"\n"+`duration = "1h"`), ExpectError: saying("There is no such app.*Only a group with a nomadscale policy can be overridden")},
	)
}

func TestForeignOverride(t *testing.T) {
	t.Parallel()
	target, c := overridable(t, "foreign"), newClock()
	end := c.start.Add(2 * time.Hour)
	foreign := scaler.Override{MaxInstances: new(30), ExpiresAt: end, By: "ada", Reason: "sale"}
	must(t, func() error { return setByHand(target, foreign, c.now()) })()
	config := override(target, fmt.Sprintf("max_instances = 30\nexpires_at = %q\nby = \"ada\"\nreason = \"sale\"", end.Format(time.RFC3339)))
	applyAt(t, c, inNomad(target, ""),
		resource.TestStep{Config: config, ExpectError: saying("The app has an override already.*default/foreign/app: max 30 until .* by ada: sale.*terraform import nomadscale_override.<name> default/foreign/app")},
		resource.TestStep{
			Config:           "import {\n  to = " + o + "\n  id = \"default/foreign/app\"\n}\n" + config,
			ConfigPlanChecks: overrideAction(plancheck.ResourceActionNoop),
			Check:            inNomad(target, "max 30 by ada"),
		},
		resource.TestStep{ResourceName: o, ImportState: true, ImportStateVerify: true},
		resource.TestStep{ResourceName: o, ImportState: true, ImportStateId: "foreign", ExpectError: saying(`"foreign" is not <namespace>/<job>/<group>`)},
		resource.TestStep{ResourceName: o, ImportState: true, ImportStateId: "default/foreign/other", ExpectError: saying("Cannot import non-existent remote object")},
	)
}

// Between plan and apply the autoscaler may scale, but no one may change the
// override unseen.
func TestSavedPlanOfAnOverride(t *testing.T) {
	t.Parallel()
	target, c := overridable(t, "override-races"), newClock()
	config := func(most int) string {
		return override(target, fmt.Sprintf("max_instances = %d\nduration = \"1h\"", most))
	}
	count := 0
	scaled := betweenPlanAndApply(func() error {
		count++
		_, _, err := agent.API.Jobs().Scale(target.Job, target.Group, &count, "between plan and apply", false, nil, nil)
		return err
	})
	changed := betweenPlanAndApply(func() error {
		return setByHand(target, scaler.Override{MaxInstances: new(40), ExpiresAt: c.start.Add(time.Hour), By: "ada"}, c.now())
	})
	applyAt(t, c, inNomad(target, "max 40 by ada"),
		resource.TestStep{Config: config(20), ConfigPlanChecks: overrideAction(plancheck.ResourceActionCreate, scaled)},
		resource.TestStep{Config: config(21), ConfigPlanChecks: overrideAction(plancheck.ResourceActionUpdate, scaled), Check: inNomad(target, "max 21 by terraform")},
		resource.TestStep{Config: config(22), ConfigPlanChecks: overrideAction(plancheck.ResourceActionUpdate, changed), ExpectError: saying("Another operator has changed or cleared the override of default/override-races/app since this was planned. That override stays")},
		// Destroying leaves it too.
	)
}

func TestOverrideInAnotherNamespace(t *testing.T) {
	t.Parallel()
	const namespace = "override-elsewhere"
	if _, err := agent.API.Namespaces().Register(&api.Namespace{Name: namespace}, nil); err != nil {
		t.Fatal(err)
	}
	here := overridable(t, "moving-override")
	p := nomadtest.Policy(t, "moving-override", scaler.Document{"namespace": namespace, "min_instances": "0"})
	agent.Register(t, nomadtest.Job(p))
	there := p.App
	both := func(here, there string, targets ...scaler.AppID) resource.TestCheckFunc {
		return resource.ComposeAggregateTestCheckFunc(inNomad(targets[0], here), inNomad(targets[1], there))
	}
	inside := "max_instances = 5\nduration = \"1h\"\n"
	applyAndDestroy(t, both("", "", here, there),
		resource.TestStep{Config: override(here, inside), Check: both("max 5 by terraform", "", here, there)},
		resource.TestStep{
			Config:           override(here, inside+"namespace = \""+namespace+"\""),
			ConfigPlanChecks: overrideAction(plancheck.ResourceActionDestroyBeforeCreate),
			Check:            both("", "max 5 by terraform", here, there),
		},
	)
}

// Without Nomad a plan is made all the same, and says that it is not checked.
func TestOverrideWithoutNomad(t *testing.T) {
	t.Parallel()
	target := scaler.AppID{Job: "unreachable", Group: "app"}
	apply(t, resource.TestStep{
		Config:   configuredAt("http://127.0.0.1:1", override(target, "hold = true\nduration = \"1h\"")),
		PlanOnly: true, ExpectNonEmptyPlan: true,
	})
}

func TestOverrideAttributesAreThoseOfTheCommand(t *testing.T) {
	t.Parallel()
	attributes := resourceSchemas(t)["nomadscale_override"].Attributes
	text, err := json.Marshal(scaler.Override{
		MinInstances: new(1), MaxInstances: new(1), BufferInstances: new(1), Target: new(1.0), Hold: true, ExpiresAt: time.Unix(1, 0), Reason: "x", By: "y",
	})
	if err != nil {
		t.Fatal(err)
	}
	var keys map[string]any
	if err := json.Unmarshal(text, &keys); err != nil {
		t.Fatal(err)
	}
	for key := range keys {
		if _, ok := attributes[key]; !ok {
			t.Errorf("there is no attribute %s: there are %s", key, strings.Join(slices.Sorted(maps.Keys(attributes)), ", "))
		}
	}
}

// An override keeps its identity, with which it is imported too. A CLI before 1.12
// does not pass on identities, so this speaks the protocol.
func TestOverrideIdentity(t *testing.T) {
	t.Parallel()
	target := overridable(t, "identified/override")
	p, want := speak(t, agent.Address), target.String()
	declared := func(most int) map[string]any {
		return map[string]any{"job_id": target.Job, "group": target.Group, "max_instances": most, "duration": "1h"}
	}
	const kind = "nomadscale_override"
	created := p.apply(kind, kept{}, declared(20))
	for what, k := range map[string]kept{
		"created": created, "read": p.read(kind, created), "read for the first time": p.read(kind, kept{state: created.state, private: created.private}),
		"changed": p.apply(kind, p.read(kind, created), declared(21)),
	} {
		if got := p.named(kind, k.identity); got != want {
			t.Errorf("%s: the identity is %q, want %q", what, got, want)
		}
	}
	imported, err := p.server.ImportResourceState(t.Context(), &tfprotov6.ImportResourceStateRequest{
		TypeName: kind, Identity: p.identity(kind, target.Namespace, target.Job, target.Group),
	})
	if err != nil || len(imported.ImportedResources) != 1 {
		t.Fatalf("%+v, %v", imported, err)
	}
	one := imported.ImportedResources[0]
	read := p.read(kind, kept{one.State, one.Identity, one.Private})
	if got := text(t, p.decode(p.kind(kind), read.state)["id"]); got != want {
		t.Errorf("the id of what was imported is %q, want %q", got, want)
	}
	must(t, func() error { return clearByHand(target) })()
	if gone, err := p.read(kind, kept{state: created.state, private: created.private}).state.IsNull(); err != nil || !gone {
		t.Errorf("an override that is gone stays in the state: %v", err)
	}
}

// The examples override the apps that they name.
func TestOverrideExamples(t *testing.T) {
	t.Parallel()
	for _, group := range []string{"web", "search"} {
		p := nomadtest.Policy(t, "shop-"+group, scaler.Document{"group": group, "min_instances": "0"})
		block := jobspec.NewBlock(p)
		block.Max = 50
		j := nomadtest.Job(p)
		j.TaskGroups[0].Scaling = block.Render()
		agent.Register(t, j)
	}
	here := func(file, job string) string {
		return strings.Replace(example(t, "resources", "nomadscale_override", file), `job_id = "shop"`, "job_id = \""+job+"\"", 1)
	}
	apply(t,
		resource.TestStep{Config: here("resource.tf", "shop-web") + here("resource_hold.tf", "shop-search")},
	)
}
