package admin

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/backend"
)

// Metrics are what the gateway counts. What can be read off the apps at any time
// is read when it is asked for; see [Metrics.Watch].
type Metrics struct {
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

var _ backend.Metrics = (*Metrics)(nil)

var (
	requestBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300}
	shareBuckets   = []float64{.00001, .000025, .00005, .0001, .00025, .0005, .001, .0025, .005, .01, .1}
	startBuckets   = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300}
)

// NewMetrics returns metrics that have counted nothing.
func NewMetrics() *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
	}
	m := &Metrics{
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
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

func (m *Metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// Describe lists the metrics.
func (m *Metrics) Describe(out chan<- *prometheus.Desc) { m.registry.Describe(out) }

// ScaleCall counts a scale call by its result.
func (m *Metrics) ScaleCall(app scaler.AppID, result string) {
	m.scaleCalls.WithLabelValues(app.String(), result).Inc()
}

// Decision counts a decision on arrival by its rule.
func (m *Metrics) Decision(app scaler.AppID, rule scaler.Rule) {
	m.decisions.WithLabelValues(app.String(), string(rule)).Inc()
}

// Ejection counts an instance that is taken out of rotation.
func (m *Metrics) Ejection(app scaler.AppID) { m.ejections.WithLabelValues(app.String()).Inc() }

// ColdStart records how long a phase of a start from zero took.
func (m *Metrics) ColdStart(app scaler.AppID, phase string, took time.Duration) {
	m.coldStart.WithLabelValues(app.String(), phase).Observe(took.Seconds())
}

// PeerError counts a call to another gateway that it did not answer.
func (m *Metrics) PeerError() { m.peerErrors.Inc() }

// Forget drops the series of an app that is gone.
func (m *Metrics) Forget(app scaler.AppID) {
	labels := prometheus.Labels{"app": app.String()}
	for _, vec := range []interface{ DeletePartialMatch(prometheus.Labels) int }{
		m.requests, m.duration, m.share, m.held, m.rejected, m.coldStart, m.decisions, m.scaleCalls, m.retries, m.ejections,
	} {
		vec.DeletePartialMatch(labels)
	}
}

// AppMetrics are those of an app that requests touch.
type AppMetrics struct {
	all      *Metrics
	app      string
	requests *prometheus.CounterVec

	duration, share, held prometheus.Observer
}

// Of returns the metrics of an app.
func (m *Metrics) Of(app string) *AppMetrics {
	return &AppMetrics{
		all: m, app: app, requests: m.requests.MustCurryWith(prometheus.Labels{"app": app}),
		duration: m.duration.WithLabelValues(app), share: m.share.WithLabelValues(app), held: m.held.WithLabelValues(app),
	}
}

// Request counts a request that has ended. Share is the gateway's own part of
// it, negative when it was not sent on, and held how long it waited.
func (m *AppMetrics) Request(status int, took, share, held time.Duration) {
	m.requests.WithLabelValues(strconv.Itoa(status)).Inc()
	m.duration.Observe(took.Seconds())
	if share >= 0 {
		m.share.Observe(share.Seconds())
	}
	if held > 0 {
		m.held.Observe(held.Seconds())
	}
}

// Rejected counts a request that the gateway answered itself.
func (m *AppMetrics) Rejected(cause api.Cause) {
	m.all.rejected.WithLabelValues(m.app, string(cause)).Inc()
}

// Retried counts a request that is sent to another instance.
func (m *AppMetrics) Retried(reason string) { m.all.retries.WithLabelValues(m.app, reason).Inc() }
