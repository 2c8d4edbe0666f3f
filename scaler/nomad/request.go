package nomad

import (
	"context"
	"time"

	"github.com/hashicorp/nomad/api"
)

const (
	// maxBlockingTime limits a blocking query that waits for several things, so that
	// changes of what it does not watch are noticed too.
	maxBlockingTime = 5 * time.Second
	// listTimeout limits a list, so that the next list notices a dead connection.
	listTimeout = 15 * time.Second
)

func queryOptions(ctx context.Context, namespace string) *api.QueryOptions {
	return (&api.QueryOptions{Namespace: namespace}).WithContext(ctx)
}

// blockingOptions returns the options of a query that waits until the result is
// newer than an index; 0 does not wait.
func blockingOptions(ctx context.Context, namespace string, index uint64) *api.QueryOptions {
	query := queryOptions(ctx, namespace)
	query.WaitIndex = index
	return query
}

func writeOptions(ctx context.Context, namespace string) *api.WriteOptions {
	return (&api.WriteOptions{Namespace: namespace}).WithContext(ctx)
}
