package selection

import "math/bits"

// powerOfTwo draws two different instances and selects the one with fewer requests
// in flight. The load is nearly as even as with minLoad, at a constant cost, and
// independent callers do not all select the same instance.
type powerOfTwo struct{ random Source }

func (m powerOfTwo) Select(from *Set, _ string) *Instance {
	n := from.Len()
	if n == 1 {
		return from.At(0)
	}
	first := m.random.IntN(n)
	second := first + 1 + m.random.IntN(n-1)
	second -= n &^ mask(second-n)
	return from.At(first + (second-first)&mask(from.At(second).load()-from.At(first).load()))
}

// mask is all ones for a negative number and zero for any other. It replaces a
// branch: a processor cannot predict a random branch, and a misprediction costs
// more than the rest of a draw.
func mask(n int) int { return n >> (bits.UintSize - 1) }
