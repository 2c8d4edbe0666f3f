package nomad

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/nomad/api"
)

// failure is what last went wrong with a task, in Nomad's words, and "" when
// nothing has. It is final when Nomad's attempts at restarting are used up for
// the time being.
func failure(tasks map[string]*api.TaskState) (why string, final bool) {
	for _, name := range slices.Sorted(maps.Keys(tasks)) {
		// The event before the decision on a restart is its cause.
		events := tasks[name].Events
		for i := len(events) - 1; i > 0; i-- {
			decision := events[i]
			if decision.Type != api.TaskRestarting && decision.Type != api.TaskNotRestarting {
				continue
			}
			reason := decision.Details["restart_reason"]
			text := "task " + name + ": " + events[i-1].Type + ": " + plain(events[i-1].DisplayMessage) + "; " + reason
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

// restartGranted begins the reason of a restart that the policy allows.
const restartGranted = "Restart within policy"

// maxFailure bounds what is told of a failure, in bytes.
const maxFailure = 400

// secrets are the parts of a URL that may let somebody in.
var secrets = regexp.MustCompile(`(://)[^/\s"'@]*@|\?[^\s"']*`)

// plain is a text without the secrets of URLs, in one line that is not long.
func plain(text string) string {
	text = secrets.ReplaceAllString(strings.Join(strings.Fields(text), " "), "$1")
	if len(text) > maxFailure {
		text = strings.ToValidUTF8(text[:maxFailure], "") + "…"
	}
	return text
}
