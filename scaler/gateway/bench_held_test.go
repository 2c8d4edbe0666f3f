package gateway_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// BenchmarkHeld holds 5000 requests for an app that is at zero, and then lets it
// start.
func BenchmarkHeld(b *testing.B) {
	const held = 5000
	instances := startRole(b, "backends")
	for b.Loop() {
		gateway := startRole(b, "gateway", strings.Fields(instances.address)...)
		before := memory(b, gateway.pid)
		request := []byte("GET /apps/" + asleep + "/ HTTP/1.1\r\nHost: " + gateway.address + "\r\n\r\n")
		var sent, answered sync.WaitGroup
		var failed atomic.Int64
		sent.Add(held)
		for range held {
			answered.Go(func() {
				conn, err := net.Dial("tcp", gateway.address)
				if err == nil {
					defer func() { _ = conn.Close() }()
					_, err = conn.Write(request)
				}
				sent.Done()
				if err != nil {
					failed.Add(1)
					return
				}
				response, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil || response.StatusCode != http.StatusOK {
					failed.Add(1)
				}
			})
		}
		sent.Wait()
		fmt.Fprintf(gateway.stdin, "await %d\n", held)
		gateway.line(b)
		after := memory(b, gateway.pid)
		woken := time.Now()
		fmt.Fprintln(gateway.stdin, "wake")
		answered.Wait()
		if n := failed.Load(); n > 0 {
			b.Fatalf("%d of %d requests failed", n, held)
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(float64(after-before)/held/1024, "KiB/held")
		b.ReportMetric(float64(time.Since(woken).Milliseconds()), "release-ms")
		gateway.stdin.Close()
	}
}

// BenchmarkIdleApps is what 10,000 apps without requests cost the gateway.
func BenchmarkIdleApps(b *testing.B) {
	const n = 10_000
	var before, after runtime.MemStats
	for b.Loop() {
		g := serve(b)
		runtime.GC()
		runtime.ReadMemStats(&before)
		all := make([]nomad.App, n)
		for i := range all {
			all[i] = declared(b, fmt.Sprintf("default/app-%d/web", i), scaler.Document{"min_instances": "0"})
		}
		g.declare(all)
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n/1024, "KiB/app")
		if _, found := g.find(b, "default/app-0/web"); !found {
			b.Fatal("the apps are not known")
		}
	}
}
