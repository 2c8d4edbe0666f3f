package nomadplugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/nomad-autoscaler/plugins/base"
	"github.com/hashicorp/nomad-autoscaler/sdk"
	agent "github.com/hashicorp/nomad-autoscaler/sdk/helper/nomad"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/load"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// The keys of an apm block's config.
const (
	keyGateways         = "gateways"
	keyGatewayService   = "gateway_service"
	keyGatewayNamespace = "gateway_namespace"
	keyGatewayToken     = "gateway_token"

	defaultService   = "nomadscale-gateway-admin"
	defaultNamespace = "default"
)

// queryTimeout bounds one query.
const queryTimeout = 2 * time.Second

// APM asks every gateway for the load of an app and adds it up.
type APM struct {
	log    hclog.Logger
	now    func() time.Time
	http   *http.Client
	config atomic.Pointer[apmConfig]
}

type apmConfig struct {
	nomad *nomad.Client
	// gateways are the admin listeners' URLs, when they are listed by hand.
	gateways []string
	// service and namespace name the Nomad service to find them by.
	service, namespace string
	token              string
}

// NewAPM returns an APM that has no configuration yet.
func NewAPM(log hclog.Logger) *APM {
	return &APM{log: log, now: time.Now, http: &http.Client{Timeout: queryTimeout}}
}

// PluginInfo tells the agent what this is.
func (a *APM) PluginInfo() (*base.PluginInfo, error) { return info(sdk.PluginTypeAPM) }

// SetConfig reads the block's config. The agent calls it again when it reloads.
func (a *APM) SetConfig(config map[string]string) error {
	client, err := nomad.New(agent.ConfigFromNamespacedMap(config))
	if err != nil {
		return clean(err)
	}
	c := apmConfig{
		nomad:     client,
		service:   orDefault(config[keyGatewayService], defaultService),
		namespace: orDefault(config[keyGatewayNamespace], defaultNamespace),
		token:     config[keyGatewayToken],
	}
	for _, address := range strings.FieldsFunc(config[keyGateways], func(r rune) bool { return r == ',' || r == ' ' }) {
		u, err := url.Parse(address)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			return clean(fmt.Errorf("%s = %q: must be URLs such as http://10.0.0.1:9090, separated by commas", keyGateways, config[keyGateways]))
		}
		c.gateways = append(c.gateways, strings.TrimSuffix(address, "/"))
	}
	a.config.Store(&c)
	return nil
}

// Query returns the load of an app over a time, from "<metric> <namespace>/<job>/<group>".
// It always returns a point: its value is NaN when the load is not known, as
// when a gateway does not answer, for a missing gateway is not one without load.
func (a *APM) Query(query string, over sdk.TimeRange) (sdk.TimestampedMetrics, error) {
	metric, app, err := parseQuery(query)
	if err != nil {
		return nil, clean(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), queryTimeout)
	defer cancel()
	series, err := a.load(ctx, metric, app, over)
	if err != nil {
		a.log.Warn("the load is not known", "app", app, "metric", metric, "error", clean(err))
	}
	if err != nil || len(series) == 0 {
		return sdk.TimestampedMetrics{{Timestamp: a.now(), Value: math.NaN()}}, nil
	}
	metrics := make(sdk.TimestampedMetrics, len(series))
	for i, s := range series {
		metrics[i] = sdk.TimestampedMetric{Timestamp: s.Time, Value: s.Value}
	}
	return metrics, nil
}

// QueryMultiple is for the autoscaler's vertical scaling, which is not ours.
func (a *APM) QueryMultiple(string, sdk.TimeRange) ([]sdk.TimestampedMetrics, error) {
	return nil, errors.New("nomadscale measures one app a query")
}

// parseQuery reads a query. The job's ID may have slashes.
func parseQuery(query string) (scaler.Metric, string, error) {
	metric, app, _ := strings.Cut(query, " ")
	if m := scaler.Metric(metric); m != scaler.RequestsPerMinute && m != scaler.Concurrency || strings.Count(app, "/") < 2 {
		return "", "", fmt.Errorf("query %q: must be %s or %s, a space and <namespace>/<job>/<group>", query, scaler.RequestsPerMinute, scaler.Concurrency)
	}
	return scaler.Metric(metric), app, nil
}

// load asks all gateways at once.
func (a *APM) load(ctx context.Context, metric scaler.Metric, app string, over sdk.TimeRange) ([]scaler.Sample, error) {
	config := a.config.Load()
	gateways, err := config.find(ctx)
	if err != nil {
		return nil, err
	}
	path := "/v1/load?" + url.Values{
		"app":    {app},
		"metric": {string(metric)},
		"window": {over.To.Sub(over.From).String()},
	}.Encode()
	all := make([]load.Series, len(gateways))
	errs := make([]error, len(gateways))
	var group sync.WaitGroup
	for i, address := range gateways {
		group.Go(func() { all[i], errs[i] = a.ask(ctx, address+path, config.token) })
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return load.Merge(all...), nil
}

// find lists the gateways' admin listeners.
func (c *apmConfig) find(ctx context.Context) ([]string, error) {
	if len(c.gateways) > 0 {
		return c.gateways, nil
	}
	addresses, err := c.nomad.ServiceAddresses(ctx, c.namespace, c.service)
	if err != nil {
		return nil, err
	}
	if len(addresses) == 0 {
		return nil, fmt.Errorf("finding the gateways: there is no service %s in namespace %s", c.service, c.namespace)
	}
	for i, address := range addresses {
		addresses[i] = "http://" + address
	}
	return addresses, nil
}

// ask asks one gateway.
func (a *APM) ask(ctx context.Context, url, token string) (load.Series, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := a.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking a gateway: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("asking the gateway at %s: %s", url, response.Status)
	}
	var report struct {
		Series load.Series `json:"series"`
	}
	if err := json.NewDecoder(response.Body).Decode(&report); err != nil {
		return nil, fmt.Errorf("reading the answer of the gateway at %s: %w", url, err)
	}
	return report.Series, nil
}

func orDefault(value, byDefault string) string {
	if value == "" {
		return byDefault
	}
	return value
}
