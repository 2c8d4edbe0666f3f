package jobspec_test

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

func TestReadSettings(t *testing.T) {
	job := declaredJob(t)
	s, err := jobspec.ReadSettings(job, "web")
	if err != nil {
		t.Fatal(err)
	}
	if s.Min != 1 || s.Max != 10 || !s.Enabled || s.Source != jobspec.Driver || s.EvaluationInterval != "10s" || s.Document["max_instances"] != "10" || s.Err != nil {
		t.Errorf("read %+v", s)
	}
	for _, group := range []string{"db", "none"} {
		if _, err := jobspec.ReadSettings(job, group); !errors.Is(err, jobspec.ErrNotFound) {
			t.Errorf("group %s: %v, want ErrNotFound", group, err)
		}
	}
}

// A block with errors is read as far as possible. Those who act on it get the same
// errors and no block.
func TestReadNotesWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		key, value string
		want       string // the text of Err
	}{
		"a wrong value":    {"scale_up_step", "many", `check load: scale_up_step = "many"`},
		"an unknown key":   {"colour", "red", "check load: "},
		"beyond the block": {"max_instances", "99", `max_instances = "99": must be at most the max of the scaling block, which is 10`},
	} {
		t.Run(name, func(t *testing.T) {
			block := jobspec.NewBlock(policy(t, nil)).Render()
			whole, err := jobspec.Read(block)
			if err != nil {
				t.Fatal(err)
			}
			document := body(body(block.Policy["check"], "load")["strategy"], jobspec.Driver)
			document[c.key] = c.value
			s, err := jobspec.Read(block)
			if err != nil {
				t.Fatal(err)
			}
			if s.Err == nil || !strings.Contains(s.Err.Error(), c.want) || !errors.As(s.Err, new(*scaler.ValueError)) {
				t.Errorf("the errors are %v, want a ValueError with %q", s.Err, c.want)
			}
			want := maps.Clone(whole.Document)
			want[c.key] = c.value
			if diff := cmp.Diff(want, s.Document); diff != "" || s.Source != whole.Source || s.Max != 10 {
				t.Errorf("read %+v; the document (-want +got):\n%s", s, diff)
			}
			if b, err := jobspec.ParseBlock(block); err == nil || err.Error() != s.Err.Error() || b.Source != "" {
				t.Errorf("the strict form returns %+v and %v, want no block and %v", b, err, s.Err)
			}
		})
	}
}

func TestBlockOf(t *testing.T) {
	job := declaredJob(t)
	app := scaler.AppID{Namespace: "default", Job: "shop", Group: "web"}
	if b, err := jobspec.BlockOf(job, app); err != nil || b.Policy.App != app {
		t.Errorf("the block is %+v, %v", b, err)
	}
	for group, want := range map[string]error{"none": jobspec.ErrNoGroup, "db": jobspec.ErrNotFound} {
		if _, err := jobspec.BlockOf(job, scaler.AppID{Namespace: "default", Job: "shop", Group: group}); !errors.Is(err, want) {
			t.Errorf("group %s: %v, want %v", group, err, want)
		}
	}
	elsewhere := app
	elsewhere.Namespace = "other"
	if _, err := jobspec.BlockOf(job, elsewhere); err == nil || !strings.Contains(err.Error(), "names default/shop/web as its target") {
		t.Errorf("in another namespace: %v, want an error that names the target", err)
	}
}
