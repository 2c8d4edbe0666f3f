package gateway

import (
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"strings"
)

// forwarded says in X-Forwarded-* what is lost by forwarding. What the request
// says of that itself counts only from a trusted proxy; then Forwarded, if that
// uses it, goes on to say the same.
func (g *Gateway) forwarded(pr *httputil.ProxyRequest, prefix string) {
	in, out := pr.In.Header, pr.Out.Header
	if !g.config.TrustForwarded {
		for name := range out {
			if saysWhence(name) {
				delete(out, name)
			}
		}
		pr.SetXForwarded()
	} else {
		prefix = in.Get("X-Forwarded-Prefix") + prefix
		keep(out, in, "X-Forwarded-For")
		pr.SetXForwarded()
		keep(out, in, "X-Forwarded-Host", "X-Forwarded-Proto")
		if chain := in["Forwarded"]; chain != nil {
			out["Forwarded"] = []string{strings.Join(chain, ", ") + ", for=" + node(pr.In.RemoteAddr)}
		}
		delete(out, "X-Forwarded-Prefix")
	}
	if prefix != "" {
		out["X-Forwarded-Prefix"] = []string{prefix}
	}
}

// keep passes on headers as they came.
func keep(out, in http.Header, names ...string) {
	for _, name := range names {
		if values := in[name]; values != nil {
			out[name] = values
		}
	}
}

// saysWhence tells the headers in which proxies say where a request comes from. To
// many servers an underscore is a hyphen.
func saysWhence(name string) bool {
	switch {
	case name == "" || name[0]|0x20 != 'f' && name[0]|0x20 != 'x':
		return false
	case strings.IndexByte(name, '_') >= 0:
		name = strings.ReplaceAll(name, "_", "-")
	}
	const forwarded = "x-forwarded-"
	return strings.EqualFold(name, "forwarded") || strings.EqualFold(name, "x-real-ip") ||
		len(name) >= len(forwarded) && strings.EqualFold(name[:len(forwarded)], forwarded)
}

// node is an address as Forwarded writes it (RFC 7239, section 6).
func node(remote string) string {
	at, err := netip.ParseAddrPort(remote)
	switch {
	case err != nil:
		return "unknown"
	case at.Addr().Is6():
		return `"[` + at.Addr().WithZone("").String() + `]"`
	default:
		return at.Addr().String()
	}
}

// clientAddress is the client's, without the port. Of a chain of proxies only
// the nearest one's word is taken.
func (g *Gateway) clientAddress(r *http.Request) string {
	if g.config.TrustForwarded {
		if chain := r.Header["X-Forwarded-For"]; len(chain) > 0 {
			last := chain[len(chain)-1]
			return bareAddress(last[strings.LastIndexByte(last, ',')+1:])
		}
		if chain := r.Header["Forwarded"]; len(chain) > 0 {
			return bareAddress(lastFor(chain[len(chain)-1]))
		}
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// lastFor is what the last element of a Forwarded header has as "for"; "" without.
func lastFor(header string) (value string) {
	quoted, begin := false, 0
	for i := 0; i <= len(header); i++ {
		switch {
		case i < len(header) && quoted && header[i] == '\\':
			i++
		case i < len(header) && header[i] == '"':
			quoted = !quoted
		case i == len(header) || !quoted && (header[i] == ';' || header[i] == ','):
			name, v, _ := strings.Cut(header[begin:min(i, len(header))], "=")
			if strings.EqualFold(strings.TrimSpace(name), "for") {
				value = strings.Trim(strings.TrimSpace(v), `"`)
			}
			if i < len(header) && header[i] == ',' {
				value = ""
			}
			begin = i + 1
		}
	}
	return value
}

// bareAddress takes the port and the brackets off an address. What is none stays
// as it is: proxies may write "unknown" or a name of their own.
func bareAddress(s string) string {
	s = strings.TrimSpace(s)
	if at, err := netip.ParseAddrPort(s); err == nil {
		return at.Addr().String()
	}
	if address, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")); err == nil {
		return address.String()
	}
	return s
}
