// Command app is a small web application to scale. Its answer names the instance
// and when that instance started. It can work for a given time, and it can stream.
// It finishes the requests in flight before it stops.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	listen := flag.String("listen", os.Getenv("NOMAD_ADDR_http"), "address to listen on")
	startDelay := flag.Duration("start-delay", 0, "how long the start takes, to simulate loading a model")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *listen, *startDelay); err != nil {
		log.Fatal(err)
	}
}

// Answer describes the instance that answers.
type Answer struct {
	Allocation string    `json:"allocation"`
	Index      string    `json:"index"`
	Started    time.Time `json:"started"`
	Listening  time.Time `json:"listening"`
}

func run(ctx context.Context, listen string, startDelay time.Duration) error {
	answer := Answer{
		Allocation: os.Getenv("NOMAD_ALLOC_ID"),
		Index:      os.Getenv("NOMAD_ALLOC_INDEX"),
		Started:    time.Now(),
	}
	select {
	case <-time.After(startDelay):
	case <-ctx.Done():
		return nil
	}
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("listening on %q: %w", listen, err)
	}
	answer.Listening = time.Now()

	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		work, err := time.ParseDuration(r.URL.Query().Get("work"))
		if err != nil && r.URL.Query().Has("work") {
			http.Error(w, "work must be a duration, such as 200ms", http.StatusBadRequest)
			return
		}
		select {
		case <-time.After(work):
		case <-r.Context().Done():
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer)
	})
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 5 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			_ = http.NewResponseController(w).Flush()
			select {
			case <-time.After(100 * time.Millisecond):
			case <-r.Context().Done():
				return
			}
		}
	})

	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		stopped <- server.Shutdown(context.Background())
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", err)
	}
	return <-stopped
}
