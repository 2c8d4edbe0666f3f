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

// silentNomad has the job web and an event stream that never reports a change. It is the
// worst case for a cached status.
type silentNomad struct{ count, reads, writes atomic.Int64 }

func (n *silentNomad) RoundTrip(r *http.Request) (*http.Response, error) {
	answer := &http.Response{StatusCode: http.StatusOK, Header: make(http.Header), ContentLength: -1, Request: r}
	for _, header := range []string{"X-Nomad-Index", "X-Nomad-LastContact"} {
		answer.Header.Set(header, "1")
	}
	text := ""
	switch {
	case r.Method != http.MethodGet:
		n.writes.Add(1)
	case r.URL.Path == "/v1/event/stream":
		read, write := io.Pipe()
		context.AfterFunc(r.Context(), func() { write.CloseWithError(r.Context().Err()) })
		answer.Body = read
		go fmt.Fprintln(write, "{}")
		return answer, nil
	case r.URL.Path == "/v1/namespaces":
		text = `[{"Name": "default"}]`
	case r.URL.Path == "/v1/job/web/scale":
		n.reads.Add(1)
		text = fmt.Sprintf(`{"TaskGroups": {"app": {"Desired": %d}}}`, n.count.Load())
	case r.URL.Path == "/v1/job/web":
		text = fmt.Sprintf(`{"ID": "web", "JobModifyIndex": 7, "TaskGroups": [{"Name": "app", "Count": %d}]}`, n.count.Load())
	}
	answer.Body = io.NopCloser(strings.NewReader(text))
	return answer, nil
}

// withSilentNomad runs a test with such a Nomad and one instance.
func withSilentNomad(t *testing.T, test func(t *testing.T, n *silentNomad, c *nomad.Client, statuses *nomad.StatusCache)) {
	synctest.Test(t, func(t *testing.T) {
		n := new(silentNomad)
		n.count.Store(1)
		client, err := nomad.New(&api.Config{Address: "http://nomad", HttpClient: &http.Client{Transport: n}})
		if err != nil {
			t.Fatal(err)
		}
		statuses := nomad.NewStatusCache(client)
		var watch background
		watch.replace(func(ctx context.Context) { statuses.Watch(ctx, func(err error) { t.Error(err) }) })
		defer watch.stop()
		time.Sleep(10 * time.Second)
		test(t, n, client, statuses)
	})
}

// A cached status is enough to hold the count. A change is decided on what Nomad returns.
func TestRunChangesNothingOnACachedStatus(t *testing.T) {
	withSilentNomad(t, func(t *testing.T, n *silentNomad, client *nomad.Client, statuses *nomad.StatusCache) {
		s := NewStrategy(hclog.NewNullLogger())
		s.nomad.Store(client)
		s.statuses.Store(statuses)
		s.overrides.Report(nil)
		p := nomadtest.Policy(t, "web", nil)
		for range 100 {
			if action := evaluate(t, s, p, 50); action.Direction != sdk.ScaleDirectionNone {
				t.Fatalf("the action is %+v, want none", action)
			}
		}
		if reads := n.reads.Load(); reads != 1 {
			t.Errorf("a hundred evaluations read the count %d times, want once", reads)
		}
		// Two more instances are started without an event.
		n.count.Store(3)
		if action := evaluate(t, s, p, 170); action.Direction != sdk.ScaleDirectionNone || action.Count != 3 {
			t.Errorf("the action is %+v, want none at 3", action)
		}
		if action := evaluate(t, s, p, 50); action.Count != 3 {
			t.Errorf("the action is %+v, want the count that was read to be cached", action)
		}
	})
}

// A strategy that decides on the target's status changes no other count than that one.
func TestScaleChangesOnlyTheCountOfTheStatus(t *testing.T) {
	withSilentNomad(t, func(t *testing.T, n *silentNomad, client *nomad.Client, statuses *nomad.StatusCache) {
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
			t.Fatal("the status is not cached")
		}
		var noOp *sdk.TargetScalingNoOpError
		if err := target.Scale(sdk.ScalingAction{Count: 2, Direction: sdk.ScaleDirectionUp}, config); !errors.As(err, &noOp) {
			t.Errorf("error %v, want one that reports no change", err)
		}
		if writes := n.writes.Load(); writes != 0 {
			t.Errorf("%d requests wrote to Nomad, want none", writes)
		}
		if got := count(); got != 3 {
			t.Errorf("the count is %d after the conflict, want 3", got)
		}
	})
}
