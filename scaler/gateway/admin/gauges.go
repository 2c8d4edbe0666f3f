package admin

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/cluster"
)

// Watch adds what is read off the apps and the other gateways.
func (m *Metrics) Watch(apps Apps, c *cluster.Cluster) {
	m.registry.MustRegister(gauges{apps, c})
}

// gauges reads the state of the apps and of the other gateways.
type gauges struct {
	apps    Apps
	cluster *cluster.Cluster
}

var (
	inFlightDesc  = prometheus.NewDesc("nomadscale_requests_in_flight", "Requests at instances.", []string{"app"}, nil)
	queuedDesc    = prometheus.NewDesc("nomadscale_requests_queued", "Requests that wait for an instance.", []string{"app"}, nil)
	loadDesc      = prometheus.NewDesc("nomadscale_load", "Load in the metric of the app's policy, as this gateway sees it.", []string{"app", "metric"}, nil)
	instancesDesc = prometheus.NewDesc("nomadscale_instances", "Instances by state: starting, ready, ejected or draining.", []string{"app", "state"}, nil)
	desiredDesc   = prometheus.NewDesc("nomadscale_instances_desired", "Instances that Nomad is asked to run, as far as the gateway knows.", []string{"app"}, nil)
	peersDesc     = prometheus.NewDesc("nomadscale_gateway_peers", "Other gateways by state: answers, silent or gone.", []string{"state"}, nil)
	reachableDesc = prometheus.NewDesc("nomadscale_nomad_reachable", "1 while Nomad answers.", nil, nil)
)

// Describe lists the metrics.
func (g gauges) Describe(out chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{inFlightDesc, queuedDesc, loadDesc, instancesDesc, desiredDesc, peersDesc, reachableDesc} {
		out <- desc
	}
}

// Collect reads the metrics.
func (g gauges) Collect(out chan<- prometheus.Metric) {
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	for _, a := range g.apps.All() {
		s, app := a.Status(), a.ID.String()
		gauge(inFlightDesc, float64(s.InFlight), app)
		gauge(queuedDesc, float64(s.Queued), app)
		gauge(desiredDesc, float64(s.Desired), app)
		if s.Load != nil {
			gauge(loadDesc, *s.Load, app, string(s.Metric))
		}
		count := map[api.State]int{api.Starting: 0, api.Ready: 0, api.Ejected: 0, api.Draining: 0}
		for _, i := range s.Instances {
			count[i.State]++
		}
		for state, n := range count {
			gauge(instancesDesc, float64(n), app, string(state))
		}
	}
	peers := make(map[api.PeerState]int)
	for _, p := range g.cluster.Statuses() {
		peers[p.State]++
	}
	for _, state := range api.PeerStates {
		gauge(peersDesc, float64(peers[state]), string(state))
	}
	reachable := 1.0
	if g.apps.Unreachable() != nil {
		reachable = 0
	}
	gauge(reachableDesc, reachable)
}
