package nomad

import (
	"context"
	"time"

	"github.com/hashicorp/nomad/api"
)

// Watches lists and watches apps, instances and namespaces.
type Watches struct {
	api *api.Client
}

// namespacesWait is how long Nomad may wait for a change of the namespaces.
const namespacesWait = 5 * time.Minute

// listNamespaces lists the namespaces that the token may see, once the list is newer
// than an index; 0 does not wait.
func (w *Watches) listNamespaces(ctx context.Context, after uint64) (names map[string]bool, index uint64, err error) {
	timeout := listTimeout
	if after > 0 {
		timeout += namespacesWait
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	query := blockingOptions(ctx, "", after)
	query.WaitTime = namespacesWait
	list, meta, err := w.api.Namespaces().List(query)
	if err != nil {
		return nil, 0, wrap(err, "listing namespaces")
	}
	names = make(map[string]bool, len(list))
	for _, namespace := range list {
		names[namespace.Name] = true
	}
	return names, meta.LastIndex, nil
}

// awaitNewNamespace returns when there is a namespace that was not listed at an index.
// Nomad's event stream of all namespaces leaves out those that were created after it
// was opened.
func (w *Watches) awaitNewNamespace(ctx context.Context, listed map[string]bool, index uint64) error {
	for {
		names, newest, err := w.listNamespaces(ctx, index)
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
