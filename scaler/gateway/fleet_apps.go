package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
)

// AdminTokenVariable is the environment variable that holds the admin listeners'
// token. It is no flag, because others can read a process's arguments.
const AdminTokenVariable = "NOMADSCALE_ADMIN_TOKEN"

// Statuses is what each gateway says of an app. It fails when one does not answer
// or does not know the app.
func (f *Fleet) Statuses(ctx context.Context, app string) ([]AppStatus, error) {
	all, err := askAll[[]AppStatus](ctx, f, "/v1/apps")
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

// askAll asks all gateways at once for an answer in JSON. There is at least one.
func askAll[T any](ctx context.Context, f *Fleet, path string) ([]T, error) {
	addresses, err := f.find(ctx)
	if err != nil {
		return nil, err
	}
	answers, errs := make([]T, len(addresses)), make([]error, len(addresses))
	var asked sync.WaitGroup
	for i, address := range addresses {
		asked.Go(func() { errs[i] = f.call(ctx, http.MethodGet, address, path, nil, &answers[i]) })
	}
	asked.Wait()
	return answers, errors.Join(errs...)
}
