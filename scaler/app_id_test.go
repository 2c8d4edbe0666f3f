package scaler_test

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

func TestParseAppID(t *testing.T) {
	for name, want := range map[string]scaler.AppID{
		"default/web/app":   {Namespace: "default", Job: "web", Group: "app"},
		"prod/team/web/app": {Namespace: "prod", Job: "team/web", Group: "app"},
		"default/web":       {},
		"default//app":      {},
		"/web/app":          {},
		"default/web/":      {},
		"":                  {},
	} {
		got, err := scaler.ParseAppID(name)
		if got != want || (err == nil) != (want.Job != "") {
			t.Errorf("%q is %+v, %v; want %+v", name, got, err, want)
		}
		if err != nil && !strings.Contains(err.Error(), "<namespace>/<job>/<group>") {
			t.Errorf("%q: error %v does not say what is allowed", name, err)
		}
	}
}

// A name is written and read the same, alone and as a key in JSON.
func TestAppIDRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := scaler.AppID{
			Namespace: rapid.StringMatching(`[a-z0-9-]{1,8}`).Draw(t, "namespace"),
			Job:       rapid.StringMatching(`[a-z0-9./_-]{0,8}[a-z]`).Draw(t, "job"),
			Group:     rapid.StringMatching(`[a-z0-9._-]{1,8}`).Draw(t, "group"),
		}
		text, err := json.Marshal(map[scaler.AppID]int{id: 1})
		if err != nil {
			t.Fatal(err)
		}
		var read map[scaler.AppID]int
		if err := json.Unmarshal(text, &read); err != nil || read[id] != 1 {
			t.Fatalf("%s is read as %v (%v)", text, read, err)
		}
	})
}
