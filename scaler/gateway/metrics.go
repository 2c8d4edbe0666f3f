package gateway

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
)

// metrics are what the gateway counts. What can be read off the apps at any
// time is read when it is asked for.
type metrics struct {
	registry *prometheus.Registry

	requests   *prometheus.CounterVec
	duration   *prometheus.HistogramVec
	share      *prometheus.HistogramVec
	held       *prometheus.HistogramVec
	rejected   *prometheus.CounterVec
	coldStart  *prometheus.HistogramVec
	decisions  *prometheus.CounterVec
	scaleCalls *prometheus.CounterVec
	retries    *prometheus.CounterVec
	ejections  *prometheus.CounterVec
	peerErrors prometheus.Counter
}

var (
	requestBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300}
	shareBuckets   = []float64{.00001, .000025, .00005, .0001, .00025, .0005, .001, .0025, .005, .01, .1}
	startBuckets   = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300}
)

func newMetrics(g *Gateway) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
	}
	m := &metrics{
		registry:   prometheus.NewRegistry(),
		requests:   counter("nomadscale_requests_total", "Requests by app and status code.", "app", "code"),
		duration:   histogram("nomadscale_request_duration_seconds", "Time from a request's arrival to the end of its answer.", requestBuckets, "app"),
		share:      histogram("nomadscale_gateway_duration_seconds", "The gateway's own share of a request: the time until it is sent on, without the time it was held.", shareBuckets, "app"),
		held:       histogram("nomadscale_held_duration_seconds", "Time that held requests waited for an instance.", startBuckets, "app"),
		rejected:   counter("nomadscale_rejected_total", "Requests that the gateway answered itself, by cause.", "app", "cause"),
		coldStart:  histogram("nomadscale_cold_start_seconds", "Starts from zero by phase: decide (until Nomad has the count), place (until there is an allocation), ready (until it takes requests), first_byte (until it answers) and total.", startBuckets, "app", "phase"),
		decisions:  counter("nomadscale_decisions_total", "Decisions on arrival by the rule that fired.", "app", "rule"),
		scaleCalls: counter("nomadscale_scale_calls_total", "Calls to scale by result: ok, locked, conflict or error.", "app", "result"),
		retries:    counter("nomadscale_retries_total", "Requests sent to another instance, by reason: not_sent (the first did not accept it) or idempotent (it broke off before it answered).", "app", "reason"),
		ejections:  counter("nomadscale_ejections_total", "Instances taken out because they did not accept or answer requests.", "app"),
		peerErrors: prometheus.NewCounter(prometheus.CounterOpts{Name: "nomadscale_gateway_peer_errors_total", Help: "Other gateways that did not answer when they were asked for their load."}),
	}
	m.registry.MustRegister(
		m.requests, m.duration, m.share, m.held, m.rejected, m.coldStart, m.decisions, m.scaleCalls, m.retries, m.ejections, m.peerErrors,
		gauges{g},
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// forget drops the series of an app that is gone.
func (m *metrics) forget(app string) {
	labels := prometheus.Labels{"app": app}
	for _, vec := range []interface{ DeletePartialMatch(prometheus.Labels) int }{
		m.requests, m.duration, m.share, m.held, m.rejected, m.coldStart, m.decisions, m.scaleCalls, m.retries, m.ejections,
	} {
		vec.DeletePartialMatch(labels)
	}
}

// appMetrics are those of the metrics that each request touches.
type appMetrics struct {
	requests        *prometheus.CounterVec
	duration, share prometheus.Observer
	held            prometheus.Observer
}

func (m *metrics) of(app string) appMetrics {
	return appMetrics{
		requests: m.requests.MustCurryWith(prometheus.Labels{"app": app}),
		duration: m.duration.WithLabelValues(app),
		share:    m.share.WithLabelValues(app),
		held:     m.held.WithLabelValues(app),
	}
}

// observe counts a request that has ended.
func (m *appMetrics) observe(c *call, took time.Duration) {
	m.requests.WithLabelValues(strconv.Itoa(c.status)).Inc()
	m.duration.Observe(took.Seconds())
	if !c.sent.IsZero() {
		m.share.Observe((c.sent.Sub(c.arrived) - c.waited).Seconds())
	}
	if c.waited > 0 {
		m.held.Observe(c.waited.Seconds())
	}
}

// gauges reads the state of the apps and of the other gateways.
type gauges struct{ *Gateway }

var (
	inFlightDesc  = prometheus.NewDesc("nomadscale_requests_in_flight", "Requests at instances.", []string{"app"}, nil)
	queuedDesc    = prometheus.NewDesc("nomadscale_requests_queued", "Requests that wait for an instance.", []string{"app"}, nil)
	loadDesc      = prometheus.NewDesc("nomadscale_load", "Load in the metric of the app's policy, as this gateway sees it.", []string{"app", "metric"}, nil)
	instancesDesc = prometheus.NewDesc("nomadscale_instances", "Instances by state: starting, ready, ejected or draining.", []string{"app", "state"}, nil)
	desiredDesc   = prometheus.NewDesc("nomadscale_instances_desired", "Instances that Nomad is asked to run, as far as the gateway knows.", []string{"app"}, nil)
	peersDesc     = prometheus.NewDesc("nomadscale_gateway_peers", "Other gateways by state: answers, silent or gone.", []string{"state"}, nil)
	reachableDesc = prometheus.NewDesc("nomadscale_nomad_reachable", "1 while Nomad answers.", nil, nil)
)

func (g gauges) Describe(out chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{inFlightDesc, queuedDesc, loadDesc, instancesDesc, desiredDesc, peersDesc, reachableDesc} {
		out <- desc
	}
}

func (g gauges) Collect(out chan<- prometheus.Metric) {
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	for _, s := range g.apps.statuses() {
		gauge(inFlightDesc, float64(s.InFlight), s.App.String())
		gauge(queuedDesc, float64(s.Queued), s.App.String())
		gauge(desiredDesc, float64(s.Desired), s.App.String())
		if s.Load != nil {
			gauge(loadDesc, *s.Load, s.App.String(), string(s.Metric))
		}
		count := map[api.State]int{api.Starting: 0, api.Ready: 0, api.Ejected: 0, api.Draining: 0}
		for _, i := range s.Instances {
			count[i.State]++
		}
		for state, n := range count {
			gauge(instancesDesc, float64(n), s.App.String(), string(state))
		}
	}
	peers := make(map[api.PeerState]int)
	for _, p := range g.peers.statuses() {
		peers[p.State]++
	}
	for _, state := range api.PeerStates {
		gauge(peersDesc, float64(peers[state]), string(state))
	}
	reachable := 1.0
	if g.apps.unreachable() != nil {
		reachable = 0
	}
	gauge(reachableDesc, reachable)
}
