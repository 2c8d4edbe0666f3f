package gateway_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

// wrk puts on as much load as a number of connections carries.
func wrk(b *testing.B, url string) loaded {
	return generated(b, exec.Command("wrk", "-t2", fmt.Sprintf("-c%d", connections), fmt.Sprintf("-d%d", int(roundDuration.Seconds())),
		"--latency", url),
		`Requests/sec:\s+([\d.]+)`, `50%\s+([\d.]+)(us|ms|s)`, `99%\s+([\d.]+)(us|ms|s)`, `Non-2xx`)
}

func hey(b *testing.B, url string) loaded {
	return generated(b, exec.Command(nomadtest.Tool(b, "hey"), "-z", roundDuration.String(), "-c", strconv.Itoa(connections), url),
		`Requests/sec:\s+([\d.]+)`, `50%+ in ([\d.]+) (sec)`, `99%+ in ([\d.]+) (sec)`, `\[[345]\d\d\]|Error distribution`)
}

// generated runs a generator of load and reads what it says.
func generated(b *testing.B, command *exec.Cmd, rate, p50, p99, failed string) loaded {
	b.Helper()
	out, err := command.CombinedOutput()
	if err != nil || regexp.MustCompile(failed).Match(out) {
		b.Fatalf("%s: %v\n%s", command, err, out)
	}
	read := func(pattern string) float64 {
		found := regexp.MustCompile(pattern).FindSubmatch(out)
		if found == nil {
			b.Fatalf("%s: nothing in the output is like %s:\n%s", command, pattern, out)
		}
		n, err := strconv.ParseFloat(string(found[1]), 64)
		if err != nil {
			b.Fatal(err)
		}
		if len(found) > 2 {
			n *= map[string]float64{"us": 1e-6, "ms": 1e-3, "s": 1, "sec": 1}[string(found[2])]
		}
		return n
	}
	return loaded{rate: read(rate), p50: read(p50), p99: read(p99)}
}

// pace sends requests at a fixed rate, whether or not those before have been
// answered in time, and returns how long after its time each was answered. It
// takes a process of its own with a thread for each connection: the timers of the
// runtime come up to a millisecond late.
func pace(b *testing.B, url string, rate float64) []time.Duration {
	b.Helper()
	p := startRole(b, "pacer", url, strconv.FormatFloat(rate, 'f', -1, 64))
	defer p.end()
	var all []time.Duration
	if err := json.Unmarshal([]byte(p.address), &all); err != nil {
		b.Fatalf("%s at %.0f requests a second: %v", url, rate, err)
	}
	return all
}

// runPacer is the process of pace: it says the times, in order.
func runPacer(arguments []string) error {
	runtime.GOMAXPROCS(2 * connections)
	host, path, _ := strings.Cut(strings.TrimPrefix(arguments[0], "http://"), "/")
	rate, err := strconv.ParseFloat(arguments[1], 64)
	if err != nil {
		return err
	}
	request := []byte("GET /" + path + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n")
	interval := time.Duration(connections / rate * float64(time.Second))
	took := make([][]time.Duration, connections)
	failures := make([]error, connections)
	var sent sync.WaitGroup
	began := time.Now().Add(100 * time.Millisecond)
	for n := range connections {
		sent.Go(func() {
			first := began.Add(interval * time.Duration(n) / connections)
			took[n], failures[n] = paced(host, request, first, interval, int(roundDuration/interval))
		})
	}
	sent.Wait()
	if err := errors.Join(failures...); err != nil {
		return err
	}
	all := slices.Concat(took...)
	slices.Sort(all)
	text, err := json.Marshal(all)
	fmt.Println(string(text))
	return err
}

// paced sends requests on one connection, by calls that block its thread.
func paced(host string, request []byte, first time.Time, interval time.Duration, times int) ([]time.Duration, error) {
	runtime.LockOSThread()
	conn, err := net.Dial("tcp", host)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	file, err := conn.(*net.TCPConn).File()
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	file.Fd() // from here on its calls block
	took := make([]time.Duration, 0, times)
	answer := make([]byte, 4096)
	for k := range times {
		due := first.Add(interval * time.Duration(k))
		sleepUntil(due)
		if _, err := file.Write(request); err != nil {
			return nil, err
		}
		for n := 0; !bytes.HasSuffix(answer[:n], cannedBody); {
			more, err := file.Read(answer[n:])
			if err != nil {
				return nil, fmt.Errorf("after %q: %w", answer[:n], err)
			}
			n += more
		}
		if !bytes.HasPrefix(answer, []byte("HTTP/1.1 200")) {
			return nil, fmt.Errorf("the answer is %q", answer)
		}
		took = append(took, time.Since(due))
	}
	return took, nil
}
