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
	start := time.Now()
	web := scaler.AppID{Namespace: "default", Job: "web", Group: "app"}
	dog := func() (*watchdog, *int) {
		bites := 0
		w := newWatchdog(hclog.NewNullLogger())
		w.bite = func() error { bites++; return nil }
		w.configure(limit)
		return w, &bites
	}
	later := start.Add(2 * limit)

	t.Run("bites when an app is not evaluated any more", func(t *testing.T) {
		w, bites := dog()
		w.seen(web)
		w.judge(w.silent(later), []scaler.AppID{web})
		if *bites != 1 {
			t.Errorf("%d bites, want 1", *bites)
		}
	})
	t.Run("bites when none ever was", func(t *testing.T) {
		w, bites := dog()
		w.judge(w.silent(later), []scaler.AppID{web})
		if *bites != 1 {
			t.Errorf("%d bites, want 1", *bites)
		}
	})
	t.Run("does not for an app that is gone, or never was evaluated beside others", func(t *testing.T) {
		w, bites := dog()
		w.seen(scaler.AppID{Namespace: "default", Job: "gone", Group: "app"})
		w.judge(slices.DeleteFunc(w.silent(later), func(app scaler.AppID) bool { return app == anyApp }), []scaler.AppID{{Namespace: "default", Job: "new", Group: "app"}})
		if *bites != 0 {
			t.Errorf("%d bites, want none", *bites)
		}
	})
	t.Run("does not without apps, or before the limit, or when it is off", func(t *testing.T) {
		w, bites := dog()
		w.seen(web)
		w.judge(w.silent(start.Add(limit/2)), []scaler.AppID{web})
		w.judge(w.silent(later), nil)
		w.configure(0)
		w.judge(w.silent(later.Add(2*limit)), []scaler.AppID{web})
		if *bites != 0 {
			t.Errorf("%d bites, want none", *bites)
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
