package nomad_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

// wide registers a job whose policy has the default bounds, 1 to 10, in a block with 0 to
// 50.
func wide(t *testing.T, agent *nomadtest.Agent, job string) scaler.AppID {
	t.Helper()
	p := nomadtest.Policy(t, job, nil)
	register(t, agent, p, 0, 50)
	return p.App
}

func register(t *testing.T, agent *nomadtest.Agent, p scaler.Policy, low, high int) {
	t.Helper()
	job := nomadtest.Job(p)
	block := jobspec.NewBlock(p)
	block.Min, block.Max = low, high
	job.TaskGroups[0].Scaling = block.Render()
	agent.Register(t, job)
}

// most returns an override of the maximum that lasts for an hour.
func most(n int) *scaler.Override {
	return &scaler.Override{MaxInstances: &n, ExpiresAt: time.Now().Add(time.Hour).Truncate(time.Second).UTC(), Reason: "launch", By: "ada"}
}

func set(t *testing.T, agent *nomadtest.Agent, target scaler.AppID, o *scaler.Override) {
	t.Helper()
	var index uint64
	if old, err := agent.Client.Override(t.Context(), target); err == nil {
		index = old.ModifyIndex
	}
	if _, err := agent.Client.SetOverride(t.Context(), target, o, index, time.Now()); err != nil {
		t.Fatal(err)
	}
}

func TestOverrides(t *testing.T) {
	agent := nomadtest.Start(t)
	now := time.Now()

	t.Run("are set, read, listed and cleared", func(t *testing.T) {
		for _, job := range []string{"plain", "team/web.v1~é", strings.Repeat("long", 40)} {
			target := wide(t, agent, job)
			set(t, agent, target, most(50))
			read, err := agent.Client.Override(t.Context(), target)
			if err != nil || read.Err != nil {
				t.Fatal(err, read.Err)
			}
			if read.App != target || read.Override.Changes() != "max 50" || read.Override.By != "ada" || read.Block.Max != 50 {
				t.Errorf("what was read is %+v of %+v, want max 50 by ada in a block to 50", read.Override, read)
			}
			all, err := agent.Client.ListOverrides(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(all) != 1 || all[0].App != target || all[0].Override.Changes() != "max 50" || all[0].Block.Max != 50 {
				t.Errorf("the list is %+v, want the override of %s", all, target)
			}
			if err := agent.Client.ClearOverride(t.Context(), target, read.ModifyIndex); err != nil {
				t.Fatal(err)
			}
			if _, err := agent.Client.Override(t.Context(), target); !errors.Is(err, nomad.ErrNotFound) {
				t.Errorf("error %v, want ErrNotFound", err)
			}
		}
	})

	t.Run("are not overwritten unseen", func(t *testing.T) {
		target := wide(t, agent, "conflict")
		set(t, agent, target, most(20))
		first, err := agent.Client.Override(t.Context(), target)
		if err != nil {
			t.Fatal(err)
		}
		set(t, agent, target, most(30))
		_, creating := agent.Client.SetOverride(t.Context(), target, most(40), 0, now)
		_, changing := agent.Client.SetOverride(t.Context(), target, most(40), first.ModifyIndex, now)
		for doing, err := range map[string]error{
			"creating over it": creating,
			"changing it":      changing,
			"clearing it":      agent.Client.ClearOverride(t.Context(), target, first.ModifyIndex),
		} {
			if !errors.Is(err, nomad.ErrConflict) {
				t.Errorf("%s: error %v, want ErrConflict", doing, err)
			}
		}
		if read, err := agent.Client.Override(t.Context(), target); err != nil || read.Override.Changes() != "max 30" {
			t.Errorf("the override is %+v, %v; want max 30", read.Override, err)
		}
	})

	t.Run("are refused with the reason", func(t *testing.T) {
		target := wide(t, agent, "refused")
		expiring := func(at time.Time) *scaler.Override {
			o := most(5)
			o.ExpiresAt = at
			return o
		}
		for want, test := range map[string]struct {
			target scaler.AppID
			set    *scaler.Override
		}{
			`max_instances = "51": must be at most the max of the scaling block, which is 50`: {target, most(51)},
			`expires_at = "": must be set, because an override is temporary`:                  {target, expiring(time.Time{})},
			`must be in the future`:                               {target, expiring(now)},
			`must be at most 720h from now`:                       {target, expiring(now.Add(31 * 24 * time.Hour))},
			`reading job nowhere in namespace default: not found`: {scaler.AppID{Namespace: "default", Job: "nowhere", Group: "app"}, most(5)},
			`job refused has no group "web"; its groups are app`:  {scaler.AppID{Namespace: "default", Job: "refused", Group: "web"}, most(5)},
		} {
			_, err := agent.Client.SetOverride(t.Context(), test.target, test.set, 0, now)
			if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "setting the override of "+test.target.String()) {
				t.Errorf("error\n%v\nwant\n%s", err, want)
			}
		}
		if _, err := agent.Client.Override(t.Context(), target); !errors.Is(err, nomad.ErrNotFound) {
			t.Errorf("one was set all the same: %v", err)
		}
	})
}

