package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/load"
)

// AdminService is the Nomad service by which gateways are found unless another
// is named.
const AdminService = "nomadscale-gateway-admin"

// AdminTokenVariable is the environment variable that holds the admin listeners'
// token. It is no flag, because others can read a process's arguments.
const AdminTokenVariable = "NOMADSCALE_ADMIN_TOKEN"

// LookTimeout bounds a call to a gateway by commands and by the provider. A
// gateway that cannot be reached often does not refuse but stays silent.
const LookTimeout = 3 * time.Second

// Services finds the addresses of a Nomad service, as host:port.
type Services interface {
	ServiceAddresses(ctx context.Context, namespace, service string) ([]string, error)
}

// Client asks all gateways of a cluster and adds up what they answer. A gateway
// that does not answer makes the load unknown, because a missing gateway is not
// one without load.
type Client struct {
	// Services finds the gateways by Service in Namespace, unless Addresses lists
	// the URLs of their admin listeners.
	Services           Services
	Service, Namespace string
	Addresses          []string
	// Token is the admin listeners' bearer token; "" sends none.
	Token string
	// HTTP sends the requests; nil is the default client.
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

// Discover lists the admin listeners of the gateways that there are now.
func (c *Client) Discover(ctx context.Context) ([]string, error) {
	if len(c.Addresses) > 0 {
		return c.Addresses, nil
	}
	addresses, err := c.Services.ServiceAddresses(ctx, c.Namespace, c.Service)
	for i, address := range addresses {
		addresses[i] = "http://" + address
	}
	return addresses, err
}

// Series is the load of an app over the window that ends now.
func (c *Client) Series(ctx context.Context, app scaler.AppID, metric scaler.Metric, window time.Duration) (load.Series, error) {
	query := url.Values{"app": {app.String()}, "metric": {string(metric)}, "window": {window.String()}}
	reports, err := askAll[LoadReport](ctx, c, "/v1/load?"+query.Encode())
	if err != nil {
		return nil, err
	}
	all := make([]load.Series, len(reports))
	for i, report := range reports {
		all[i] = report.Series
	}
	return load.Merge(all...), nil
}

// Loads is the load of every app now, in each metric that gateways measure. An
// app that some gateway does not know is left out.
func (c *Client) Loads(ctx context.Context) (map[scaler.AppID]TotalLoad, error) {
	reports, err := askAll[LoadReport](ctx, c, "/v1/load")
	if err != nil {
		return nil, err
	}
	sums := make(map[scaler.AppID]TotalLoad)
	for app := range reports[0].Apps {
		sum, known := TotalLoad{}, true
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

// Statuses is what each gateway says of an app. It fails when one does not answer
// or does not know the app.
func (c *Client) Statuses(ctx context.Context, app scaler.AppID) ([]AppStatus, error) {
	all, err := askAll[[]AppStatus](ctx, c, "/v1/apps")
	if err != nil {
		return nil, err
	}
	statuses := make([]AppStatus, len(all))
	for i, apps := range all {
		n := slices.IndexFunc(apps, func(a AppStatus) bool { return a.App == app })
		if n < 0 {
			return nil, fmt.Errorf("a gateway does not know the app %s", app)
		}
		statuses[i] = apps[n]
	}
	return statuses, nil
}

// Peer asks the gateway at an address for its load.
func (c *Client) Peer(ctx context.Context, address string) (report PeerReport, err error) {
	return report, c.call(ctx, http.MethodGet, address, "/v1/peer", nil, &report)
}

// ExchangePermits tells the gateway at an address which permits this one holds
// and requests, and returns the same of that gateway.
func (c *Client) ExchangePermits(ctx context.Context, address string, own PermitReport) (answer PermitReport, err error) {
	return answer, c.call(ctx, http.MethodPost, address, "/v1/peer/permits", own, &answer)
}

// askAll asks all gateways at once for an answer in JSON. There is at least one.
func askAll[T any](ctx context.Context, c *Client, path string) ([]T, error) {
	addresses, err := c.Discover(ctx)
	if err != nil {
		return nil, err
	}
	if len(addresses) == 0 {
		return nil, fmt.Errorf("finding the gateways: there is no service %s in namespace %s", c.Service, c.Namespace)
	}
	answers, errs := make([]T, len(addresses)), make([]error, len(addresses))
	var asked sync.WaitGroup
	for i, address := range addresses {
		asked.Go(func() { errs[i] = c.call(ctx, http.MethodGet, address, path, nil, &answers[i]) })
	}
	asked.Wait()
	return answers, errors.Join(errs...)
}

// maxReason bounds what is quoted of a gateway's refusal, in bytes.
const maxReason = 200

// call asks one gateway, with a body in JSON unless that is nil, and reads its
// answer.
func (c *Client) call(ctx context.Context, method, address, path string, body, answer any) error {
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
	if c.Token != "" {
		request.Header.Set("Authorization", "Bearer "+c.Token)
	}
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("asking a gateway: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		reason, _ := io.ReadAll(io.LimitReader(response.Body, maxReason))
		return fmt.Errorf("asking the gateway at %s: %s: %s", address, response.Status, strings.TrimSpace(string(reason)))
	}
	if err := json.NewDecoder(response.Body).Decode(answer); err != nil {
		return fmt.Errorf("reading the answer of the gateway at %s: %w", address, err)
	}
	// The connection is kept only after the rest has been read.
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, maxReason))
	return nil
}
