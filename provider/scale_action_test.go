package provider

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

// invoke validates, plans and invokes an action, and returns what it reports on
// the way and at the end.
func (p protocol) invoke(name string, config map[string]any) (progress []string, diagnostics []*tfprotov6.Diagnostic) {
	p.t.Helper()
	server, ok := p.server.(tfprotov6.ActionServer)
	if !ok {
		p.t.Fatal("the provider's server knows no actions")
	}
	given := p.dynamic(p.schemas.ActionSchemas[name].Schema.ValueType(), config)
	valid, err := server.ValidateActionConfig(p.t.Context(), &tfprotov6.ValidateActionConfigRequest{ActionType: name, Config: given})
	if err != nil {
		p.t.Fatal(err)
	}
	if len(valid.Diagnostics) > 0 {
		return nil, valid.Diagnostics
	}
	planned, err := server.PlanAction(p.t.Context(), &tfprotov6.PlanActionRequest{ActionType: name, Config: given})
	if err != nil {
		p.t.Fatal(err)
	}
	if len(planned.Diagnostics) > 0 {
		return nil, planned.Diagnostics
	}
	stream, err := server.InvokeAction(p.t.Context(), &tfprotov6.InvokeActionRequest{ActionType: name, Config: given})
	if err != nil {
		p.t.Fatal(err)
	}
	completed := false
	for event := range stream.Events {
		switch e := event.Type.(type) {
		case tfprotov6.ProgressInvokeActionEventType:
			progress = append(progress, e.Message)
		case tfprotov6.CompletedInvokeActionEventType:
			diagnostics, completed = e.Diagnostics, true
		}
	}
	if !completed {
		p.t.Error("the action does not end")
	}
	return progress, diagnostics
}

// scaleTo is the configuration of nomadscale_scale for the group web of a job.
func scaleTo(id string, instances int, more map[string]any) map[string]any {
	config := map[string]any{"job_id": id, "group": "web", "instances": instances}
	for key, value := range more {
		config[key] = value
	}
	return config
}

// No CLI before Terraform 1.14 knows actions, so this speaks the protocol. What
// Terraform plans after one, Terraform itself shows.
func TestScaleAction(t *testing.T) {
	t.Parallel()
	const id = "acted-on"
	p := speak(t, agent.Address)
	config := app("a", spec(id, ""), `autoscaling = { min_instances = 1, max_instances = 3, hard_min_instances = 0, hard_max_instances = 5 }`)
	act := func(want int, more map[string]any, says ...string) func() {
		return func() {
			progress, diagnostics := p.invoke("nomadscale_scale", scaleTo(id, want, more))
			p.healthy(diagnostics)
			for _, d := range diagnostics {
				progress = append(progress, d.Detail)
			}
			for _, words := range says {
				if !slices.ContainsFunc(progress, func(line string) bool { return strings.Contains(line, words) }) {
					t.Errorf("to %d: %q does not say %q", want, progress, words)
				}
			}
		}
	}
	unchanged := func(want int, pre func()) resource.TestStep {
		return resource.TestStep{PreConfig: pre, Config: config, ConfigPlanChecks: action(plancheck.ResourceActionNoop), Check: counts(id, want)}
	}
	refused := func(config map[string]any, attribute, words string) func() {
		return func() {
			progress, diagnostics := p.invoke("nomadscale_scale", config)
			if len(progress) > 0 || len(diagnostics) != 1 || diagnostics[0].Severity != tfprotov6.DiagnosticSeverityError ||
				diagnostics[0].Attribute.String() != fmt.Sprintf("AttributeName(%q)", attribute) || !strings.Contains(diagnostics[0].Detail, words) {
				t.Errorf("%v: %q, %+v; want an error at %s that says %q", config, progress, diagnostics, attribute, words)
			}
		}
	}
	apply(t,
		resource.TestStep{Config: config},
		unchanged(2, act(2, map[string]any{"reason": "a rush is near", "wait": true}, "default/acted-on/web scales from 1 to 2 instances", "2 of 2 instances run")),
		unchanged(2, act(2, nil, "has 2 instances already")),
		unchanged(4, act(4, nil, "keeps 1 to 3 instances")),
		unchanged(0, act(0, map[string]any{"namespace": "default", "wait": true}, "from 4 to 0", "0 of 0 instances run")),
		unchanged(0, refused(scaleTo(id, 6, nil), "instances", "hard_min_instances = 0 and hard_max_instances = 5")),
		unchanged(0, refused(scaleTo(id, -1, nil), "instances", "at least 0")),
		unchanged(0, refused(scaleTo(id, 1, map[string]any{"group": "api"}), "group", `has no group "api"; its groups are web`)),
		unchanged(0, refused(scaleTo("acted-on-nothing", 1, nil), "job_id", "Namespace default has no job acted-on-nothing")),
		unchanged(0, refused(scaleTo(id, 1, map[string]any{"timeout": "soon"}), "timeout", `timeout is "soon"; it must be a duration above 0`)),
	)
}

