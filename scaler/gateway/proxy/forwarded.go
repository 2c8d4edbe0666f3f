package proxy

import (
	"net/http"
	"net/http/httputil"
	"net/netip"
	"strings"
)

// setForwarded says in X-Forwarded-* what is lost by forwarding. What the request
// itself says of that counts only from a trusted proxy. If that proxy uses Forwarded,
// it is continued as well.
func setForwarded(pr *httputil.ProxyRequest, prefix string, trusted bool) {
	in, out := pr.In.Header, pr.Out.Header
	if !trusted {
		for name := range out {
			if isForwardingHeader(name) {
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
			out["Forwarded"] = []string{strings.Join(chain, ", ") + ", for=" + forNode(pr.In.RemoteAddr)}
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

// isForwardingHeader reports whether proxies say in that header where a request comes
// from. To many servers an underscore is a hyphen.
func isForwardingHeader(name string) bool {
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

// forNode is an address as Forwarded writes it (RFC 7239, section 6).
func forNode(remote string) string {
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
