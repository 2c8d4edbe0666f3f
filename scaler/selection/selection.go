// Package selection selects the instance that serves a request.
//
// A [Pool] knows the instances of one app and how many requests each has in
// flight; a [Mode] is the way one of them is selected.
package selection

import (
	"errors"
	"fmt"
	"strings"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// Mode selects one of several instances.
type Mode interface {
	// Select returns one of the set, which has at least one. The key is what
	// [scaler.SelectHash] goes by; the other modes do not look at it.
	Select(from *Set, key string) *Instance
}

// Source is where the modes take their randomness from; a *rand.Rand of
// math/rand/v2 is one.
type Source interface {
	// IntN returns a number from 0 to n-1.
	IntN(n int) int
}

// New returns the mode of that name, for one [Pool]. It panics if there is
// none, which a policy that was parsed rules out.
func New(mode scaler.SelectionMode, random Source) Mode {
	switch mode {
	case scaler.SelectRandom:
		return uniform{random}
	case scaler.SelectFirst:
		return first{}
	case scaler.SelectLast:
		return last{}
	case scaler.SelectMinLoad:
		return minLoad{random}
	case scaler.SelectExact:
		return exact{}
	case scaler.SelectRoundRobin:
		return new(roundRobin)
	case scaler.SelectPowerOfTwo:
		return powerOfTwo{random}
	case scaler.SelectHash:
		return rendezvous{random}
	}
	panic(fmt.Sprintf("selection: no mode %q", mode))
}

// ErrEmpty reports that no instance is ready.
var ErrEmpty = errors.New("no instance is ready")

// ErrFull reports that every instance that is ready has as many requests in
// flight as it may have.
var ErrFull = errors.New("every instance that is ready is at max_concurrency_per_instance")

// SeveralError reports that [scaler.SelectExact] found more than one instance.
type SeveralError struct {
	// IDs are the instances that are ready, in the order of their allocation
	// index.
	IDs []string
}

// Error names the instances.
func (e *SeveralError) Error() string {
	return fmt.Sprintf("service_selection_mode exact needs just one instance, and %d are ready: %s", len(e.IDs), strings.Join(e.IDs, ", "))
}
