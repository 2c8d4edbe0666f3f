package nomad

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// StartFailures lists what keeps instances of a group from starting, in Nomad's
// words: that they cannot be placed, or what those met that Nomad has given up on.
func (c *Client) StartFailures(ctx context.Context, t scaler.AppID) ([]string, error) {
	var why []string
	evaluations, _, err := c.api.Jobs().Evaluations(t.Job, reading(ctx, t.Namespace))
	if err != nil {
		return nil, explain(needs("read-job", t.Namespace, err), "reading the evaluations of job %s", t.Job)
	}
	for _, e := range evaluations {
		if unplaced := evaluation(e).Unplaced[t.Group]; unplaced != "" {
			why = append(why, unplaced)
		}
	}
	allocations, _, err := c.api.Jobs().Allocations(t.Job, false, reading(ctx, t.Namespace))
	if err != nil {
		return nil, explain(needs("read-job", t.Namespace, err), "reading the instances of job %s", t.Job)
	}
	for _, a := range allocations {
		if i := instance(a); i.App.Group == t.Group && i.Failed {
			why = append(why, i.Failure)
		}
	}
	slices.Sort(why)
	return slices.Compact(why), nil
}

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
