// Package selection selects the instance that serves a request.
//
// A [Pool] knows the instances of one app and how many requests each has in
// flight. A [Mode] selects one of them.
package selection

import (
	"errors"
	"fmt"
	"strings"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// Mode selects one of several instances.
type Mode interface {
	// Select returns an instance of the set, which is not empty. Only
	// [scaler.SelectHash] uses the key.
	Select(from *Set, key string) *Instance
}

// Source is the source of randomness of the modes, such as a *rand.Rand of
// math/rand/v2.
type Source interface {
	// IntN returns a number from 0 to n-1.
	IntN(n int) int
}

// New returns the mode with that name, for one [Pool]. It panics if there is no
// such mode, which cannot happen with a parsed policy.
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

// ErrFull reports that every ready instance has as many requests in flight as the
// limit allows.
var ErrFull = errors.New("every ready instance is at max_concurrency_per_instance")

// SeveralError reports that [scaler.SelectExact] found more than one instance.
type SeveralError struct {
	// IDs are the ready instances, by allocation index.
	IDs []string
}

// Error names the instances.
func (e *SeveralError) Error() string {
	return fmt.Sprintf("service_selection_mode exact needs exactly one instance, and %d are ready: %s", len(e.IDs), strings.Join(e.IDs, ", "))
}
