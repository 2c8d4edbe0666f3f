package provider

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

// BenchmarkApps measures what 500 apps take from the first plan to the last
// destroy, with the command line and the provider as processes: seconds, requests
// to Nomad for each app and the provider's memory. Every tenth app runs an
// instance and the others begin at zero, because 500 processes and those that
// watch them would be what is measured. The apply is set against registering the
// same jobs and waiting for them with nothing but Nomad's client, as many at a
// time.
func BenchmarkApps(b *testing.B) {
	const apps = 500
	binary, err := nomadtest.Build(b.TempDir(), "nomadscale", ".")
	if err != nil {
		b.Fatal(err)
	}
	for _, parallelism := range []int{10, 50} {
		b.Run(fmt.Sprintf("parallelism=%d", parallelism), func(b *testing.B) {
			for b.Loop() {
				bare := placeBare(b, apps, parallelism)
				b.ReportMetric(bare.Seconds(), "bare-s")
				m := measured{B: b, workspace: newWorkspace(b, binary), census: &census{seen: make(map[string]int)}, apps: apps}
				address := m.census.start(b)
				m.configure(b, address, mixedFleet(apps, "5"))
				m.phase("plan-new", "plan", "-out=plan")
				took := m.phase("apply-new", "apply", "-parallelism="+strconv.Itoa(parallelism), "plan")
				b.ReportMetric(took.Seconds()/bare.Seconds(), "apply-new/bare")
				m.phase("plan", "plan", "-parallelism="+strconv.Itoa(parallelism))
				m.configure(b, address, mixedFleet(apps, "6"))
				m.phase("plan-change", "plan", "-out=plan", "-parallelism="+strconv.Itoa(parallelism))
				m.phase("apply-change", "apply", "-parallelism="+strconv.Itoa(parallelism), "plan")
				m.phase("destroy", "apply", "-destroy", "-auto-approve", "-parallelism="+strconv.Itoa(parallelism))
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

// startsAt is the count at which the nth app of a mixed fleet starts.
func startsAt(n int) int {
	if n%10 == 0 {
		return 1
	}
	return 0
}

func mixedFleet(n int, most string) string {
	var config strings.Builder
	for i := range n {
		id := fmt.Sprintf("app-%d", i)
		config.WriteString(app(id, spec(id, fmt.Sprintf("count = %d", startsAt(i))), `autoscaling = { min_instances = 0, max_instances = `+most+` }`))
	}
	return config.String()
}

// placeBare registers jobs with Nomad's own client and waits until what they count
// runs, some at a time, and returns what that takes. Nothing is left.
func placeBare(b *testing.B, apps, parallelism int) time.Duration {
	b.Helper()
	jobs := make([]*api.Job, apps)
	for i := range jobs {
		id := fmt.Sprintf("bare-%d", i)
		var err error
		if jobs[i], err = agent.API.Jobs().ParseHCL(spec(id, fmt.Sprintf("count = %d", startsAt(i))), false); err != nil {
			b.Fatal(err)
		}
	}
	each := func(do func(*api.Job) error) time.Duration {
		turns := make(chan struct{}, parallelism)
		var workers sync.WaitGroup
		start := time.Now()
		for _, job := range jobs {
			turns <- struct{}{}
			workers.Go(func() {
				defer func() { <-turns }()
				if err := do(job); err != nil {
					b.Error(err)
				}
			})
		}
		workers.Wait()
		return time.Since(start)
	}
	took := each(func(job *api.Job) error {
		registered, _, err := agent.API.Jobs().Register(job, nil)
		if err != nil {
			return err
		}
		return awaitBare(b.Context(), job, registered)
	})
	each(func(job *api.Job) error {
		_, _, err := agent.API.Jobs().Deregister(*job.ID, true, nil)
		return err
	})
	return took
}

// awaitBare waits until a job is evaluated and what it counts runs.
func awaitBare(ctx context.Context, job *api.Job, registered *api.JobRegisterResponse) error {
	query := (&api.QueryOptions{WaitIndex: registered.EvalCreateIndex}).WithContext(ctx)
	for {
		evaluation, meta, err := agent.API.Evaluations().Info(registered.EvalID, query)
		if err != nil {
			return err
		}
		if evaluation.Status != api.EvalStatusPending {
			break
		}
		query.WaitIndex = meta.LastIndex
	}
	query.WaitIndex = 0
	for {
		allocations, meta, err := agent.API.Jobs().Allocations(*job.ID, false, query)
		if err != nil {
			return err
		}
		running := 0
		for _, a := range allocations {
			switch a.ClientStatus {
			case api.AllocClientStatusRunning:
				running++
			case api.AllocClientStatusFailed:
				return errors.New("an allocation of job " + *job.ID + " has failed")
			}
		}
		if running >= *job.TaskGroups[0].Count {
			return nil
		}
		query.WaitIndex = meta.LastIndex
	}
}

// measured is a workspace whose commands are measured.
type measured struct {
	*testing.B
	*workspace
	census *census
	apps   int
}

// phase runs a command, which must succeed, and reports what it took.
func (m measured) phase(name string, args ...string) time.Duration {
	m.Helper()
	m.census.take()
	mark := "BENCHMARK_PHASE=" + name + m.dir
	m.env = append(m.env, mark)
	start := time.Now()
	c := m.start(m.B, args...)
	peak := watchMemory(m.Context(), mark)
	code, out := c.end()
	took := time.Since(start)
	if code != 0 {
		m.Fatalf("%s exits with %d: %s", name, code, out[max(0, len(out)-2000):])
	}
	seen, total := m.census.take(), 0
	for _, n := range seen {
		total += n
	}
	m.ReportMetric(took.Seconds(), name+"-s")
	m.ReportMetric(float64(total)/float64(m.apps), name+"-requests/app")
	m.ReportMetric(float64(peak())/(1<<20), name+"-MB")
	m.Logf("%s: %s, %d MB, requests for each app:%s", name, took.Round(time.Millisecond), peak()>>20, table(seen, m.apps))
	return took
}

// watchMemory follows the provider's processes that have a variable in their
// environment, name=value. What it returns ends that and is the most memory that
// one of them had, in bytes.
func watchMemory(ctx context.Context, mark string) (peak func() int64) {
	ctx, cancel := context.WithCancel(ctx)
	var most atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				for _, pid := range nomadtest.Processes(mark) {
					most.Store(max(most.Load(), peakOf(pid)))
				}
			}
		}
	}()
	return func() int64 {
		cancel()
		<-done
		return most.Load()
	}
}

// peakOf is the most memory that a process of the provider has had, in bytes, and
// 0 for another process or one that is gone.
func peakOf(pid int) int64 {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	command, err := os.ReadFile(filepath.Join(dir, "cmdline"))
	if err != nil || !strings.Contains(string(command), "terraform-provider-nomadscale") {
		return 0
	}
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kilobytes, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return kilobytes << 10
		}
	}
	return 0
}
