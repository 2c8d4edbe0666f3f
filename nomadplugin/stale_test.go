package nomadplugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/nomad-autoscaler/sdk"
	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

// deafNomad has the job web at a count, and an event stream that never tells of
// a change: the worst that can befall what is kept of a status.
type deafNomad struct{ count, asked, written atomic.Int64 }

func (n *deafNomad) RoundTrip(r *http.Request) (*http.Response, error) {
	answer := &http.Response{StatusCode: http.StatusOK, Header: make(http.Header), ContentLength: -1, Request: r}
	for _, header := range []string{"X-Nomad-Index", "X-Nomad-LastContact"} {
		answer.Header.Set(header, "1")
	}
	text := ""
	switch {
	case r.Method != http.MethodGet:
		n.written.Add(1)
	case r.URL.Path == "/v1/event/stream":
		read, write := io.Pipe()
		context.AfterFunc(r.Context(), func() { write.CloseWithError(r.Context().Err()) })
		answer.Body = read
		go fmt.Fprintln(write, "{}")
		return answer, nil
	case r.URL.Path == "/v1/namespaces":
		text = `[{"Name": "default"}]`
	case r.URL.Path == "/v1/job/web/scale":
		n.asked.Add(1)
		text = fmt.Sprintf(`{"TaskGroups": {"app": {"Desired": %d}}}`, n.count.Load())
	case r.URL.Path == "/v1/job/web":
		text = fmt.Sprintf(`{"ID": "web", "JobModifyIndex": 7, "TaskGroups": [{"Name": "app", "Count": %d}]}`, n.count.Load())
	}
	answer.Body = io.NopCloser(strings.NewReader(text))
	return answer, nil
}

// deaf runs a test with such a Nomad at one instance.
func deaf(t *testing.T, test func(t *testing.T, n *deafNomad, c *nomad.Client, statuses *nomad.StatusCache)) {
	synctest.Test(t, func(t *testing.T) {
		n := new(deafNomad)
		n.count.Store(1)
		client, err := nomad.New(&api.Config{Address: "http://nomad", HttpClient: &http.Client{Transport: n}})
		if err != nil {
			t.Fatal(err)
		}
		statuses := nomad.NewStatusCache(client)
		var watch follower
		watch.follow(func(ctx context.Context) { statuses.Watch(ctx, func(err error) { t.Error(err) }) })
		defer watch.end()
		time.Sleep(10 * time.Second)
		test(t, n, client, statuses)
	})
}

// A kept status is good for holding; a change is decided on what Nomad has.
func TestRunChangesNothingOnAKeptStatus(t *testing.T) {
	deaf(t, func(t *testing.T, n *deafNomad, client *nomad.Client, statuses *nomad.StatusCache) {
		s := NewStrategy(hclog.NewNullLogger())
		s.nomad.Store(client)
		s.statuses.Store(statuses)
		s.overrides.Report(nil)
		p := nomadtest.Policy(t, "web", nil)
		run := func(load float64) *sdk.ScalingAction {
			t.Helper()
			eval := &sdk.ScalingCheckEvaluation{
				Check:   &sdk.ScalingPolicyCheck{Name: "load", Strategy: &sdk.ScalingPolicyStrategy{Name: "nomadscale", Config: p.Document()}},
				Metrics: sdk.TimestampedMetrics{{Timestamp: time.Now(), Value: load}},
			}
			eval, err := s.Run(eval, 1)
			if err != nil {
				t.Fatal(err)
			}
			return eval.Action
		}
		for range 100 {
			if action := run(50); action.Direction != sdk.ScaleDirectionNone {
				t.Fatalf("the action is %+v, want none", action)
			}
		}
		if asked := n.asked.Load(); asked != 1 {
			t.Errorf("a hundred evaluations asked for the count %d times, want once", asked)
		}
		// Someone has started two more, of which no event told.
		n.count.Store(3)
		if action := run(170); action.Direction != sdk.ScaleDirectionNone || action.Count != 3 {
			t.Errorf("the action is %+v, want none at 3", action)
		}
		if action := run(50); action.Count != 3 {
			t.Errorf("the action is %+v, want what was read to be known", action)
		}
	})
}

// A strategy that goes by the count of the target's status changes no other one.
func TestScaleGoesByTheStatusThatWasAnswered(t *testing.T) {
	deaf(t, func(t *testing.T, n *deafNomad, client *nomad.Client, statuses *nomad.StatusCache) {
		target := NewTarget(hclog.NewNullLogger())
		target.nomad.Store(client)
		target.statuses.Store(statuses)
		config := map[string]string{sdk.TargetConfigKeyJob: "web", sdk.TargetConfigKeyTaskGroup: "app"}
		count := func() int64 {
			t.Helper()
			status, err := target.Status(config)
			if err != nil {
				t.Fatal(err)
			}
			return status.Count
		}
		count()
		n.count.Store(3)
		if count() != 1 {
			t.Fatal("nothing is kept")
		}
		var noOp *sdk.TargetScalingNoOpError
		if err := target.Scale(sdk.ScalingAction{Count: 2, Direction: sdk.ScaleDirectionUp}, config); !errors.As(err, &noOp) {
			t.Errorf("error %v, want that nothing was changed", err)
		}
		if written := n.written.Load(); written != 0 {
			t.Errorf("%d requests wrote something", written)
		}
		if got := count(); got != 3 {
			t.Errorf("the count is %d after the conflict, want 3", got)
		}
	})
}
