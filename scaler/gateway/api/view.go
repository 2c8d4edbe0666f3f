package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// AppView is what all gateways together say of an app.
type AppView struct {
	Gateways []AppStatus
	Load     TotalLoad
}

// View asks every gateway for an app. It fails when one does not answer or does not
// know the app; the error is a single line.
func (c *Client) View(ctx context.Context, app scaler.AppID) (v AppView, err error) {
	v.Gateways, err = c.Statuses(ctx, app)
	var loads map[scaler.AppID]TotalLoad
	if err == nil {
		loads, err = c.Loads(ctx)
	}
	if err != nil {
		return AppView{}, errors.New(strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	var known bool
	if v.Load, known = loads[app]; !known {
		return AppView{}, fmt.Errorf("a gateway does not know the load of %s", app)
	}
	return v, nil
}

// severity orders the states of an instance: of two gateways, the later one counts.
var severity = []State{Ready, Starting, Ejected, Draining}

// Instance is what the gateways say of an instance, together: the most severe state,
// all requests in flight, and an error that one of them has. An instance that a
// gateway does not list yet is starting there.
func (v AppView) Instance(id string) InstanceStatus {
	merged := InstanceStatus{InstanceRef: InstanceRef{ID: id}, State: Ready}
	for _, app := range v.Gateways {
		seen := InstanceStatus{State: Starting}
		if n := slices.IndexFunc(app.Instances, func(s InstanceStatus) bool { return s.ID == id }); n >= 0 {
			seen = app.Instances[n]
		}
		merged.InFlight += seen.InFlight
		if seen.Error != "" {
			merged.Error = seen.Error
		}
		if slices.Index(severity, seen.State) > slices.Index(severity, merged.State) {
			merged.State = seen.State
		}
	}
	return merged
}
