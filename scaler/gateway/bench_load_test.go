package gateway

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"regexp"
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
	return generated(b, exec.Command("wrk", "-t2", fmt.Sprintf("-c%d", connections), fmt.Sprintf("-d%d", int(roundDuration.Seconds())), "--latency", url),
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
// answered in time, and returns how long after its time each was answered.
func pace(b *testing.B, url string, rate float64) []time.Duration {
	b.Helper()
	host, path, _ := strings.Cut(strings.TrimPrefix(url, "http://"), "/")
	request := []byte("GET /" + path + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n")
	interval := time.Duration(connections / rate * float64(time.Second))
	each := int(roundDuration / interval)
	took := make([][]time.Duration, connections)
	failures := make([]error, connections)
	var sent sync.WaitGroup
	began := time.Now().Add(100 * time.Millisecond)
	for n := range connections {
		sent.Go(func() {
			conn, err := net.Dial("tcp", host)
			if err != nil {
				failures[n] = err
				return
			}
			defer func() { _ = conn.Close() }()
			answers := bufio.NewReader(conn)
			for k := range each {
				due := began.Add(interval*time.Duration(k) + interval*time.Duration(n)/connections)
				time.Sleep(time.Until(due))
				if _, failures[n] = conn.Write(request); failures[n] != nil {
					return
				}
				response, err := http.ReadResponse(answers, nil)
				if err == nil {
					_, err = io.Copy(io.Discard, response.Body)
				}
				if err == nil && response.StatusCode != http.StatusOK {
					err = errors.New(response.Status)
				}
				if failures[n] = err; err != nil {
					return
				}
				took[n] = append(took[n], time.Since(due))
			}
		})
	}
	sent.Wait()
	if err := errors.Join(failures...); err != nil {
		b.Fatalf("%s at %.0f requests a second: %v", url, rate, err)
	}
	all := slices.Concat(took...)
	slices.Sort(all)
	return all
}
