package simulate_test

import (
	"testing"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/simulate"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/simulate/trace"
)

// policy is the default policy with keys and values changed.
func policy(t fataler, changes ...string) scaler.Policy {
	t.Helper()
	document := scaler.Document{"namespace": "default", "job": "shop", "group": "web"}
	for i := 0; i < len(changes); i += 2 {
		document[changes[i]] = changes[i+1]
	}
	p, err := scaler.Parse(document)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func shape(t testing.TB, text string, length time.Duration) trace.Trace {
	t.Helper()
	tr, err := trace.ParseShape(text, length)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func run(t fataler, p scaler.Policy, tr trace.Trace, o simulate.Options) simulate.Result {
	t.Helper()
	r, err := simulate.Run(p, tr, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// fataler is what *testing.T and *rapid.T have in common.
type fataler interface {
	Helper()
	Fatal(args ...any)
}
