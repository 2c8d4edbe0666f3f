package jobspec_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

// declaredJob returns a job with most of what jobs have, and with a policy for its
// group web.
func declaredJob(t *testing.T) *api.Job {
	t.Helper()
	policy, err := scaler.Parse(scaler.Document{"namespace": "default", "job": "shop", "group": "web"})
	if err != nil {
		t.Fatal(err)
	}
	return &api.Job{
		ID: new("shop"), Namespace: new("default"), Priority: new(50), Stop: new(false),
		Version: new(uint64(3)), JobModifyIndex: new(uint64(17)), Status: new("running"), SubmitTime: new(int64(1)),
		Meta:        map[string]string{"team.name": "x", "empty": ""},
		Constraints: []*api.Constraint{{LTarget: "${attr.kernel.name}", RTarget: "linux", Operand: "="}},
		TaskGroups: []*api.TaskGroup{
			{
				Name: new("web"), Count: new(2), Scaling: jobspec.NewBlock(policy).Render(), ShutdownDelay: new(90 * time.Second),
				Networks: []*api.NetworkResource{{DynamicPorts: []api.Port{{Label: "http", To: 8080}}}},
				Services: []*api.Service{{Name: "web", Tags: []string{"a", "b"}, Checks: []api.ServiceCheck{{Type: "tcp"}, {Type: "http"}}}},
				Tasks: []*api.Task{{
					Name: "app", Driver: "docker", Leader: true,
					Config:    map[string]any{"image": "web:1", "args": []any{"-v"}, "mount": []any{map[string]any{"type": "bind"}, map[string]any{"type": "tmpfs"}}},
					Templates: []*api.Template{{EmbeddedTmpl: new(strings.Repeat("é", 200))}},
					Identity:  &api.WorkloadIdentity{Name: "default", Env: true},
				}},
			},
			{Name: new("db"), Count: new(1), Scaling: &api.ScalingPolicy{ID: "x", Min: new(int64(1)), Max: new(int64(2)), ModifyIndex: 9}},
		},
	}
}

func TestFlatten(t *testing.T) {
	flat := jobspec.Flatten(declaredJob(t))
	for path, want := range map[string]string{
		"id":                                     "shop",
		`meta."team.name"`:                       "x",
		"constraint.0.attribute":                 "${attr.kernel.name}",
		"group.web":                              "",
		"group.web.shutdown_delay":               "1m30s",
		"group.web.network.0.port.http.to":       "8080",
		"group.web.service.web.tags":             `["a","b"]`,
		"group.web.service.web.check.1.type":     "http",
		"group.web.task.app.driver":              "docker",
		"group.web.task.app.leader":              "true",
		"group.web.task.app.config.image":        "web:1",
		"group.web.task.app.config.args":         `["-v"]`,
		"group.web.task.app.config.mount.1.type": "tmpfs",
		"group.web.task.app.identity.env":        "true",
		"group.web.scaling.max":                  "10",
		"group.web.scaling.policy.check.load.strategy.nomadscale.max_instances": "10",
		"group.db.scaling.min": "1",
	} {
		if got, ok := flat[path]; !ok || got != want {
			t.Errorf("%s is %q, %t; want %q", path, got, ok, want)
		}
	}
	for _, path := range []string{
		"group.web.count", "group.db.count", "stop", "version", "status", "meta.empty",
		"group.db.scaling.id", "group.db.scaling.modifyindex", "job_modify_index",
	} {
		if value, ok := flat[path]; ok {
			t.Errorf("%s is there, as %q", path, value)
		}
	}
	for path, value := range flat {
		if len(value) > 160 {
			t.Errorf("%s is %d bytes long", path, len(value))
		}
	}
}

