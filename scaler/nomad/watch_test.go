package nomad_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

const soon = 15 * time.Second

func TestWatchApps(t *testing.T) {
	agent := nomadtest.Start(t)
	good := nomadtest.Policy(t, "good", nil)
	agent.Register(t, nomadtest.Job(good))
	wrong := nomadtest.Job(nomadtest.Policy(t, "wrong", nil))
	block := jobspec.NewBlock(nomadtest.Policy(t, "elsewhere", nil))
	wrong.TaskGroups[0].Scaling = block.Render()
	agent.Register(t, wrong)
	foreign := nomadtest.Job(nomadtest.Policy(t, "foreign", nil))
	foreign.TaskGroups[0].Scaling.Policy = map[string]any{}
	agent.Register(t, foreign)

	var mutex sync.Mutex
	apps := make(map[string]nomad.App)
	app := func(name string) (nomad.App, bool) {
		mutex.Lock()
		defer mutex.Unlock()
		app, ok := apps["default/"+name+"/app"]
		return app, ok
	}
	watch(t, func(ctx context.Context) {
		agent.Client.WatchApps(ctx, func(all []nomad.App) {
			mutex.Lock()
			defer mutex.Unlock()
			clear(apps)
			for _, app := range all {
				apps[app.ID.String()] = app
			}
		}, func(err error) { t.Error(err) })
	})

	nomadtest.Eventually(t, soon, "both apps", func() bool {
		_, a := app("good")
		_, b := app("wrong")
		return a && b
	})
	if app, _ := app("good"); app.Err != nil || app.Policy.MaxInstances != good.MaxInstances {
		t.Errorf("the app is %+v, want its policy", app)
	}
	if app, _ := app("wrong"); app.Err == nil {
		t.Error("a policy with another target is no error")
	}
	if _, ok := app("foreign"); ok {
		t.Error("a job without a nomadscale policy is an app")
	}

	good.MaxInstances = 20
	agent.Register(t, nomadtest.Job(good))
	nomadtest.Eventually(t, soon, "the changed policy", func() bool {
		app, _ := app("good")
		return app.Policy.MaxInstances == 20
	})
	if _, _, err := agent.API.Jobs().Deregister("good", true, nil); err != nil {
		t.Fatal(err)
	}
	nomadtest.Eventually(t, soon, "the app gone", func() bool {
		_, ok := app("good")
		return !ok
	})
}

func TestWatchInstances(t *testing.T) {
	agent := nomadtest.Start(t)
	p := nomadtest.Policy(t, "web", scaler.Document{"max_instances": "5"})
	job := nomadtest.Job(p)
	job.TaskGroups[0].ShutdownDelay = new(time.Hour)
	agent.Register(t, job)

	w := &recorder{instances: make(map[string]nomad.Instance), t: t}
	watch(t, func(ctx context.Context) { agent.Client.WatchInstances(ctx, w) })

	nomadtest.Eventually(t, soon, "the first instance with an address", func() bool {
		all := w.of(p.App.String())
		return len(all) == 1 && all[0].Address("http") != "" && all[0].Address("") == all[0].Address("http") && all[0].Address("other") == ""
	})
	status := agent.Status(t, p)
	if err := agent.Client.Scale(t.Context(), p.App, status, scaler.Decision{Desired: 1, Count: 3}); err != nil {
		t.Fatal(err)
	}
	nomadtest.Eventually(t, soon, "three instances, by index", func() bool {
		return slices.Equal(w.indexes(p.App.String(), false), []int{0, 1, 2})
	})
	status = agent.Status(t, p)
	if err := agent.Client.Scale(t.Context(), p.App, status, scaler.Decision{Desired: 3, Count: 2}); err != nil {
		t.Fatal(err)
	}
	nomadtest.Eventually(t, soon, "the highest index stopping", func() bool {
		return slices.Equal(w.indexes(p.App.String(), true), []int{2})
	})
}

// Nomad's event stream leaves out namespaces that are created after it was opened.
func TestWatchInstancesOfANewNamespace(t *testing.T) {
	agent := nomadtest.Start(t)
	w := &recorder{instances: make(map[string]nomad.Instance), t: t}
	watch(t, func(ctx context.Context) { agent.Client.WatchInstances(ctx, w) })
	p := nomadtest.Policy(t, "early", nil)
	agent.Register(t, nomadtest.Job(p))
	nomadtest.Eventually(t, soon, "the instance of a namespace that was there", func() bool { return len(w.of(p.App.String())) == 1 })

	if _, err := agent.API.Namespaces().Register(&api.Namespace{Name: "team"}, nil); err != nil {
		t.Fatal(err)
	}
	p = nomadtest.Policy(t, "late", scaler.Document{"namespace": "team"})
	agent.Register(t, nomadtest.Job(p))
	registered := time.Now()
	nomadtest.Eventually(t, soon, "the instance of a new namespace", func() bool { return len(w.of(p.App.String())) == 1 })
	t.Logf("the instance was seen after %s", time.Since(registered))
}

// watch runs f until the test ends.
func watch(t *testing.T, f func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
}

type recorder struct {
	mutex     sync.Mutex
	instances map[string]nomad.Instance
	t         *testing.T
}

func (r *recorder) Replace(all []nomad.Instance) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	clear(r.instances)
	for _, i := range all {
		r.instances[i.ID] = i
	}
}

func (r *recorder) Update(i nomad.Instance) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.instances[i.ID] = i
}

func (r *recorder) ReplaceEvaluations([]nomad.Evaluation) {}
func (r *recorder) UpdateEvaluation(nomad.Evaluation)     {}
func (r *recorder) Lost(err error)                        { r.t.Error(err) }

func (r *recorder) of(app string) []nomad.Instance {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	var all []nomad.Instance
	for _, i := range r.instances {
		if i.App.String() == app && !i.Gone {
			all = append(all, i)
		}
	}
	return all
}

// indexes returns the indexes of the instances that are stopping, or of those that are not.
func (r *recorder) indexes(app string, stopping bool) []int {
	var indexes []int
	for _, i := range r.of(app) {
		if i.Stopping == stopping {
			indexes = append(indexes, i.Index)
		}
	}
	slices.Sort(indexes)
	return indexes
}
