package command

import (
	"testing"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

func TestEvents(t *testing.T) {
	agent := startNomad(t)
	p := register(t, agent, "web", 50, scaler.Document{"buffer_instances": "1", "scale_up_step": "0"})
	expectOutput(t, "default/web/app has no scaling events yet.\n", "events", p.App.String())

	scale(t, agent, p, 150)
	request := &api.ScalingRequest{Count: new(int64(1)), Target: map[string]string{"Job": p.App.Job, "Group": p.App.Group}, Message: "too many"}
	if _, _, err := agent.API.Jobs().ScaleWithRequest(p.App.Job, request, nil); err != nil {
		t.Fatal(err)
	}
	failure := &api.ScalingRequest{Target: request.Target, Message: "no target", Error: true}
	if _, _, err := agent.API.Jobs().ScaleWithRequest(p.App.Job, failure, nil); err != nil {
		t.Fatal(err)
	}
	expectOutput(t, `
TIME  CHANGE  WHO  REASON
2026-01-01 00:00:00 UTC (1s ago)  failed  by hand  no target
2026-01-01 00:00:00 UTC (1s ago)  3 to 1  by hand  too many
2026-01-01 00:00:00 UTC (1s ago)  1 to 3  rule up  150 requests a minute is 150 % of 1 instance, above 90 %; 3 instances called for (with 1 buffer)
`, "events", p.App.String())

	events := outputJSON[[]object](t, "events", p.App.String())
	if len(events) != 3 {
		t.Fatalf("%d events, want 3", len(events))
	}
	expectFields(t, events[2], object{
		"from": 1.0, "to": 3.0, "rule": "up", "failed": false, "load": 150.0, "demand": 1.5, "utilisation": 1.5, "goal": 3.0,
		"min_instances": 1.0, "max_instances": 10.0, "buffer_instances": 1.0, "override_until": nil,
	})
	expectFields(t, events[1], object{"from": 3.0, "to": 1.0, "rule": "", "reason": "too many", "load": nil, "goal": nil})
	if events[0]["failed"] != true {
		t.Errorf("the newest event is %v, want a failure", events[0])
	}
	expectError(t, []string{"not found", "nomadscale status lists the apps"}, "events", "default/nowhere/app")
	expectError(t, []string{"not found"}, "events", "default/web/db")
}
