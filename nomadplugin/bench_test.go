package nomadplugin_test

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/nomad-autoscaler/plugins"
	"github.com/hashicorp/nomad-autoscaler/plugins/base"
	threshold "github.com/hashicorp/nomad-autoscaler/plugins/builtin/strategy/threshold/plugin"
	"github.com/hashicorp/nomad-autoscaler/plugins/strategy"
	"github.com/hashicorp/nomad-autoscaler/sdk"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/load"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

// peerVariable names a peer. If it is set, the test binary serves that strategy plugin.
const peerVariable = "NOMADPLUGIN_TEST_PEER"

// peers are strategies to compare with. The no-op shows the cost of go-plugin alone.
var peers = map[string]plugins.PluginFactory{
	"threshold": threshold.PluginConfig.Factory,
	"no-op":     func(hclog.Logger) any { return noop{} },
}

func TestMain(m *testing.M) {
	if peer, ok := peers[os.Getenv(peerVariable)]; ok {
		plugins.Serve(peer)
		return
	}
	os.Exit(m.Run())
}

type noop struct{}

func (noop) SetConfig(map[string]string) error { return nil }

func (noop) PluginInfo() (*base.PluginInfo, error) {
	return &base.PluginInfo{Name: "no-op", PluginType: sdk.PluginTypeStrategy}, nil
}

func (noop) Run(eval *sdk.ScalingCheckEvaluation, _ int64) (*sdk.ScalingCheckEvaluation, error) {
	eval.Action = &sdk.ScalingAction{Direction: sdk.ScaleDirectionNone}
	return eval, nil
}

// The decision alone, compared with the agent's own strategy on the same numbers: one
// instance of the default policy, which scales up above 90 requests a minute.
func BenchmarkDecide(b *testing.B) {
	for _, c := range []struct {
		name      string
		load      float64
		direction scaler.Direction
	}{
		{"hold", 60, scaler.None},
		{"up", 120, scaler.Up},
	} {
		b.Run(c.name, func(b *testing.B) {
			var peer float64
			samples := constant(c.load)
			b.Run("threshold", func(b *testing.B) {
				builtin := threshold.NewThresholdPlugin(hclog.NewNullLogger())
				check, metrics := thresholdCheck(), timestamped(samples)
				b.ReportAllocs()
				for b.Loop() {
					eval := &sdk.ScalingCheckEvaluation{Check: check, Metrics: metrics, Action: &sdk.ScalingAction{}}
					if _, err := builtin.Run(eval, 1); err != nil || eval.Action.Direction != directions[c.direction] {
						b.Fatal(eval.Action, err)
					}
				}
				peer = perOp(b)
			})
			b.Run("nomadscale", func(b *testing.B) {
				p := nomadtest.Policy(b, "app", nil)
				o := scaler.Observation{Now: samples[len(samples)-1].Time, Desired: 1, Series: samples}
				b.ReportAllocs()
				for b.Loop() {
					if d := scaler.Decide(p, o); d.Direction != c.direction {
						b.Fatal(d.Reason())
					}
				}
				reportRatio(b, "x_of_threshold", perOp(b), peer)
			})
		})
	}
}

// A run in a plugin process, as the agent calls it, for an app that does not change.
func BenchmarkRun(b *testing.B) {
	cluster := nomadtest.Start(b)
	p := nomadtest.Policy(b, "app", nil)
	cluster.Register(b, nomadtest.Job(p))
	metrics := constant(60)

	run := func(b *testing.B, cmd *exec.Cmd, check *sdk.ScalingPolicyCheck) float64 {
		proxy := startCountingProxy(b, cluster.Address)
		s := dispense(b, cmd, map[string]string{"nomad_address": proxy.URL})
		once := func() {
			eval := &sdk.ScalingCheckEvaluation{Check: check, Metrics: timestamped(endingAt(metrics, time.Now()))}
			if eval, err := s.Run(eval, 1); err != nil || eval.Action.Direction != sdk.ScaleDirectionNone {
				b.Fatal(eval, err)
			}
		}
		nomadtest.Eventually(b, time.Minute, "a run without a request to Nomad", func() bool {
			before := proxy.requests.Load()
			once()
			return proxy.requests.Load() == before
		})
		for b.Loop() {
			once()
		}
		return perOp(b)
	}
	took := make(map[string]float64)
	for _, peer := range []string{"no-op", "threshold"} {
		b.Run(peer, func(b *testing.B) {
			cmd := exec.Command(nomadtest.Self(b))
			cmd.Env = append(os.Environ(), peerVariable+"="+peer)
			took[peer] = run(b, cmd, thresholdCheck())
			reportRatio(b, "x_of_no-op", took[peer], took["no-op"])
		})
	}
	b.Run("nomadscale", func(b *testing.B) {
		check := &sdk.ScalingPolicyCheck{Name: "load", Strategy: &sdk.ScalingPolicyStrategy{Name: jobspec.Driver, Config: p.Document()}}
		ours := run(b, exec.Command(nomadtest.Binary(b, b.TempDir()), sdk.PluginTypeStrategy), check)
		reportRatio(b, "x_of_no-op", ours, took["no-op"])
		reportRatio(b, "x_of_threshold", ours, took["threshold"])
	})
}

