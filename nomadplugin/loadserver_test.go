package nomadplugin_test

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/load"
)

// loadServer answers like a gateway with loads that a test sets, because real requests
// cannot be sent at an exact rate.
type loadServer struct {
	address string
	server  *http.Server

	mutex sync.Mutex
	loads map[scaler.AppID]float64
}

func startGateway(t testing.TB) *loadServer {
	s := &loadServer{address: "127.0.0.1:0", loads: make(map[scaler.AppID]float64)}
	s.start(t)
	t.Cleanup(s.stop)
	return s
}

// start listens, and after a stop on the same address as before.
func (s *loadServer) start(t testing.TB) {
	t.Helper()
	listener, err := net.Listen("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	s.address = listener.Addr().String()
	s.server = &http.Server{Handler: http.HandlerFunc(s.serve), ReadHeaderTimeout: time.Second}
	go func(server *http.Server) {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}(s.server)
}

func (s *loadServer) stop() { _ = s.server.Close() }

// load sets the load of an app for all times, past ones included.
func (s *loadServer) load(p scaler.Policy, value float64) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.loads[p.App] = value
}

func (s *loadServer) serve(w http.ResponseWriter, r *http.Request) {
	window, err := time.ParseDuration(r.FormValue("window"))
	if err != nil || r.URL.Path != "/v1/load" || r.FormValue("app") != "" {
		http.Error(w, "not a request of the apm", http.StatusBadRequest)
		return
	}
	now := time.Now()
	byLoad := make(map[float64]*api.SharedSeries)
	s.mutex.Lock()
	for app, value := range s.loads {
		shared := byLoad[value]
		if shared == nil {
			shared = new(api.SharedSeries)
			for at := now.Add(-window); !at.After(now); at = at.Add(load.GridStep) {
				shared.Series = append(shared.Series, scaler.Sample{Time: at, Value: value})
			}
			shared.Series = append(shared.Series, scaler.Sample{Time: now, Value: value})
			byLoad[value] = shared
		}
		shared.Apps = append(shared.Apps, app)
	}
	s.mutex.Unlock()
	report := api.LoadReport{Gateway: s.address, Now: now}
	for _, shared := range byLoad {
		report.Shared = append(report.Shared, *shared)
	}
	_ = json.NewEncoder(w).Encode(report)
}
