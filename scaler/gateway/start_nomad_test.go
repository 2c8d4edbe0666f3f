package gateway_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	nomadapi "github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

// When Nomad cannot start an instance, the request that waits for one is soon told
// the cause. Once the job has been corrected, requests are served.
func TestFailedStartsOnNomad(t *testing.T) {
	g := onNomad(t)
	crash := &nomadapi.RestartPolicy{Attempts: new(1), Interval: new(time.Minute), Delay: new(time.Second), Mode: new("fail")}
	for job, test := range map[string]struct {
		broken func(*nomadapi.TaskGroup)
		want   string
	}{
		"memory": {func(group *nomadapi.TaskGroup) {
			group.Tasks[0].Resources.MemoryMB = new(1 << 20)
		}, "1 instance cannot be placed: memory exhausted on 1 node"},
		"constraint": {func(group *nomadapi.TaskGroup) {
			group.Constraints = append(group.Constraints, nomadapi.NewConstraint("${attr.kernel.name}", "=", "plan9"))
		}, "${attr.kernel.name} = plan9 rules out 1 node"},
		"driver": {func(group *nomadapi.TaskGroup) {
			group.Tasks[0].Driver, group.Tasks[0].Config = "unheard-of", map[string]any{"image": "nothing"}
		}, "missing drivers rules out 1 node"},
		"command": {func(group *nomadapi.TaskGroup) {
			group.Tasks[0].Config["command"] = "/no/such/command"
		}, `Driver Failure: failed to launch command with executor: rpc error: code = Unknown desc = binary "/no/such/command" could not be found`},
		"artifact": {func(group *nomadapi.TaskGroup) {
			group.RestartPolicy = &nomadapi.RestartPolicy{Attempts: new(0), Interval: new(time.Minute), Delay: new(time.Second), Mode: new("fail")}
			group.Tasks[0].Artifacts = []*nomadapi.TaskArtifact{{GetterSource: new("http://user:secret@127.0.0.1:1/app.tar.gz?token=secret")}}
		}, "Failed Artifact Download: failed to download artifact"},
		"crash": {func(group *nomadapi.TaskGroup) {
			group.RestartPolicy = crash
			group.Tasks[0].Config["command"] = "/bin/false"
		}, "Exit Code: 1; Exceeded allowed attempts 1"},
		"loop": {func(group *nomadapi.TaskGroup) {
			group.RestartPolicy = &nomadapi.RestartPolicy{Attempts: new(1), Interval: new(time.Minute), Delay: new(time.Second), Mode: new("delay")}
			group.Tasks[0].Config["command"] = "/bin/false"
		}, "Exit Code: 1; Exceeded allowed attempts, applying a delay"},
	} {
		t.Run(job, func(t *testing.T) {
			document := scaler.Document{"min_instances": "0", "start_timeout": "5m"}
			url := g.start(t, job, 0, document, test.broken)
			began := time.Now()
			got := refusal(t, get(t, url))
			t.Logf("after %.1f s: %s (again in %d s)", time.Since(began).Seconds(), got.Message, got.RetryAfter)
			if got.Cause.Status() != http.StatusServiceUnavailable || got.Cause != api.CauseStartFailed || got.RetryAfter < 1 ||
				!strings.Contains(got.Message, test.want) {
				t.Errorf("got %+v, want 503 start_failed with %q", got, test.want)
			}
			if strings.Contains(got.Message, "secret") {
				t.Errorf("the message gives away a secret: %s", got.Message)
			}
			if again := refusal(t, get(t, url)); again.Cause != api.CauseStartFailed {
				t.Errorf("the next request got %+v, want the same", again)
			}
			if s := g.status(t, job); !strings.Contains(s.StartError, test.want) {
				t.Errorf("the app shows %q", s.StartError)
			}
			g.start(t, job, 1, document)
			if err := fetch(url); err != nil {
				t.Errorf("after the job was corrected: %v", err)
			}
		})
	}

	t.Run("a crash during the start fails no request", func(t *testing.T) {
		url := g.start(t, "second", 0, scaler.Document{"min_instances": "0", "start_timeout": "5m"}, func(group *nomadapi.TaskGroup) {
			group.RestartPolicy = crash
			script := `test -e "$NOMAD_ALLOC_DIR/tried" || { touch "$NOMAD_ALLOC_DIR/tried"; exit 1; }; exec "$0"`
			group.Tasks[0].Config = map[string]any{"command": "/bin/sh", "args": []string{"-c", script, nomadtest.Self(t)}}
		})
		if err := fetch(url); err != nil {
			t.Error(err)
		}
	})

	// A gateway that comes later knows as much.
	t.Run("known from the beginning", func(t *testing.T) {
		url := g.start(t, "known", 0, scaler.Document{"min_instances": "0"}, func(group *nomadapi.TaskGroup) {
			group.Tasks[0].Resources.MemoryMB = new(1 << 20)
		})
		get(t, url).Body.Close()
		later := onAgent(t, g.agent, gateway.Config{})
		eventually(t, "the other gateway knows", func() bool {
			status, found := later.find(t, "default/known/web")
			return found && strings.Contains(status.StartError, "memory exhausted")
		})
	})
}
