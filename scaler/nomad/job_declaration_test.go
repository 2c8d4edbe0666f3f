package nomad

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

func TestParseJobFromJSON(t *testing.T) {
	client, err := New(&api.Config{Address: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		`{"Job": {"ID": "a", "TaskGroups": [{"Name": "web"}]}}`: "a",
		"\n  {\"ID\": \"b\"}":            "b",
		`{"Job": {"Name": "a"}}`:         "the job has no ID",
		`{"ID": "a", "TaskGroups":[{}]}`: "a group has no name",
		`{`:                              "unexpected end",
		`{"Job": null, "ID": ""}`:        "the job has no ID",
	} {
		job, err := client.ParseJob(context.Background(), text)
		switch {
		case err == nil && *job.ID != want:
			t.Errorf("%s: the ID is %q, want %q", text, *job.ID, want)
		case err != nil && (!errors.Is(err, jobspec.ErrSpecification) || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	if _, err := client.ParseJob(context.Background(), `job "a" {}`); err == nil || errors.Is(err, jobspec.ErrSpecification) {
		t.Errorf("without Nomad: %v; want an error that does not blame the specification", err)
	}
}

// declaration returns a declaration with a policy for the group web of a job with two groups.
func declaration(t *testing.T, document scaler.Document, webCount *int) Declaration {
	t.Helper()
	document["namespace"], document["job"], document["group"] = "default", "shop", "web"
	policy, err := scaler.Parse(document)
	if err != nil {
		t.Fatal(err)
	}
	return Declaration{
		Job:   &api.Job{ID: new("shop"), Namespace: new("default"), TaskGroups: []*api.TaskGroup{{Name: new("web"), Count: webCount}, {Name: new("db"), Count: new(1)}}},
		Block: jobspec.NewBlock(policy),
	}
}

func TestCreateCounts(t *testing.T) {
	for _, c := range []struct {
		name     string
		document scaler.Document
		count    *int
		want     int
	}{
		{"unset is the minimum", scaler.Document{"min_instances": "0"}, nil, 0},
		{"given", scaler.Document{}, new(4), 4},
		{"raised to the minimum", scaler.Document{"min_instances": "2"}, new(0), 2},
		{"lowered to the maximum", scaler.Document{"max_instances": "3"}, new(9), 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := declaration(t, c.document, c.count)
			next, err := d.create(nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := *next.job.TaskGroups[0].Count; got != c.want || next.index != 0 || next.preserve {
				t.Errorf("count %d, index %d, preserve %t; want %d, 0, false", got, next.index, next.preserve, c.want)
			}
			if d.Job.TaskGroups[0].Scaling != nil {
				t.Error("the declaration's own job was changed")
			}
		})
	}
}

func TestCreateOverAnotherJob(t *testing.T) {
	d := declaration(t, scaler.Document{}, nil)
	live := &api.Job{Stop: new(false), JobModifyIndex: new(uint64(7))}
	if _, err := d.create(live); !errors.Is(err, ErrExists) {
		t.Errorf("over a running job: %v, want ErrExists", err)
	}
	live.Stop = new(true)
	if next, err := d.create(live); err != nil || next.index != 7 {
		t.Errorf("over a stopped job: index %d, %v; want 7", next.index, err)
	}
}

func TestUpdateCounts(t *testing.T) {
	live := func(web, db int) *api.Job {
		return &api.Job{JobModifyIndex: new(uint64(7)), TaskGroups: []*api.TaskGroup{{Name: new("web"), Count: &web}, {Name: new("db"), Count: &db}}}
	}
	for _, c := range []struct {
		name     string
		document scaler.Document
		counts   map[string]int
		live     *api.Job
		want     map[string]int
		preserve bool
	}{
		{"as they are", scaler.Document{}, nil, live(7, 3), map[string]int{"web": 7, "db": 3}, true},
		{"lowered to the new maximum", scaler.Document{"max_instances": "5"}, nil, live(7, 3), map[string]int{"web": 5, "db": 3}, false},
		{"raised to the new minimum", scaler.Document{"min_instances": "2"}, nil, live(0, 3), map[string]int{"web": 2, "db": 3}, false},
		{"another group set", scaler.Document{}, map[string]int{"db": 2}, live(7, 3), map[string]int{"web": 7, "db": 2}, false},
		{"set to what it is", scaler.Document{}, map[string]int{"db": 3}, live(7, 3), map[string]int{"web": 7, "db": 3}, true},
		{"groups that are new", scaler.Document{"min_instances": "2"}, nil, &api.Job{JobModifyIndex: new(uint64(7))}, map[string]int{"web": 2, "db": 1}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := declaration(t, c.document, nil)
			d.Counts = c.counts
			next, err := d.update(c.live)
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]int{"web": *next.job.TaskGroups[0].Count, "db": *next.job.TaskGroups[1].Count}
			if diff := cmp.Diff(c.want, got); diff != "" || next.preserve != c.preserve || next.index != 7 {
				t.Errorf("preserve %t, want %t; index %d; counts (-want +got):\n%s", next.preserve, c.preserve, next.index, diff)
			}
		})
	}
	if _, err := declaration(t, scaler.Document{}, nil).update(nil); !errors.Is(err, ErrNotFound) {
		t.Errorf("without a job: %v, want ErrNotFound", err)
	}
}

// The bounds that Nomad enforces clamp a count. The autoscaler moves the count into the
// policy's own bounds, because an override may have changed those.
func TestUpdateLeavesThePolicysBoundsToTheAutoscaler(t *testing.T) {
	d := declaration(t, scaler.Document{"max_instances": "5"}, nil)
	d.Block.Max = 20
	next, err := d.update(&api.Job{JobModifyIndex: new(uint64(7)), TaskGroups: []*api.TaskGroup{{Name: new("web"), Count: new(9)}}})
	if err != nil {
		t.Fatal(err)
	}
	if got := *next.job.TaskGroups[0].Count; got != 9 {
		t.Errorf("the count is %d, want 9", got)
	}
}
