package nomad

import (
	"context"
	"time"
)

// namespacesWait is how long Nomad may wait for a change of the namespaces.
const namespacesWait = 5 * time.Minute

// listNamespaces lists the namespaces that there are and the token may see, once
// that is newer than an index; 0 does not wait.
func (c *Client) listNamespaces(ctx context.Context, after uint64) (names map[string]bool, index uint64, err error) {
	timeout := listTimeout
	if after > 0 {
		timeout += namespacesWait
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	query := reading(ctx, "")
	query.WaitIndex, query.WaitTime = after, namespacesWait
	list, meta, err := c.api.Namespaces().List(query)
	if err != nil {
		return nil, 0, explain(err, "listing namespaces")
	}
	names = make(map[string]bool, len(list))
	for _, namespace := range list {
		names[namespace.Name] = true
	}
	return names, meta.LastIndex, nil
}

// newNamespace returns when there is a namespace beside those that were listed as
// of an index: Nomad's event stream of all namespaces leaves out the ones that
// come after it has been opened.
func (c *Client) newNamespace(ctx context.Context, listed map[string]bool, index uint64) error {
	for {
		names, newest, err := c.listNamespaces(ctx, index)
		if err != nil {
			return err
		}
		for name := range names {
			if !listed[name] {
				return nil
			}
		}
		index = newest
	}
}
