package nomadplugin

import (
	"cmp"
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
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// The keys of an apm block's config.
const (
	keyGateways         = "gateways"
	keyGatewayService   = "gateway_service"
	keyGatewayNamespace = "gateway_namespace"
	keyGatewayToken     = "gateway_token"
)

// queryTimeout limits the time of one query.
const queryTimeout = 2 * time.Second

// APM reads the load of apps from every gateway and adds it up.
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

// PluginInfo describes the plugin to the agent.
func (a *APM) PluginInfo() (*base.PluginInfo, error) { return pluginInfo(sdk.PluginTypeAPM) }

// SetConfig reads the block's config. The agent calls it again at each reload.
func (a *APM) SetConfig(config map[string]string) error {
	client, err := nomad.New(agent.ConfigFromNamespacedMap(config))
	if err != nil {
		return cleanError(err)
	}
	addresses, err := api.ParseAddresses(config[keyGateways])
	if err != nil {
		return cleanError(fmt.Errorf("%s = %w", keyGateways, err))
	}
	a.gateways.Store(api.NewSeriesCache(&api.Client{
		Services:  client,
		Addresses: addresses,
		Service:   cmp.Or(config[keyGatewayService], api.AdminService),
		Namespace: cmp.Or(config[keyGatewayNamespace], defaultNamespace),
		Token:     config[keyGatewayToken],
		HTTP:      a.http,
	}))
	return nil
}

// Query returns the load of an app over a time range. The query is
// "<metric> <namespace>/<job>/<group>".
//
// Query always returns at least one point. Its value is NaN when the load is not
// known, for example when a gateway does not answer: no answer is not zero load.
// Points are 5 seconds apart, and 30 seconds apart in an idle time that is more than
// a minute ago.
func (a *APM) Query(query string, over sdk.TimeRange) (sdk.TimestampedMetrics, error) {
	metric, app, err := parseQuery(query)
	if err != nil {
		return nil, cleanError(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), queryTimeout)
	defer cancel()
	series, err := a.gateways.Load().Series(ctx, app, metric, over.To.Sub(over.From))
	if err != nil {
		a.log.Warn("the load is not known", "app", app, "metric", metric, "error", cleanError(err))
	}
	if err != nil || len(series) == 0 {
		return sdk.TimestampedMetrics{{Timestamp: a.now(), Value: math.NaN()}}, nil
	}
	return thinnedMetrics(series), nil
}

// QueryMultiple returns an error. The agent uses it for vertical scaling only.
func (a *APM) QueryMultiple(string, sdk.TimeRange) ([]sdk.TimestampedMetrics, error) {
	return nil, errors.New("nomadscale measures one app in each query")
}

// parseQuery reads a query. The ID of the job may contain slashes.
func parseQuery(query string) (scaler.Metric, scaler.AppID, error) {
	metric, name, _ := strings.Cut(query, " ")
	app, err := scaler.ParseAppID(name)
	if m := scaler.Metric(metric); m != scaler.RequestsPerMinute && m != scaler.Concurrency || err != nil {
		return "", scaler.AppID{}, fmt.Errorf("query %q: must be %s or %s, a space and <namespace>/<job>/<group>",
			query, scaler.RequestsPerMinute, scaler.Concurrency)
	}
	return scaler.Metric(metric), app, nil
}