// watched has the overrides that a watch has reported, and the texts about those that are
// ignored.
type watched struct {
	*nomad.Overrides
	mu      sync.Mutex
	ignored []string
}

func watchOverrides(t *testing.T, client *nomad.Client) *watched {
	t.Helper()
	w := new(watched)
	w.Overrides = nomad.NewOverrides(func(target scaler.AppID, err error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.ignored = append(w.ignored, fmt.Sprintf("%s: %v", target, err))
	})
	watch(t, func(ctx context.Context) { client.WatchOverrides(ctx, w.Report, w.Failed) })
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	if err := w.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	return w
}

// times returns how many texts about ignored overrides contain a part.
func (w *watched) times(part string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(slices.DeleteFunc(slices.Clone(w.ignored), func(text string) bool { return !strings.Contains(text, part) }))
}

// max returns the maximum that applies to an app with the default policy.
func (w *watched) max(t *testing.T, target scaler.AppID, at time.Time) int {
	t.Helper()
	p := nomadtest.Policy(t, target.Job, nil)
	return w.Apply(&p, at).MaxInstances
}

func (w *watched) await(t *testing.T, target scaler.AppID, want int) {
	t.Helper()
	nomadtest.Eventually(t, soon, fmt.Sprintf("a maximum of %d", want), func() bool { return w.max(t, target, time.Now()) == want })
}

