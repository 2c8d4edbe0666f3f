package nomad

import (
	"strings"
	"testing"

	"github.com/hashicorp/nomad/api"
)

func event(kind, message, reason string) *api.TaskEvent {
	return &api.TaskEvent{Type: kind, DisplayMessage: message, Details: map[string]string{"restart_reason": reason}}
}

// The last failure is the event before Nomad decides on a restart. It is final if there
// will be no restart, or a long delay before it.
func TestTaskFailure(t *testing.T) {
	started := event(api.TaskStarted, "Task started by client", "")
	crashed := event(api.TaskTerminated, "Exit Code: 1", "")
	again := event(api.TaskRestarting, "Task restarting in 15s", "Restart within policy")
	const crash = "task web: Terminated: Exit Code: 1; "
	for name, test := range map[string]struct {
		events []*api.TaskEvent
		why    string
		final  bool
	}{
		"nothing":          {nil, "", false},
		"it runs":          {[]*api.TaskEvent{started}, "", false},
		"it is restarted":  {[]*api.TaskEvent{started, crashed, again}, crash + "Restart within policy", false},
		"it runs again":    {[]*api.TaskEvent{started, crashed, again, started}, crash + "Restart within policy", false},
		"it is given up":   {[]*api.TaskEvent{started, crashed, event(api.TaskNotRestarting, "", "Exceeded allowed attempts 2 in interval 30m0s and mode is \"fail\"")}, crash + `Exceeded allowed attempts 2 in interval 30m0s and mode is "fail"`, true},
		"it has to wait":   {[]*api.TaskEvent{started, crashed, event(api.TaskRestarting, "", "Exceeded allowed attempts, applying a delay")}, crash + "Exceeded allowed attempts, applying a delay", true},
		"after the wait":   {[]*api.TaskEvent{crashed, event(api.TaskRestarting, "", "Exceeded allowed attempts, applying a delay"), started}, crash + "Exceeded allowed attempts, applying a delay", false},
		"the cause is cut": {[]*api.TaskEvent{again, started}, "", false},
	} {
		why, final := taskFailure(map[string]*api.TaskState{"sidecar": {Events: []*api.TaskEvent{started}}, "web": {Events: test.events}})
		if why != test.why || final != test.final {
			t.Errorf("%s: got %q, final %t; want %q, final %t", name, why, final, test.why, test.final)
		}
	}
}

// A text for clients contains no passwords and tokens of URLs, and is short.
func TestRedact(t *testing.T) {
	for text, want := range map[string]string{
		"Failed to pull `registry.example.com/web:7`: not found":                                     "Failed to pull `registry.example.com/web:7`: not found",
		`download "https://user:secret@host/app.tar.gz?X-Signature=secret": 404`:                     `download "https://host/app.tar.gz": 404`,
		"git::https://token@host/repo?depth=1&sshkey=secret failed\n\tand https://b/c@d stays as is": "git::https://host/repo failed and https://b/c@d stays as is",
	} {
		if got := redact(text); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := redact(strings.Repeat("ü", maxFailure)); len(got) > maxFailure+len("…") || !strings.HasSuffix(got, "ü…") {
		t.Errorf("a long text became %d bytes, ending in %q", len(got), got[len(got)-5:])
	}
}
