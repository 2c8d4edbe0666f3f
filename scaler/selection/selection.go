// Package selection selects the instance that serves a request.
//
// A [Pool] knows the instances of one app and how many requests each has in
// flight. A [Mode] selects one of them.
package selection

import (
	"fmt"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

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
