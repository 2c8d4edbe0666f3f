package gateway

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
)

// route finds the app of a request. Its host is looked up first: an exact name
// before one with a wildcard, and either before apps that are mounted on every
// host. Within a host the longest path prefix wins.
func (g *Gateway) route(next handler) handler {
	return func(w http.ResponseWriter, r *http.Request, c *call) error {
		table := g.apps.table.Load()
		if table == nil {
			return &api.Refusal{Cause: api.CauseStarting, Message: "the gateway does not know the apps yet", RetryAfter: 1}
		}
		a, prefix := table.find(r.Host, r.URL.Path)
		if a == nil {
			return &api.Refusal{Cause: api.CauseNoApp, Message: "no app is mounted here"}
		}
		c.app, c.prefix = a, prefix
		if c.policy = a.policy.Load(); c.policy == nil {
			return &api.Refusal{Cause: api.CausePolicyInvalid, Message: "the app's policy is not valid: " + a.invalid()}
		}
		return next(w, r, c)
	}
}

// table says where requests go. It is never changed, only replaced.
type table struct {
	// hosts are by name; "*.<rest>" stands for any one label before the rest,
	// and "" for every host.
	hosts map[string]*mounts
}

// mounts are the apps of a host by path prefix, without the slash at its end.
type mounts struct {
	apps    map[string]*app
	longest int
}

// find returns the app that a request is for and the prefix that it is mounted
// at, without a slash at its end; nil when there is none.
func (t *table) find(host, path string) (a *app, prefix string) {
	if !strings.HasPrefix(path, "/") {
		return nil, ""
	}
	if len(t.hosts) > 1 {
		host = hostname(host)
		if a, prefix = t.hosts[host].find(path); a != nil {
			return a, prefix
		}
		if _, rest, found := strings.Cut(host, "."); found {
			if a, prefix = t.hosts["*."+rest].find(path); a != nil {
				return a, prefix
			}
		}
	}
	return t.hosts[""].find(path)
}

func (m *mounts) find(path string) (a *app, prefix string) {
	if m == nil {
		return nil, ""
	}
	prefix = path
	// A long path costs no more than the longest prefix.
	if len(prefix) > m.longest && prefix[m.longest] == '/' {
		prefix = prefix[:m.longest]
	} else if len(prefix) > m.longest {
		prefix = prefix[:strings.LastIndexByte(prefix[:m.longest+1], '/')]
	}
	for {
		if a := m.apps[prefix]; a != nil {
			return a, prefix
		}
		cut := strings.LastIndexByte(prefix, '/')
		if cut < 0 {
			return nil, ""
		}
		prefix = prefix[:cut]
	}
}

// hostname is the host of a request in lower case, without port and root dot.
func hostname(host string) string {
	if colon := strings.LastIndexByte(host, ':'); colon >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:colon]
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// mounting is what an app asks for: a prefix on a host, "" for every host.
type mounting struct{ host, prefix string }

func (m mounting) String() string { return m.host + m.prefix + "/" }

// home is where every app is mounted.
func home(app string) mounting { return mounting{prefix: "/apps/" + app} }

// asks lists where an app wants to be mounted besides its home.
func (a *app) asks() []mounting {
	p := a.policy.Load()
	if p == nil {
		return nil
	}
	prefix := strings.TrimSuffix(p.PathPrefix, "/")
	if len(p.Hosts) == 0 && prefix != "" {
		return []mounting{{prefix: prefix}}
	}
	all := make([]mounting, len(p.Hosts))
	for i, host := range p.Hosts {
		all[i] = mounting{host: host, prefix: prefix}
	}
	return all
}

// buildTable mounts the apps. What two apps ask for, the older one gets; refused
// says by app what it did not get.
func buildTable(apps []*app) (t *table, refused map[*app][]string) {
	t = &table{hosts: make(map[string]*mounts)}
	refused = make(map[*app][]string)
	apps = slices.SortedFunc(slices.Values(apps), func(a, b *app) int {
		return cmp.Or(cmp.Compare(a.created, b.created), cmp.Compare(a.name, b.name))
	})
	for _, a := range apps {
		t.mount(home(a.name), a)
	}
	for _, a := range apps {
		for _, m := range a.asks() {
			if owner := t.mount(m, a); owner != a {
				refused[a] = append(refused[a], fmt.Sprintf("%s belongs to %s", m, owner.name))
			}
		}
	}
	return t, refused
}

// mount gives a place to an app unless it is taken, and returns its owner.
func (t *table) mount(m mounting, a *app) (owner *app) {
	on := t.hosts[m.host]
	if on == nil {
		on = &mounts{apps: make(map[string]*app)}
		t.hosts[m.host] = on
	}
	if owner := on.apps[m.prefix]; owner != nil {
		return owner
	}
	on.apps[m.prefix] = a
	on.longest = max(on.longest, len(m.prefix))
	return a
}

// cutEscaped takes n bytes of the decoded path off the front of an escaped one.
func cutEscaped(escaped string, n int) string {
	for ; n > 0; n-- {
		if escaped[0] == '%' {
			escaped = escaped[3:]
		} else {
			escaped = escaped[1:]
		}
	}
	return escaped
}
