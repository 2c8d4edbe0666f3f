package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// roleVariable makes the test binary a part of a benchmark.
const roleVariable = "GATEWAY_TEST_ROLE"

// asleep is an app at zero.
const asleep = "default/asleep/web"

// runRole is what the test binary does as a part of a benchmark: it says its
// address on a line, and ends with its standard input.
func runRole(role string, arguments []string) {
	err := map[string]func([]string) error{"backends": runBackends, "bare": runBare, "gateway": runGateway, "pacer": runPacer}[role](arguments)
	if err != nil {
		fmt.Fprintln(os.Stderr, role+":", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// cannedBody is what the instances answer.
var cannedBody = bytes.Repeat([]byte("x"), 100)

// runBackends answers requests without a body, with as little work as can be.
func runBackends([]string) error {
	answer := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", len(cannedBody), cannedBody)
	var addresses []string
	for range backends {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		addresses = append(addresses, listener.Addr().String())
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				go func() {
					defer func() { _ = conn.Close() }()
					head := make([]byte, 0, 4096)
					for {
						n, err := conn.Read(head[len(head):cap(head)])
						if err != nil {
							return
						}
						head = head[:len(head)+n]
						if !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
							continue
						}
						head = head[:0]
						if _, err := conn.Write(answer); err != nil {
							return
						}
					}
				}()
			}
		}()
	}
	fmt.Println(strings.Join(addresses, " "))
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// runBare is a tuned ReverseProxy and nothing else.
func runBare(addresses []string) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	var turn atomic.Int64
	bare := newBare(func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host = "http", addresses[int(turn.Add(1))%len(addresses)]
		r.SetXForwarded()
	})
	go func() { _ = http.Serve(listener, bare) }()
	fmt.Println(listener.Addr())
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// runGateway is a gateway with every limit on that knows an app of these
// instances, and one at zero until it is told to wake it.
func runGateway(addresses []string) error {
	f := newFakeNomad()
	created, err := gateway.New(gateway.Config{Nomad: f, Listen: "127.0.0.1:0"})
	if err != nil {
		return err
	}
	g := &served{&running{Gateway: created}, f}
	app := func(name string, document scaler.Document) nomad.App {
		part := strings.Split(name, "/")
		document["namespace"], document["job"], document["group"] = part[0], part[1], part[2]
		p, parseErr := scaler.Parse(document)
		err = errors.Join(err, parseErr)
		return nomad.App{ID: p.App, Policy: p, Created: 1}
	}
	apps := []nomad.App{
		app(webName, scaler.Document{
			"service_selection_mode": "min_load", "max_concurrency_per_instance": "1000",
			"rate_limit": "1000000", "request_timeout": "180s", "max_instances": strconv.Itoa(len(addresses)),
		}),
		app(asleep, scaler.Document{
			"service_selection_mode": "min_load", "metric": "concurrency", "max_concurrency_per_instance": "100",
			"start_timeout": "5m", "max_queued_requests": "100000", "min_instances": "0", "max_instances": strconv.Itoa(len(addresses)),
		}),
	}
	if err != nil {
		return err
	}
	instances := func(app string) (all []nomad.Instance) {
		for n, address := range addresses {
			all = append(all, allocation(app, fmt.Sprintf("%s-%d", app, n), n, address))
		}
		return all
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ran := make(chan error, 1)
	go func() { ran <- g.Run(ctx) }()
	<-f.watching
	g.declare(apps, instances(webName)...)
	client := api.Client{Addresses: []string{"http://" + g.AdminAddress()}}
	await := func(app string, holds func(api.AppStatus) bool) error {
		for {
			statuses, err := client.Statuses(ctx, id(app))
			if err != nil || holds(statuses[0]) {
				return err
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	if err := await(webName, func(s api.AppStatus) bool { return s.Running == len(addresses) }); err != nil {
		return err
	}
	fmt.Println(g.Address())
	orders := bufio.NewScanner(os.Stdin)
	for orders.Scan() {
		var n int
		if _, err := fmt.Sscanf(orders.Text(), "await %d", &n); err == nil {
			if err := await(asleep, func(s api.AppStatus) bool { return s.Queued == n }); err != nil {
				return err
			}
			fmt.Println(n)
			continue
		}
		g.nomad.instances.Replace(append(instances(webName), instances(asleep)...))
	}
	stop()
	return <-ran
}

// startRole starts this test binary in a role.
func startRole(b *testing.B, role string, arguments ...string) *proxy {
	b.Helper()
	executable, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	command := exec.Command(executable, arguments...)
	// The gateway's command collects garbage as often as that under Nomad.
	command.Env = append(os.Environ(), roleVariable+"="+role, "GOGC=400")
	p := start(b, command)
	p.address = p.line(b)
	return p
}

// start starts a process with a group of its own. It ends with the benchmark.
func start(b *testing.B, command *exec.Cmd) *proxy {
	b.Helper()
	command.Stderr = b.Output()
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, err := command.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	p := &proxy{pid: command.Process.Pid, stdin: stdin, stdout: bufio.NewReader(stdout)}
	p.end = sync.OnceFunc(func() {
		_ = stdin.Close()
		_ = syscall.Kill(-p.pid, syscall.SIGTERM)
		_ = command.Wait()
	})
	b.Cleanup(p.end)
	return p
}

// line is the next line that the process says.
func (p *proxy) line(b *testing.B) string {
	b.Helper()
	line, err := p.stdout.ReadString('\n')
	if err != nil {
		b.Fatalf("waiting for a process to say something: %v", err)
	}
	return strings.TrimSpace(line)
}

// cpu is the time that the processes of a group have computed.
func cpu(b *testing.B, group int) time.Duration {
	b.Helper()
	const perSecond = 100
	ticks := 0
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		b.Fatal(err)
	}
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		// What follows the name, which may have spaces in it: state, parent, group.
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if fields[2] != strconv.Itoa(group) {
			continue
		}
		for _, field := range fields[11:13] {
			n, err := strconv.Atoi(field)
			if err != nil {
				b.Fatal(err)
			}
			ticks += n
		}
	}
	return time.Duration(ticks) * time.Second / perSecond
}

// memory is what a process has in memory, in bytes.
func memory(b *testing.B, pid int) int {
	b.Helper()
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		b.Fatal(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(statm))[1])
	if err != nil {
		b.Fatal(err)
	}
	return pages * os.Getpagesize()
}
