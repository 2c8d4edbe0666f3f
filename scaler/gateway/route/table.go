// Package route finds the target of a request by its host and path.
package route

import "strings"

// Route is a place where requests come in: a path prefix on a host.
type Route struct {
	// Host is "" for every host. "*.<rest>" stands for any one label before the
	// rest.
	Host string
	// Prefix has no slash at its end.
	Prefix string
}

// String is the host and the prefix with a slash at its end.
func (r Route) String() string { return r.Host + r.Prefix + "/" }

// Table maps routes to targets. It is safe for concurrent use once the last route
// has been added.
type Table[T comparable] struct {
	hosts map[string]*prefixes[T] // by [Route.Host]
}

// prefixes are the targets on a host by [Route.Prefix].
type prefixes[T comparable] struct {
	targets map[string]T
	longest int
}

// NewTable returns a table without routes.
func NewTable[T comparable]() *Table[T] {
	return &Table[T]{hosts: make(map[string]*prefixes[T])}
}

// Add gives a route to a target unless it is taken, and returns its owner.
func (t *Table[T]) Add(r Route, target T) (owner T) {
	if owner, taken := t.Owner(r); taken {
		return owner
	}
	on := t.hosts[r.Host]
	if on == nil {
		on = &prefixes[T]{targets: make(map[string]T)}
		t.hosts[r.Host] = on
	}
	on.targets[r.Prefix] = target
	on.longest = max(on.longest, len(r.Prefix))
	return target
}

// Owner returns the target that has exactly this route.
func (t *Table[T]) Owner(r Route) (owner T, ok bool) {
	if on := t.hosts[r.Host]; on != nil {
		owner, ok = on.targets[r.Prefix]
	}
	return owner, ok
}

// Find returns the target of a request and the prefix of its route. An exact host
// comes before one with a wildcard, and either before every host. On the first
// host with a fitting route the longest prefix wins.
func (t *Table[T]) Find(host, path string) (target T, prefix string, ok bool) {
	if !strings.HasPrefix(path, "/") {
		return target, "", false
	}
	// Most tables have no route for a certain host.
	if len(t.hosts) > 1 || t.hosts[""] == nil {
		host = Hostname(host)
		if target, prefix, ok = t.hosts[host].find(path); ok {
			return target, prefix, true
		}
		if _, rest, found := strings.Cut(host, "."); found {
			if target, prefix, ok = t.hosts["*."+rest].find(path); ok {
				return target, prefix, true
			}
		}
	}
	return t.hosts[""].find(path)
}

func (p *prefixes[T]) find(path string) (target T, prefix string, ok bool) {
	if p == nil {
		return target, "", false
	}
	prefix = path
	// A long path costs no more than the longest prefix.
	if len(prefix) > p.longest && prefix[p.longest] == '/' {
		prefix = prefix[:p.longest]
	} else if len(prefix) > p.longest {
		prefix = prefix[:strings.LastIndexByte(prefix[:p.longest+1], '/')]
	}
	for {
		if target, ok = p.targets[prefix]; ok {
			return target, prefix, true
		}
		slash := strings.LastIndexByte(prefix, '/')
		if slash < 0 {
			return target, "", false
		}
		prefix = prefix[:slash]
	}
}

// Hostname is the host of a request in lower case, without port and root dot.
func Hostname(host string) string {
	if colon := strings.LastIndexByte(host, ':'); colon >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:colon]
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