func TestWatchOverrides(t *testing.T) {
	agent := nomadtest.Start(t)
	before := wide(t, agent, "before")
	set(t, agent, before, most(20))
	w := watchOverrides(t, agent.Client)

	t.Run("knows those that were there", func(t *testing.T) {
		if got := w.max(t, before, time.Now()); got != 20 {
			t.Errorf("the maximum is %d once the overrides are known, want 20", got)
		}
	})

	t.Run("learns of one at once", func(t *testing.T) {
		target := wide(t, agent, "quick")
		begin := time.Now()
		set(t, agent, target, most(50))
		w.await(t, target, 50)
		// This takes a few milliseconds; the limit allows for a busy machine.
		if took := time.Since(begin); took > 3*time.Second {
			t.Errorf("it took %s", took)
		}
		set(t, agent, target, most(40))
		w.await(t, target, 40)
		read, err := agent.Client.Override(t.Context(), target)
		if err != nil {
			t.Fatal(err)
		}
		if err := agent.Client.ClearOverride(t.Context(), target, read.ModifyIndex); err != nil {
			t.Fatal(err)
		}
		w.await(t, target, 10)
	})

	t.Run("ends one when it expires", func(t *testing.T) {
		if got := w.max(t, before, time.Now().Add(time.Hour)); got != 10 {
			t.Errorf("the maximum is %d after an hour, want 10", got)
		}
	})

	t.Run("ignores one that the job has outgrown, and says so once", func(t *testing.T) {
		target := wide(t, agent, "outgrown")
		set(t, agent, target, most(50))
		w.await(t, target, 50)
		p := nomadtest.Policy(t, target.Job, nil)
		register(t, agent, p, 0, 30)
		w.await(t, target, 10)
		const want = `default/outgrown/app: the override "max 50" is ignored: max_instances = "50": must be at most the max of the scaling block, which is 30`
		for range 3 {
			w.max(t, target, time.Now())
		}
		if n := w.times(want); n != 1 {
			t.Errorf("said %d times, want once: %s\nin %q", n, want, w.ignored)
		}
		register(t, agent, p, 0, 60)
		w.await(t, target, 50)
		if _, _, err := agent.API.Jobs().Deregister(target.Job, true, nil); err != nil {
			t.Fatal(err)
		}
		nomadtest.Eventually(t, soon, "that there is no such app", func() bool {
			return w.times("nomadscale/overrides/outgrown/app is ignored: there is no scaling block of default/outgrown/app") == 1
		})
	})

	t.Run("ignores one that is malformed, and says so once", func(t *testing.T) {
		target := wide(t, agent, "malformed")
		set(t, agent, target, most(50))
		w.await(t, target, 50)
		put := func(items api.VariableItems) {
			variable := &api.Variable{Path: "nomadscale/overrides/malformed/app", Items: items}
			if _, _, err := agent.API.Variables().Update(variable, nil); err != nil {
				t.Fatal(err)
			}
		}
		for want, items := range map[string]api.VariableItems{
			`its items are max_instances: must be group, job, override`:                      {"max_instances": "5"},
			`it is for default/else/app, whose override is at nomadscale/overrides/else/app`: {"job": "else", "group": "app", "override": `{"hold": true}`},
			`max = "5": must be removed: there is no such key`:                               {"job": "malformed", "group": "app", "override": `{"max": 5, "expires_at": "2026-11-22T12:30:00Z"}`},
		} {
			put(items)
			want = "nomadscale/overrides/malformed/app is ignored: " + want
			nomadtest.Eventually(t, soon, want, func() bool { return w.times(want) > 0 })
			if got := w.max(t, target, time.Now()); got != 10 {
				t.Errorf("the maximum is %d, want 10", got)
			}
			wide(t, agent, "another") // a change that has nothing to do with it
			if n := w.times(want); n != 1 {
				t.Errorf("%s: said %d times, want once", want, n)
			}
		}
		all, err := agent.Client.ListOverrides(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(all, func(o nomad.AppOverride) bool { return o.Path == "nomadscale/overrides/malformed/app" && o.Err != nil }) {
			t.Errorf("the list does not contain it: %+v", all)
		}
		set(t, agent, target, most(20))
		w.await(t, target, 20)
	})

	t.Run("applies a target to policies in its metric", func(t *testing.T) {
		target := wide(t, agent, "metrics")
		set(t, agent, target, &scaler.Override{Target: new(5.0), ExpiresAt: time.Now().Add(time.Hour)})
		own := nomadtest.Policy(t, target.Job, nil)
		other := nomadtest.Policy(t, target.Job, scaler.Document{"metric": "custom", "target_per_instance": "7"})
		nomadtest.Eventually(t, soon, "the target", func() bool { return w.Apply(&own, time.Now()).Target == 5 })
		if got := w.Apply(&other, time.Now()); got.Target != 7 || got.Override != nil {
			t.Errorf("the target in another metric is %v, want 7", got.Target)
		}
	})
}

// Those who decide wait for overrides, but only for a limited time.
func TestOverridesAreKnown(t *testing.T) {
	for name, test := range map[string]struct {
		call func(*nomad.Overrides)
		wait time.Duration
	}{
		"reported":           {func(o *nomad.Overrides) { o.Report(nil) }, 0},
		"not permitted":      {func(o *nomad.Overrides) { o.Failed(nomad.ErrDenied) }, 0},
		"failing for a time": {func(o *nomad.Overrides) { o.Failed(errors.New("no key to decrypt with")) }, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := nomad.NewOverrides(func(scaler.AppID, error) {})
				if o.Known() {
					t.Error("known before the first report")
				}
				began := time.Now()
				test.call(o)
				if err := o.Wait(t.Context()); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); took != test.wait || !o.Known() {
					t.Errorf("known %t after %s, want after %s", o.Known(), took, test.wait)
				}
			})
		})
	}
}

