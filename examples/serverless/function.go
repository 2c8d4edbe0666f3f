// Command function serves one function over HTTP.
package main

import (
	"encoding/json"
	"log"
	"net/http"
	"os"
	"time"
)

// Result is the function's answer to a request.
type Result struct {
	Message  string    `json:"message"`
	Path     string    `json:"path"`
	Time     time.Time `json:"time"`
	Instance string    `json:"instance"`
}

// process takes 100 ms.
func process(path string) Result {
	time.Sleep(100 * time.Millisecond)
	return Result{Message: "processed", Path: path, Time: time.Now().UTC(), Instance: os.Getenv("NOMAD_ALLOC_INDEX")}
}

func main() {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(process(r.URL.Path))
	})
	server := &http.Server{Addr: os.Getenv("NOMAD_ADDR_http"), Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.ListenAndServe())
}
