package proxy

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// clientAddress is the client's address without the port. Of a trusted chain of
// proxies only what the nearest one says counts.
func clientAddress(r *http.Request, trusted bool) string {
	if trusted {
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

// bareAddress removes the port and the brackets from an address. Anything else stays
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
