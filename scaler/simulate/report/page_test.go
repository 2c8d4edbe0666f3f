package report_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/simulate"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/simulate/report"
)

func TestPage(t *testing.T) {
	tr, r := replay(t, "steps:0@0s,150@5m,0@10m", 30*time.Minute, simulate.Options{}, "min_instances", "0")
	var b strings.Builder
	if err := report.Page(&b, "title", "below", tr, report.Trial{Name: "<first>", Result: r}, report.Trial{Name: "second", Result: r}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<svg ", "Actions of &lt;first&gt;", "Actions of second", "difference", "instances, mean", r.Actions[0].Reason} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the page has no %q", want)
		}
	}
	if strings.Contains(b.String(), "<first>") {
		t.Error("the page does not escape names")
	}
}