// One decision for every app of a large cluster, each with its own policy and series.
func BenchmarkTenThousandApps(b *testing.B) {
	const apps = 10_000
	policies, observations := make([]scaler.Policy, apps), make([]scaler.Observation, apps)
	for i := range apps {
		policies[i] = nomadtest.Policy(b, fmt.Sprintf("app-%d", i), nil)
		samples := constant(float64(i % 4 * 60))
		observations[i] = scaler.Observation{Now: samples[len(samples)-1].Time, Desired: 1 + i%3, Series: samples}
	}
	b.ReportAllocs()
	for b.Loop() {
		for i := range policies {
			if d := scaler.Decide(policies[i], observations[i]); !d.Known {
				b.Fatal(d.Reason())
			}
		}
	}
	b.ReportMetric(perOp(b)/apps, "ns/app")
}

// dispense starts a plugin as the agent does, until the benchmark ends.
func dispense(b *testing.B, cmd *exec.Cmd, config map[string]string) strategy.Strategy {
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  plugins.Handshake,
		Plugins:          plugin.PluginSet{sdk.PluginTypeStrategy: &strategy.PluginStrategy{}},
		Cmd:              cmd,
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		Logger:           hclog.NewNullLogger(),
	})
	b.Cleanup(client.Kill)
	connection, err := client.Client()
	if err != nil {
		b.Fatal(err)
	}
	dispensed, err := connection.Dispense(sdk.PluginTypeStrategy)
	if err != nil {
		b.Fatal(err)
	}
	s := dispensed.(strategy.Strategy)
	if err := s.SetConfig(config); err != nil {
		b.Fatal(err)
	}
	return s
}

var directions = map[scaler.Direction]sdk.ScaleDirection{
	scaler.Up:   sdk.ScaleDirectionUp,
	scaler.None: sdk.ScaleDirectionNone,
}

// thresholdCheck returns a check for the agent's own strategy that scales up one
// instance like the default policy.
func thresholdCheck() *sdk.ScalingPolicyCheck {
	return &sdk.ScalingPolicyCheck{Name: "load", Strategy: &sdk.ScalingPolicyStrategy{
		Name:   "threshold",
		Config: map[string]string{"lower_bound": "90", "delta": "1"},
	}}
}

// constant returns a constant load over the eleven minutes that the default policy reads.
func constant(value float64) []scaler.Sample {
	samples := make([]scaler.Sample, 11*time.Minute/load.GridStep+1)
	for i := range samples {
		samples[i].Value = value
	}
	return endingAt(samples, time.Now())
}

func endingAt(samples []scaler.Sample, now time.Time) []scaler.Sample {
	for i := range samples {
		samples[i].Time = now.Add(-load.GridStep * time.Duration(len(samples)-1-i))
	}
	return samples
}

func timestamped(samples []scaler.Sample) sdk.TimestampedMetrics {
	metrics := make(sdk.TimestampedMetrics, len(samples))
	for i, s := range samples {
		metrics[i] = sdk.TimestampedMetric{Timestamp: s.Time, Value: s.Value}
	}
	return metrics
}

// perOp returns the time of an operation in nanoseconds.
func perOp(b *testing.B) float64 { return float64(b.Elapsed().Nanoseconds()) / float64(b.N) }

// reportRatio compares with a benchmark of the same run, if it ran.
func reportRatio(b *testing.B, unit string, ours, peer float64) {
	if peer > 0 {
		b.ReportMetric(ours/peer, unit)
	}
}