func TestDrift(t *testing.T) {
	check := func(job *api.Job) map[string]any { return body(job.TaskGroups[0].Scaling.Policy["check"], "load") }
	document := func(job *api.Job) map[string]any { return body(check(job)["strategy"], jobspec.Driver) }
	const task = "group.web.task.app"
	const strategy = "group.web.scaling.policy.check.load.strategy.nomadscale."
	for _, c := range []struct {
		name string
		edit func(*api.Job)
		want map[string]string
	}{
		{"nothing", func(*api.Job) {}, nil},
		{"counts, versions and times", func(j *api.Job) {
			*j.TaskGroups[0].Count, *j.TaskGroups[1].Count, *j.Version, *j.SubmitTime, *j.Status = 7, 5, 9, 9, "dead"
		}, nil},
		{"nil for zero", func(j *api.Job) { j.AllAtOnce, j.TaskGroups[0].Meta = new(false), map[string]string{} }, nil},
		{"a value", func(j *api.Job) { j.TaskGroups[0].Tasks[0].Config["image"] = "web:2" }, map[string]string{task + ".config.image": "web:2 (declared web:1)"}},
		{"a value taken away", func(j *api.Job) { delete(j.TaskGroups[0].Tasks[0].Config, "image") }, map[string]string{task + ".config.image": "unset (declared web:1)"}},
		{"a value added", func(j *api.Job) { j.TaskGroups[0].Tasks[0].User = "nobody" }, map[string]string{task + ".user": "nobody (not declared)"}},
		{"a list", func(j *api.Job) { j.TaskGroups[0].Services[0].Tags = []string{"a"} }, map[string]string{"group.web.service.web.tags": `["a"] (declared ["a","b"])`}},
		{"a long text", func(j *api.Job) { *j.TaskGroups[0].Tasks[0].Templates[0].EmbeddedTmpl += "x" }, map[string]string{
			task + ".template.0.data": "éééééééééééééééééééééééééééééééé… (401 bytes, sha256 8ea881398df1e37b) (declared éééééééééééééééééééééééééééééééé… (400 bytes, sha256 df20b2aa6262e99e))",
		}},
		{"a task added", func(j *api.Job) {
			j.TaskGroups[0].Tasks = append(j.TaskGroups[0].Tasks, &api.Task{Name: "side", Driver: "exec"})
		}, map[string]string{"group.web.task.side": "added (not declared)"}},
		{"a group removed", func(j *api.Job) { j.TaskGroups = j.TaskGroups[:1] }, map[string]string{"group.db": "removed (declared)"}},
		{"stopped", func(j *api.Job) { *j.Stop = true }, map[string]string{"stop": "true (declared false)"}},
		{"another group's scaling", func(j *api.Job) { *j.TaskGroups[1].Scaling.Max = 9 }, map[string]string{"group.db.scaling.max": "9 (declared 2)"}},
		{"the policy, which Settings has", func(j *api.Job) {
			document(j)["max_instances"] = "7"
			delete(document(j), "scale_up_step")
			*j.TaskGroups[0].Scaling.Enabled, *j.TaskGroups[0].Scaling.Min = false, 0
		}, nil},
		{"the whole block", func(j *api.Job) { j.TaskGroups[0].Scaling = nil }, nil},
		{"another strategy", func(j *api.Job) {
			check(j)["strategy"] = labelled("threshold", nil)
		}, nil},
		{"an unknown key", func(j *api.Job) { document(j)["colour"] = "red" }, map[string]string{strategy + "colour": "red (not declared)"}},
		{"a wrong value", func(j *api.Job) { document(j)["scale_up_step"] = "many" }, map[string]string{strategy + "scale_up_step": "many (declared 1)"}},
		{"another target", func(j *api.Job) { document(j)["group"] = "api" }, map[string]string{strategy + "group": "api (declared web)"}},
		{"the agent's cooldown", func(j *api.Job) { j.TaskGroups[0].Scaling.Policy["cooldown"] = "5m" }, map[string]string{"group.web.scaling.policy.cooldown": "5m (declared 1ms)"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			live := declaredJob(t)
			c.edit(live)
			got := jobspec.Drift(jobspec.Flatten(declaredJob(t)), live, "web")
			if c.want == nil {
				c.want = map[string]string{}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Paths that share a beginning are distinguished.
func TestDriftOfSimilarNames(t *testing.T) {
	before := map[string]string{"id": "shop", "group.web": "", "group.web.a": "1", "group.web-2": "", "group.web-2.a": "1", "group.webby.a": "1"}
	want := map[string]string{"group.web": "removed (declared)", "group.web-2": "removed (declared)", "group.webby.a": "unset (declared 1)"}
	if diff := cmp.Diff(want, jobspec.Drift(before, &api.Job{ID: new("shop")}, "none")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestChanges(t *testing.T) {
	after := declaredJob(t)
	*after.TaskGroups[0].Count, after.Priority, after.TaskGroups[1].Scaling.Max = 7, new(60), new(int64(9))
	if diff := cmp.Diff([]string{"group.db.scaling.max", "priority"}, jobspec.Changes(declaredJob(t), after)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := jobspec.Changes(after, after); len(got) > 0 {
		t.Errorf("changes of the same job: %v", got)
	}
}
