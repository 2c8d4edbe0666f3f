package nomad

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/nomad/api"
)

// restartGranted begins the reason of a restart that the policy allows.
const restartGranted = "Restart within policy"

// taskFailure returns the last failure of a task, in Nomad's words; "" if there is
// none. It is final if Nomad has used up its restarts for the time being.
func taskFailure(tasks map[string]*api.TaskState) (why string, final bool) {
	for _, name := range slices.Sorted(maps.Keys(tasks)) {
		// The event before the decision on a restart is its cause.
		events := tasks[name].Events
		for i := len(events) - 1; i > 0; i-- {
			decision := events[i]
			if decision.Type != api.TaskRestarting && decision.Type != api.TaskNotRestarting {
				continue
			}
			reason := decision.Details["restart_reason"]
			text := "task " + name + ": " + events[i-1].Type + ": " + redact(events[i-1].DisplayMessage) + "; " + reason
			if i == len(events)-1 && !strings.HasPrefix(reason, restartGranted) {
				return text, true
			}
			if why == "" {
				why = text
			}
			break
		}
	}
	return why, false
}

// maxFailure limits the text of a failure, in bytes.
const maxFailure = 400

// secrets matches the parts of a URL that can contain credentials.
var secrets = regexp.MustCompile(`(://)[^/\s"'@]*@|\?[^\s"']*`)

// redact returns a text in one short line, without the secrets of URLs.
func redact(text string) string {
	text = secrets.ReplaceAllString(strings.Join(strings.Fields(text), " "), "$1")
	if len(text) > maxFailure {
		text = strings.ToValidUTF8(text[:maxFailure], "") + "…"
	}
	return text
}