func TestScaleActionLeavesItsReason(t *testing.T) {
	t.Parallel()
	const id = "acted-on-with-reason"
	p := speak(t, agent.Address)
	runByHand(t, spec(id, ""))
	for i, reason := range []string{"", "a rush is near"} {
		more := map[string]any{"reason": reason}
		want := reason
		if reason == "" {
			more, want = nil, scaleReason
		}
		_, diagnostics := p.invoke("nomadscale_scale", scaleTo(id, i+2, more))
		p.healthy(diagnostics)
		status, _, err := agent.API.Jobs().ScaleStatus(id, nil)
		if err != nil {
			t.Fatal(err)
		}
		newest := slices.MaxFunc(status.TaskGroups["web"].Events, func(a, b api.ScalingEvent) int { return int(int64(a.Time) - int64(b.Time)) })
		if newest.Message != want || newest.Count == nil || *newest.Count != int64(i+2) {
			t.Errorf("the newest event is %+v, want %d because %q", newest, i+2, want)
		}
	}
	if _, _, err := agent.API.Jobs().Deregister(id, false, nil); err != nil {
		t.Fatal(err)
	}
	if _, diagnostics := p.invoke("nomadscale_scale", scaleTo(id, 1, nil)); len(diagnostics) != 1 || !strings.Contains(diagnostics[0].Detail, "Run it again") {
		t.Errorf("a stopped job: %+v", diagnostics)
	}
}

// An instance that cannot be placed is not waited for longer than is allowed, and
// the error says why.
func TestScaleActionThatCannotBePlaced(t *testing.T) {
	t.Parallel()
	const id = "acted-on-in-vain"
	runByHand(t, strings.Replace(spec(id, "count = 0"), "memory = 10", "memory = 1000000", 1))
	_, diagnostics := speak(t, agent.Address).invoke("nomadscale_scale", scaleTo(id, 1, map[string]any{"wait": true, "timeout": "2s"}))
	if len(diagnostics) != 1 || !strings.Contains(diagnostics[0].Detail, "memory") || !strings.Contains(diagnostics[0].Detail, "nomad job status -namespace=default "+id) {
		t.Errorf("got %+v, want why the instance cannot be placed", diagnostics)
	}
}

// A rollout is not cut short.
func TestScaleActionDuringARollout(t *testing.T) {
	t.Parallel()
	const id = "acted-on-rollout"
	rolling := strings.Replace(spec(id, ""), "max_parallel = 0", "max_parallel = 1\n canary = 1", 1)
	runByHand(t, rolling)
	runByHand(t, strings.Replace(rolling, "3600", "1800", 1))
	nomadtest.Eventually(t, time.Minute, "the rollout has begun", func() bool {
		d, _, err := agent.API.Jobs().LatestDeployment(id, nil)
		return err == nil && d != nil && d.JobVersion == 1
	})
	_, diagnostics := speak(t, agent.Address).invoke("nomadscale_scale", scaleTo(id, 3, nil))
	if len(diagnostics) != 1 || !strings.Contains(diagnostics[0].Detail, "Nothing was changed") || !strings.Contains(diagnostics[0].Detail, "nomad job deployments -namespace=default "+id) {
		t.Errorf("got %+v, want that a deployment is in the way", diagnostics)
	}
}
