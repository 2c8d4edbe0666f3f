package nomad

import (
	"context"
	"net"
	"strconv"
)

// ServiceAddresses lists where the instances of a Nomad service listen, as
// host:port.
func (c *Client) ServiceAddresses(ctx context.Context, namespace, service string) ([]string, error) {
	registrations, _, err := c.api.Services().Get(service, reading(ctx, namespace))
	if err != nil {
		return nil, explain(needs("read-job", namespace, err), "finding service %s", service)
	}
	addresses := make([]string, 0, len(registrations))
	for _, r := range registrations {
		addresses = append(addresses, net.JoinHostPort(r.Address, strconv.Itoa(r.Port)))
	}
	return addresses, nil
}
