package nomadplugin

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

func TestWatchdog(t *testing.T) {
	const limit = time.Minute
	begin := time.Now()
	web := scaler.AppID{Namespace: "default", Job: "web", Group: "app"}
	start := func() (*watchdog, *int) {
		interrupts := 0
		w := newWatchdog(hclog.NewNullLogger())
		w.interruptAgent = func() error { interrupts++; return nil }
		w.configure(limit)
		return w, &interrupts
	}
	later := begin.Add(2 * limit)

	t.Run("interrupts when an app is no longer evaluated", func(t *testing.T) {
		w, interrupts := start()
		w.evaluated(web)
		w.check(w.takeOverdue(later), []scaler.AppID{web})
		if *interrupts != 1 {
			t.Errorf("%d interrupts, want 1", *interrupts)
		}
	})
	t.Run("interrupts when no app was ever evaluated", func(t *testing.T) {
		w, interrupts := start()
		w.check(w.takeOverdue(later), []scaler.AppID{web})
		if *interrupts != 1 {
			t.Errorf("%d interrupts, want 1", *interrupts)
		}
	})
	t.Run("does not interrupt for a missing app, or for one that was never evaluated while others were", func(t *testing.T) {
		w, interrupts := start()
		w.evaluated(scaler.AppID{Namespace: "default", Job: "gone", Group: "app"})
		overdue := slices.DeleteFunc(w.takeOverdue(later), func(app scaler.AppID) bool { return app == anyApp })
		w.check(overdue, []scaler.AppID{{Namespace: "default", Job: "new", Group: "app"}})
		if *interrupts != 0 {
			t.Errorf("%d interrupts, want none", *interrupts)
		}
	})
	t.Run("does not interrupt without apps, before the limit, or when it is off", func(t *testing.T) {
		w, interrupts := start()
		w.evaluated(web)
		w.check(w.takeOverdue(begin.Add(limit/2)), []scaler.AppID{web})
		w.check(w.takeOverdue(later), nil)
		w.configure(0)
		w.check(w.takeOverdue(later.Add(2*limit)), []scaler.AppID{web})
		if *interrupts != 0 {
			t.Errorf("%d interrupts, want none", *interrupts)
		}
	})
}

func TestParseWatchdog(t *testing.T) {
	for value, want := range map[string]time.Duration{"": 0, "0": 0, "2m": 2 * time.Minute, "90": 90 * time.Second} {
		if got, err := parseWatchdog(value); err != nil || got != want {
			t.Errorf("%q is %s, %v; want %s", value, got, err, want)
		}
	}
	for _, value := range []string{"soon", "-1s", "10ms"} {
		if _, err := parseWatchdog(value); err == nil || !strings.Contains(err.Error(), `watchdog = "`+value+`"`) {
			t.Errorf("%q: error %v, want one that names key and value", value, err)
		}
	}
}
