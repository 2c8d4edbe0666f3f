package admin_test

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/admin"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/cluster"
)

func readGuide(t *testing.T, name string) string {
	t.Helper()
	guide, err := os.ReadFile("../../../templates/guides/" + name + ".md.tmpl")
	if err != nil {
		t.Fatal(err)
	}
	return string(guide)
}

// Every metric is in the guide, with its labels, and the guide names no other.
func TestMetricsAreDocumented(t *testing.T) {
	documented := make(map[string]string)
	for _, row := range regexp.MustCompile("(?m)^\\| `(nomadscale_\\w+)` \\| \\w+ \\|([^|]*)\\|").FindAllStringSubmatch(readGuide(t,
		"gateway"), -1) {
		documented[row[1]] = strings.NewReplacer("`", "", " ", "").Replace(row[2])
	}
	descriptions := make(chan *prometheus.Desc)
	go func() {
		metrics := admin.NewMetrics()
		metrics.Watch(new(fakeApps), cluster.New(cluster.Config{}))
		metrics.Describe(descriptions)
		close(descriptions)
	}()
	description := regexp.MustCompile(`fqName: "(nomadscale_\w+)".*variableLabels: \{([^}]*)\}`)
	for d := range descriptions {
		found := description.FindStringSubmatch(d.String())
		if found == nil {
			continue
		}
		labels, ok := documented[found[1]]
		if !ok || labels != found[2] {
			t.Errorf("the guide has %s with the labels %q, want %q", found[1], labels, found[2])
		}
		delete(documented, found[1])
	}
	for name := range documented {
		t.Errorf("the guide has %s, which is no metric", name)
	}
}

// The guide's examples are answers that the gateway could give.
func TestExamplesOfAnswersAreValid(t *testing.T) {
	examples := regexp.MustCompile("(?s)## (/v1/\\w+)\n\n```json\n(.*?)```").FindAllStringSubmatch(readGuide(t, "gateway"), -1)
	answers := map[string]any{
		"/v1/apps": new([]api.AppStatus), "/v1/decisions": new(map[string][]api.DecisionStatus),
		"/v1/load": new(api.LoadReport), "/v1/peers": new([]api.PeerStatus),
	}
	for _, example := range examples {
		decoder := json.NewDecoder(bytes.NewBufferString(example[2]))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(answers[example[1]]); err != nil {
			t.Errorf("the example of %s: %v", example[1], err)
		}
		delete(answers, example[1])
	}
	for path := range answers {
		t.Errorf("the guide has no example of %s", path)
	}
}
