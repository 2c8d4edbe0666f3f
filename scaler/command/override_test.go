package command

import (
	"testing"

	"github.com/hashicorp/nomad/api"
)

func TestOverride(t *testing.T) {
	agent := startNomad(t)
	register(t, agent, "web", 50, nil)
	const app = "default/web/app"

	expectOutput(t, "There are no overrides.\n", "override", "list")
	expectOutput(t, app+": max 50 until 12:00 UTC, from the next decision on.\n",
		"override", "set", app, "--max", "50", "--for", "2h", "--reason", "launch", "--by", "ada")
	expectOutput(t, app+": min 2, buffer 1, target 20 until 12:00 UTC, from the next decision on. It replaces max 50 until 12:00 UTC.\n",
		"override", "set", app, "--min", "2", "--buffer", "1", "--target", "20", "--for", "30m", "--reason", "a test", "--by", "bob")
	expectOutput(t, `
APP  CHANGE  UNTIL  STATE  BY  REASON
default/web/app  min 2, buffer 1, target 20  12:00 UTC  in force  bob  a test
`, "override", "list")
	list := outputJSON[[]object](t, "override", "list")
	if len(list) != 1 {
		t.Fatalf("the list is %v, want one", list)
	}
	expectFields(t, list[0], object{
		"app": app, "namespace": "default", "job": "web", "group": "app",
		"min_instances": 2.0, "buffer_instances": 1.0, "target": 20.0, "by": "bob", "reason": "a test", "state": "in_force",
	})
	if _, set := list[0]["max_instances"]; set || list[0]["expires_at"] == nil {
		t.Errorf("the list is %v, want no max_instances and a time", list)
	}

	if err := putVariable(agent.API, "nomadscale/overrides/web/app", api.VariableItems{"job": "web", "group": "app", "override": `{"max": 5}`}); err != nil {
		t.Fatal(err)
	}
	expectOutput(t, `
APP  CHANGE  UNTIL  STATE  BY  REASON
default/web/app      ignored: max = "5": must be removed: there is no such key
`, "override", "list")
	expectOutput(t, app+": the policy applies without an override, from the next decision on.\n", "override", "clear", app)
	expectError(t, []string{app + " has no override; nomadscale override list lists the overrides"}, "override", "clear", app)
	expectOutput(t, app+": hold until 12:00 UTC, from the next decision on.\n", "override", "set", app, "--hold", "--for", "90s")
}

func TestOverrideIsRefusedWithTheReason(t *testing.T) {
	agent := startNomad(t)
	register(t, agent, "web", 50, nil)
	const app = "default/web/app"
	for name, test := range map[string]struct {
		args  []string
		words []string
	}{
		"beyond the hard limits": {
			[]string{app, "--max", "51", "--for", "1h"},
			[]string{`max_instances = "51": must be at most the max of the scaling block, which is 50`, "Nothing has changed. First change the limits of the job", "hard_max_instances in Terraform"},
		},
		"contradiction":        {[]string{app, "--min", "11", "--for", "1h"}, []string{`min_instances = "11": must be at most max_instances, which is 10`, "Nothing has changed"}},
		"no change":            {[]string{app, "--for", "1h"}, []string{"must be a change: min_instances, max_instances, buffer_instances, target or hold"}},
		"hold and more":        {[]string{app, "--hold", "--max", "5", "--for", "1h"}, []string{`hold = "true": must be unset with`}},
		"for ever":             {[]string{app, "--hold"}, []string{`required flag(s) "for" not set`}},
		"for too long":         {[]string{app, "--hold", "--for", "721h"}, []string{"must be at most 720h from now"}},
		"for no time":          {[]string{app, "--hold", "--for", "0s"}, []string{"must be in the future"}},
		"a value out of range": {[]string{app, "--buffer", "-1", "--for", "1h"}, []string{`buffer_instances = "-1": must be a whole number from 0`}},
		"no such job":          {[]string{"default/nowhere/app", "--hold", "--for", "1h"}, []string{"job nowhere in namespace default: not found", "nomadscale status lists the apps"}},
		"no such group":        {[]string{"default/web/db", "--hold", "--for", "1h"}, []string{`job web has no group "db"; its groups are app`}},
		"no name":              {[]string{"web", "--hold", "--for", "1h"}, []string{`"web": must be <namespace>/<job>/<group>`}},
	} {
		t.Run(name, func(t *testing.T) { expectError(t, test.words, append([]string{"override", "set"}, test.args...)...) })
	}
	expectOutput(t, "There are no overrides.\n", "override", "list")
}

func TestErrorsSayWhatToDo(t *testing.T) {
	t.Setenv("NOMAD_ADDR", "http://127.0.0.1:1")
	for _, args := range [][]string{{"status"}, {"why", "default/web/app"}, {"events", "default/web/app"}, {"override", "list"}, {"override", "clear", "default/web/app"}} {
		expectError(t, []string{"Nomad does not answer at http://127.0.0.1:1; set NOMAD_ADDR to its address"}, args...)
	}
}

func putVariable(client *api.Client, path string, items api.VariableItems) error {
	_, _, err := client.Variables().Update(&api.Variable{Path: path, Items: items}, nil)
	return err
}
