package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/load"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// AdminService is the Nomad service by which gateways are found unless another
// is named.
const AdminService = "nomadscale-gateway-admin"

// AskTimeout bounds what a gateway is asked by who looks at it: one that cannot be
// reached from there often does not refuse but say nothing.
const AskTimeout = 3 * time.Second

// Fleet is all gateways together: it asks every one for the load of apps and
// adds it up. A gateway that does not answer makes the load unknown, for a
// missing gateway is not one without load.
type Fleet struct {
	// Client finds the gateways by Service in Namespace, unless Addresses lists
	// them: the URLs of their admin listeners.
	Client             *nomad.Client
	Service, Namespace string
	Addresses          []string
	// Token is the admin listeners' bearer token; "" sends none.
	Token string
	// HTTP is what asks; nil is the default client.
	HTTP *http.Client
}

// ParseAddresses reads the URLs of admin listeners, separated by commas or
// spaces.
func ParseAddresses(list string) ([]string, error) {
	var addresses []string
	for _, address := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' }) {
		u, err := url.Parse(address)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			return nil, fmt.Errorf("%q: must be URLs such as http://10.0.0.1:9090, separated by commas", list)
		}
		addresses = append(addresses, strings.TrimSuffix(address, "/"))
	}
	return addresses, nil
}

// Series is the load of an app over the window that ends now.
func (f *Fleet) Series(ctx context.Context, app string, metric scaler.Metric, window time.Duration) (load.Series, error) {
	query := url.Values{"app": {app}, "metric": {string(metric)}, "window": {window.String()}}
	reports, err := f.ask(ctx, "/v1/load?"+query.Encode())
	if err != nil {
		return nil, err
	}
	all := make([]load.Series, len(reports))
	for i, report := range reports {
		all[i] = report.Series
	}
	return load.Merge(all...), nil
}

// Loads is the load of every app now, in a metric that gateways measure. An app
// that some gateway does not know is left out.
func (f *Fleet) Loads(ctx context.Context) (map[string]FleetLoad, error) {
	reports, err := f.ask(ctx, "/v1/load")
	if err != nil {
		return nil, err
	}
	sums := make(map[string]FleetLoad)
	for app := range reports[0].Apps {
		sum, known := FleetLoad{}, true
		for _, report := range reports {
			snapshot, ok := report.Apps[app]
			known = known && ok
			sum.RequestsPerMinute += snapshot.RequestsPerMinute
			sum.Concurrency += snapshot.Concurrency
		}
		if known {
			sums[app] = sum
		}
	}
	return sums, nil
}

// FleetLoad is the load of an app at a moment, of all gateways together.
type FleetLoad struct{ RequestsPerMinute, Concurrency int }

// In is the load in a metric; false in one that gateways do not measure.
func (l FleetLoad) In(metric scaler.Metric) (float64, bool) {
	switch metric {
	case scaler.RequestsPerMinute:
		return float64(l.RequestsPerMinute), true
	case scaler.Concurrency:
		return float64(l.Concurrency), true
	default:
		return 0, false
	}
}

// maxWhy bounds what is quoted of a gateway's refusal.
const maxWhy = 200

// ask asks all gateways at once. There is at least one report.
func (f *Fleet) ask(ctx context.Context, path string) ([]LoadReport, error) {
	return askAll[LoadReport](ctx, f, path)
}

// find lists the gateways' admin listeners; there is at least one.
func (f *Fleet) find(ctx context.Context) ([]string, error) {
	addresses, err := f.list(ctx)
	if err == nil && len(addresses) == 0 {
		return nil, fmt.Errorf("finding the gateways: there is no service %s in namespace %s", f.Service, f.Namespace)
	}
	return addresses, err
}

// list lists the gateways' admin listeners that there are.
func (f *Fleet) list(ctx context.Context) ([]string, error) {
	if len(f.Addresses) > 0 {
		return f.Addresses, nil
	}
	addresses, err := f.Client.ServiceAddresses(ctx, f.Namespace, f.Service)
	for i, address := range addresses {
		addresses[i] = "http://" + address
	}
	return addresses, err
}

// call asks one gateway, with a body in JSON unless that is nil, and reads its
// answer.
func (f *Fleet) call(ctx context.Context, method, address, path string, body, answer any) error {
	var text bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&text).Encode(body); err != nil {
			return fmt.Errorf("asking the gateway at %s: %w", address, err)
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, address+path, &text)
	if err != nil {
		return fmt.Errorf("asking the gateway at %s: %w", address, err)
	}
	if f.Token != "" {
		request.Header.Set("Authorization", "Bearer "+f.Token)
	}
	client := f.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("asking a gateway: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		why, _ := io.ReadAll(io.LimitReader(response.Body, maxWhy))
		return fmt.Errorf("asking the gateway at %s: %s: %s", address, response.Status, strings.TrimSpace(string(why)))
	}
	if err := json.NewDecoder(response.Body).Decode(answer); err != nil {
		return fmt.Errorf("reading the answer of the gateway at %s: %w", address, err)
	}
	// What is left has to be read for the connection to be kept.
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, maxWhy))
	return nil
}
