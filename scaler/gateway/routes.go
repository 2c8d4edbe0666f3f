package gateway

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/admin"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/backend"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/route"
)

// site is an app that requests are routed to, with the metrics that each of them
// touches.
type site struct {
	app     *backend.App
	metrics *admin.AppMetrics
}

// mount builds the table of routes. Every app is mounted at its home. What two apps
// ask for, the older one gets.
func (g *Gateway) mount(apps []*backend.App) {
	slices.SortFunc(apps, func(a, b *backend.App) int {
		return cmp.Or(cmp.Compare(a.Created, b.Created), cmp.Compare(a.Name, b.Name))
	})
	table := route.NewTable[*site]()
	sites := make([]*site, len(apps))
	for i, a := range apps {
		home := homeRoute(a)
		sites[i] = g.siteOf(a, home)
		table.Add(home, sites[i])
	}
	for i, a := range apps {
		mounts, refused := []string{homeRoute(a).String()}, []string(nil)
		for _, asked := range requestedRoutes(a.Policy()) {
			if owner := table.Add(asked, sites[i]); owner == sites[i] {
				mounts = append(mounts, asked.String())
			} else {
				refused = append(refused, fmt.Sprintf("%s belongs to %s", asked, owner.app.ID))
			}
		}
		a.SetMounts(mounts, refused)
	}
	g.routes.Store(table)
}

// siteOf is the site that the app has had before, or a new one.
func (g *Gateway) siteOf(a *backend.App, home route.Route) *site {
	if before := g.routes.Load(); before != nil {
		if s, found := before.Owner(home); found && s.app == a {
			return s
		}
	}
	return &site{app: a, metrics: g.metrics.Of(a.Name)}
}

// homeRoute is where every app is mounted.
func homeRoute(a *backend.App) route.Route { return route.Route{Prefix: "/apps/" + a.Name} }

// requestedRoutes lists where a policy asks to be mounted besides its app's home.
func requestedRoutes(p *scaler.Policy) []route.Route {
	if p == nil {
		return nil
	}
	prefix := strings.TrimSuffix(p.PathPrefix, "/")
	if len(p.Hosts) == 0 && prefix != "" {
		return []route.Route{{Prefix: prefix}}
	}
	all := make([]route.Route, len(p.Hosts))
	for i, host := range p.Hosts {
		all[i] = route.Route{Host: host, Prefix: prefix}
	}
	return all
}
