package gateway

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/admin"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/backend"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/cluster"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// closedPorts finds no instance ready.
type closedPorts struct{}

func (closedPorts) Probe(context.Context, string, string) error {
	return errors.New("connection refused")
}

// registry is the apps of a gateway that knows one app, on the clock of a bubble.
func registry(t *testing.T) (*apps, *backend.App) {
	t.Helper()
	id := scaler.AppID{Namespace: "default", Job: "shop", Group: "web"}
	p, err := scaler.Parse(scaler.Document{"namespace": id.Namespace, "job": id.Job, "group": id.Group, "min_instances": "0"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	t.Cleanup(func() { cancel(); work.Wait() })
	s := newApps(backend.Config{
		Overrides: nomad.NewOverrides(func(scaler.AppID, error) {}), Cluster: cluster.New(cluster.Config{}),
		Clock: new(cluster.LamportClock), Budget: backend.NewBudget(backend.Usage{Requests: 1, Bytes: 1}),
		Prober: closedPorts{}, Metrics: admin.NewMetrics(), Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Context: ctx, Go: work.Go,
	}, func([]*backend.App) {})
	s.report([]nomad.App{{ID: id, Policy: p, Created: 1}})
	s.Replace(nil)
	return s, s.Find(id)
}

// pending is an evaluation of the app's job that waits, for room if there is a reason.
func pending(id, reason string, until time.Time) nomad.Evaluation {
	e := nomad.Evaluation{ID: id, Namespace: "default", Job: "shop", Until: until}
	if reason != "" {
		e.Unplaced = map[string]string{"web": reason}
	}
	return e
}

func wantStartError(t *testing.T, a *backend.App, when, want string) {
	t.Helper()
	time.Sleep(2 * time.Second) // more than the grace for room
	synctest.Wait()
	if got := a.Status().StartError; got != want && (want == "" || !strings.Contains(got, want)) {
		t.Errorf("%s: the app shows %q, want %q", when, got, want)
	}
}

// What keeps Nomad from placing instances is known while its evaluation waits. The
// end of an earlier evaluation does not end a later one's wait, and one that is not
// listed any more is over.
func TestEvaluationsSayWhatLacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := registry(t)
		s.UpdateEvaluation(pending("e", "memory exhausted on 3 nodes", time.Time{}))
		wantStartError(t, a, "without room", "memory exhausted")
		s.UpdateEvaluation(pending("e", "", time.Time{}))
		wantStartError(t, a, "with room again", "")

		s.UpdateEvaluation(pending("e", "memory exhausted on 3 nodes", time.Time{}))
		s.UpdateEvaluation(pending("f", "memory exhausted on 2 nodes", time.Time{}))
		s.UpdateEvaluation(pending("e", "", time.Time{}))
		wantStartError(t, a, "after the end of an earlier evaluation", "2 nodes")
		s.ReplaceEvaluations(nil)
		wantStartError(t, a, "when no evaluation is listed", "")
	})
}

// An instance that failed is replaced when the evaluation that follows it says so.
func TestEvaluationsSayWhenAnInstanceIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := registry(t)
		s.UpdateEvaluation(pending("next", "", time.Now().Add(40*time.Second)))
		s.Update(nomad.Instance{
			ID: "a", App: a.ID, ModifyIndex: 2, Gone: true, Failed: true, Failure: "no such image", Next: "next",
			Ports: []nomad.Port{{Label: "http", Address: "instance-a"}},
		})
		wantStartError(t, a, "after an instance failed", "no such image")
		_, _, err := a.Acquire(t.Context(), &backend.Request{Policy: a.Policy(), Arrived: time.Now(), Client: impatient{}})
		if got := asRefusal(err); got.RetryAfter != 38 || !strings.Contains(got.Message, "no such image") {
			t.Errorf("got %+v, want to retry when Nomad does, in 38 s", got)
		}
	})
}

// impatient is a client that takes no memory.
type impatient struct{}

func (impatient) Memory() int64     { return 1 }
func (impatient) Left() func() bool { return nil }
