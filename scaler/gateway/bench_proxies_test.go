package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

const (
	// rounds of every proxy, one after the other and in turn: what else the
	// machine does then falls on all of them alike.
	rounds        = 3
	roundDuration = 4 * time.Second
	connections   = 64
	backends      = 4
)

// BenchmarkProxies puts the same load on four instances directly, through other
// proxies, through a bare ReverseProxy that is tuned as the gateway's, and
// through the gateway with every limit on. Each is a process of its own. Proxies
// that are not on PATH are left out, but for Caddy, which is built; the load is
// wrk's, or hey's without it.
func BenchmarkProxies(b *testing.B) {
	instances := startRole(b, "backends")
	addresses := strings.Fields(instances.address)
	proxies := []*proxy{{name: "direct", url: "http://" + addresses[0] + "/", pid: instances.pid}}
	for _, name := range []string{"nginx", "haproxy", "caddy"} {
		if p := startPeer(b, name, addresses); p != nil {
			proxies = append(proxies, p)
		}
	}
	bare := startRole(b, "bare", addresses...)
	bare.name, bare.url = "bare", "http://"+bare.address+"/"
	gateway := startRole(b, "gateway", addresses...)
	gateway.name, gateway.url = "gateway", "http://"+gateway.address+"/apps/"+webName+"/"
	proxies = append(proxies, bare, gateway)

	generate := wrk
	if _, err := exec.LookPath("wrk"); err != nil {
		b.Log("wrk is not on PATH: the load is hey's, which needs most of the machine for itself")
		generate = hey
	}
	for round := range rounds {
		for n := range proxies {
			p := proxies[(round+n)%len(proxies)]
			before := cpu(b, p.pid)
			l := generate(b, p.url)
			l.cpu = (cpu(b, p.pid) - before).Seconds() / (l.rate * roundDuration.Seconds())
			p.saturated = append(p.saturated, l)
		}
	}
	rate := gateway.median(func(l loaded) float64 { return l.rate }) / 2
	for round := range rounds {
		for n := range proxies {
			p := proxies[(round+n)%len(proxies)]
			p.paced = append(p.paced, pace(b, p.url, rate))
		}
	}
	for _, p := range proxies {
		b.Run(p.name, func(b *testing.B) {
			for b.Loop() {
			}
			b.ReportMetric(0, "ns/op")
			perSecond := func(l loaded) float64 { return l.rate }
			b.ReportMetric(p.median(perSecond), "req/s")
			b.ReportMetric(p.median(perSecond)/bare.median(perSecond), "of-bare")
			b.ReportMetric(p.median(func(l loaded) float64 { return l.cpu })*1e6, "cpu-µs/req")
			b.ReportMetric(p.median(func(l loaded) float64 { return l.p50 })*1e3, "p50-ms")
			b.ReportMetric(p.median(func(l loaded) float64 { return l.p99 })*1e3, "p99-ms")
			for name, q := range map[string]float64{"half-p50-ms": .5, "half-p99-ms": .99, "half-p99.9-ms": .999} {
				b.ReportMetric(p.atRate(q)*1e3, name)
			}
		})
	}
}

// proxy is a process under load.
type proxy struct {
	name, address, url string
	pid                int
	stdin              io.WriteCloser
	stdout             *bufio.Reader
	end                func()
	saturated          []loaded
	// paced are the latencies of each round at a fixed rate, in order.
	paced [][]time.Duration
}

// loaded is what one round of load showed: requests a second, the rest seconds.
type loaded struct{ rate, p50, p99, cpu float64 }

func (p *proxy) median(of func(loaded) float64) float64 {
	var all []float64
	for _, l := range p.saturated {
		all = append(all, of(l))
	}
	return median(all)
}

// atRate is a quantile of the latency at a fixed rate, in seconds.
func (p *proxy) atRate(q float64) float64 {
	var all []float64
	for _, round := range p.paced {
		all = append(all, round[int(q*float64(len(round)-1))].Seconds())
	}
	return median(all)
}

func median(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}

// otherProxies are their configurations: where to listen, and what to send on to.
var otherProxies = map[string]struct {
	server    func(n int, address string) string
	config    string
	arguments []string
}{
	"nginx": {
		server: func(_ int, address string) string { return "server " + address + ";" },
		config: `daemon off; worker_processes 2; pid nginx.pid; error_log stderr crit;
events { worker_connections 8192; }
http {
	access_log off; keepalive_requests 100000000;
	client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
	upstream app { least_conn; %[2]s keepalive 512; }
	server {
		listen %[1]s reuseport;
		location / {
			proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection "";
			proxy_set_header Host $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
		}
	}
}
`,
		arguments: []string{"-p", ".", "-e", "stderr", "-c"},
	},
	"haproxy": {
		server: func(n int, address string) string { return fmt.Sprintf("	server app-%d %s\n", n, address) },
		config: `global
	nbthread 2
	maxconn 8192
defaults
	mode http
	timeout connect 5s
	timeout client 60s
	timeout server 60s
	option forwardfor
	http-reuse safe
listen app
	bind %[1]s
	balance leastconn
%[2]s
`,
		arguments: []string{"-db", "-f"},
	},
	"caddy": {
		server: func(_ int, address string) string { return address },
		config: `{
	admin off
	auto_https off
	persist_config off
}
http://%[1]s {
	reverse_proxy %[2]s {
		lb_policy least_conn
		transport http {
			keepalive_idle_conns_per_host 1024
			compression off
		}
	}
}
`,
		arguments: []string{"run", "--adapter", "caddyfile", "--config"},
	},
}

// startPeer starts another proxy in front of the instances; nil if it is not
// there.
func startPeer(b *testing.B, name string, instances []string) *proxy {
	b.Helper()
	var path string
	if name == "caddy" {
		path = nomadtest.Tool(b, name)
	} else {
		var err error
		if path, err = exec.LookPath(name); err != nil {
			b.Logf("%s is not on PATH and is left out: install it to compare with it", name)
			return nil
		}
	}
	peer := otherProxies[name]
	var servers []string
	for n, address := range instances {
		servers = append(servers, peer.server(n, address))
	}
	address := "127.0.0.1:" + strconv.Itoa(nomadtest.FreePort(b))
	dir := b.TempDir()
	config := filepath.Join(dir, name+".conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, peer.config, address, strings.Join(servers, " ")), 0o600); err != nil {
		b.Fatal(err)
	}
	command := exec.Command(path, append(slices.Clone(peer.arguments), config)...)
	command.Dir = dir
	p := start(b, command)
	p.name, p.url = name, "http://"+address+"/"
	eventually(b, name+" answers", func() bool {
		response, err := http.Get(p.url)
		if err != nil {
			return false
		}
		_ = response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
	return p
}
