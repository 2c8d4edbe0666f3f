package nomad_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// EndDelay only acts on an allocation that is being stopped and has not ended: Nomad would
// replace any other.
func TestEndDelay(t *testing.T) {
	for _, test := range []struct {
		desired, client string
		ends, fails     bool
	}{
		{api.AllocDesiredStatusStop, api.AllocClientStatusRunning, true, false},
		{api.AllocDesiredStatusStop, api.AllocClientStatusPending, true, false},
		{api.AllocDesiredStatusStop, api.AllocClientStatusComplete, false, false},
		{api.AllocDesiredStatusRun, api.AllocClientStatusRunning, false, true},
		{api.AllocDesiredStatusEvict, api.AllocClientStatusRunning, false, true},
		{"", "", false, true},
	} {
		var writes []string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.Method != http.MethodGet:
				writes = append(writes, r.Method+" "+r.URL.Path+" "+r.URL.Query().Get("no_shutdown_delay")+" "+r.URL.Query().Get("namespace"))
				fmt.Fprint(w, "{}")
			case test.desired == "":
				http.Error(w, "alloc not found", http.StatusNotFound)
			default:
				fmt.Fprintf(w, `{"ID": "a1", "Namespace": "team", "DesiredStatus": %q, "ClientStatus": %q}`, test.desired, test.client)
			}
		}))
		client, err := nomad.New(&api.Config{Address: server.URL})
		if err != nil {
			t.Fatal(err)
		}
		err = client.EndDelay(t.Context(), "a1")
		server.Close()
		want := ""
		if test.ends {
			want = "PUT /v1/allocation/a1/stop true team"
		}
		if got := strings.Join(writes, ", "); got != want || (err != nil) != test.fails {
			t.Errorf("desired %q, client %q: got writes %q and %v, want %q and an error %t", test.desired, test.client, got, err, want, test.fails)
		}
	}
}
