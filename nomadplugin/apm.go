package nomadplugin

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/nomad-autoscaler/plugins/base"
	"github.com/hashicorp/nomad-autoscaler/sdk"
	agent "github.com/hashicorp/nomad-autoscaler/sdk/helper/nomad"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/load"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// The keys of an apm block's config.
const (
	keyGateways         = "gateways"
	keyGatewayService   = "gateway_service"
	keyGatewayNamespace = "gateway_namespace"
	keyGatewayToken     = "gateway_token"

	defaultNamespace = "default"
)

// queryTimeout bounds one query.
const queryTimeout = 2 * time.Second

// APM asks every gateway for the load of the apps and adds it up.
type APM struct {
	log      hclog.Logger
	now      func() time.Time
	http     *http.Client
	gateways atomic.Pointer[api.SeriesCache]
}

// NewAPM returns an APM that has no configuration yet.
func NewAPM(log hclog.Logger) *APM {
	return &APM{log: log, now: time.Now, http: &http.Client{Timeout: queryTimeout, Transport: nomad.Transport()}}
}

// PluginInfo tells the agent what this is.
func (a *APM) PluginInfo() (*base.PluginInfo, error) { return info(sdk.PluginTypeAPM) }

// SetConfig reads the block's config. The agent calls it again when it reloads.
func (a *APM) SetConfig(config map[string]string) error {
	client, err := nomad.New(agent.ConfigFromNamespacedMap(config))
	if err != nil {
		return clean(err)
	}
	addresses, err := api.ParseAddresses(config[keyGateways])
	if err != nil {
		return clean(fmt.Errorf("%s = %w", keyGateways, err))
	}
	a.gateways.Store(api.NewSeriesCache(&api.Client{
		Services:  client,
		Addresses: addresses,
		Service:   orDefault(config[keyGatewayService], api.AdminService),
		Namespace: orDefault(config[keyGatewayNamespace], defaultNamespace),
		Token:     config[keyGatewayToken],
		HTTP:      a.http,
	}))
	return nil
}

// Query returns the load of an app over a time, from "<metric> <namespace>/<job>/<group>".
// It always returns a point: its value is NaN when the load is not known, as
// when a gateway does not answer, for a missing gateway is not one without load.
// The points are 5 seconds from each other, and 30 in the part of an idle time
// that is more than a minute ago.
func (a *APM) Query(query string, over sdk.TimeRange) (sdk.TimestampedMetrics, error) {
	metric, app, err := parseQuery(query)
	if err != nil {
		return nil, clean(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), queryTimeout)
	defer cancel()
	series, err := a.gateways.Load().Series(ctx, app, metric, over.To.Sub(over.From))
	if err != nil {
		a.log.Warn("the load is not known", "app", app, "metric", metric, "error", clean(err))
	}
	if err != nil || len(series) == 0 {
		return sdk.TimestampedMetrics{{Timestamp: a.now(), Value: math.NaN()}}, nil
	}
	return timestamped(series), nil
}

const (
	// newest is the part of a series of which every sample is told.
	newest = time.Minute
	// sparse is how far from each other the older ones of an idle time are: near
	// enough to show that the app was watched.
	sparse = scaler.MaxGap / 2
)

// timestamped is a series for the agent, which carries every sample through three
// processes: of an idle time it leaves out what tells nothing new.
func timestamped(series load.Series) sdk.TimestampedMetrics {
	var metrics sdk.TimestampedMetrics
	end := len(series) - 1
	for i, s := range series {
		idle := 0 < i && i < end && series[i-1].Value == 0 && s.Value == 0 && series[i+1].Value == 0
		if idle && series[end].Time.Sub(s.Time) > newest && series[i+1].Time.Sub(metrics[len(metrics)-1].Timestamp) <= sparse {
			continue
		}
		metrics = append(metrics, sdk.TimestampedMetric{Timestamp: s.Time, Value: s.Value})
	}
	return metrics
}

// QueryMultiple is for the autoscaler's vertical scaling, which is not ours.
func (a *APM) QueryMultiple(string, sdk.TimeRange) ([]sdk.TimestampedMetrics, error) {
	return nil, errors.New("nomadscale measures one app a query")
}

// parseQuery reads a query. The job's ID may have slashes.
func parseQuery(query string) (scaler.Metric, scaler.AppID, error) {
	metric, name, _ := strings.Cut(query, " ")
	app, err := scaler.ParseAppID(name)
	if m := scaler.Metric(metric); m != scaler.RequestsPerMinute && m != scaler.Concurrency || err != nil {
		return "", scaler.AppID{}, fmt.Errorf("query %q: must be %s or %s, a space and <namespace>/<job>/<group>", query, scaler.RequestsPerMinute, scaler.Concurrency)
	}
	return scaler.Metric(metric), app, nil
}

func orDefault(value, byDefault string) string {
	if value == "" {
		return byDefault
	}
	return value
}