func TestOverridesOutliveNomad(t *testing.T) {
	agent := nomadtest.Start(t, nomadtest.Options{Durable: true})
	target := wide(t, agent, "web")
	set(t, agent, target, most(50))
	w := watchOverrides(t, agent.Client)
	w.await(t, target, 50)

	agent.Kill()
	nomadtest.Eventually(t, soon, "that the overrides cannot be read", func() bool { return w.times("the overrides that are known stay in force") > 0 })
	if got := w.max(t, target, time.Now()); got != 50 {
		t.Errorf("the maximum is %d without Nomad, want 50", got)
	}
	if got := w.max(t, target, time.Now().Add(time.Hour)); got != 10 {
		t.Errorf("the maximum is %d after it has expired, want 10", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := agent.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	set(t, agent, target, most(20))
	w.await(t, target, 20)
}

func TestOverridesWithoutPermission(t *testing.T) {
	agent := nomadtest.Start(t, nomadtest.Options{ACL: true})
	target := wide(t, agent, "web")
	set(t, agent, target, most(50))

	const reads = `capabilities = ["list-scaling-policies", "read-scaling-policy", "read-job-scaling"]`
	policy := func(variables string) {
		rules := fmt.Sprintf("namespace %q {\n%s\n%s\n}", "default", reads, variables)
		if _, err := agent.API.ACLPolicies().Upsert(&api.ACLPolicy{Name: "strategy", Rules: rules}, nil); err != nil {
			t.Fatal(err)
		}
	}
	const variables = "variables {\n path %q {\n capabilities = [%s]\n }\n}"
	policy("")
	token, _, err := agent.API.ACLTokens().Create(&api.ACLToken{Name: "strategy", Type: "client", Policies: []string{"strategy"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	client, err := nomad.New(&api.Config{Address: agent.Address, SecretID: token.SecretID})
	if err != nil {
		t.Fatal(err)
	}

	const lacks = "permission denied: the token needs the capabilities list and read on the variables nomadscale/overrides/* in namespace default"
	t.Run("there is none, and it is said once", func(t *testing.T) {
		w := watchOverrides(t, client)
		nomadtest.Eventually(t, soon, "what the token lacks", func() bool { return w.times(lacks) == 1 })
		wide(t, agent, "another")
		if got := w.max(t, target, time.Now()); got != 10 || w.times(lacks) != 1 {
			t.Errorf("the maximum is %d, want 10; said %q", got, w.ignored)
		}
		all, err := client.ListOverrides(t.Context())
		if err != nil || len(all) != 1 || all[0].Err == nil || all[0].Err.Error() != lacks {
			t.Errorf("the list is %+v, %v; want what the token lacks", all, err)
		}
	})

	t.Run("to read what is listed, there is none either", func(t *testing.T) {
		policy(fmt.Sprintf(variables, "nomadscale/overrides/*", `"list"`))
		w := watchOverrides(t, client)
		nomadtest.Eventually(t, soon, "what the token lacks", func() bool { return w.times(lacks) == 1 })
		if got := w.max(t, target, time.Now()); got != 10 {
			t.Errorf("the maximum is %d, want 10", got)
		}
	})

	t.Run("any more, what was known stays in force", func(t *testing.T) {
		policy(fmt.Sprintf(variables, "nomadscale/overrides/*", `"list", "read"`))
		w := watchOverrides(t, client)
		w.await(t, target, 50)
		policy("")
		set(t, agent, wide(t, agent, "another"), most(20)) // which wakes the watch
		nomadtest.Eventually(t, soon, "what the token lacks", func() bool { return w.times(lacks) == 1 })
		if got := w.max(t, target, time.Now()); got != 50 {
			t.Errorf("the maximum is %d, want 50", got)
		}
	})
}
