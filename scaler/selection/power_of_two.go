package selection

// powerOfTwo draws two different instances and selects the one with fewer
// requests in flight. It is nearly as even as the fewest of all, at a cost that
// does not grow, and callers that do not know of each other do not all turn to
// the same one.
type powerOfTwo struct{ random Source }

func (m powerOfTwo) Select(from *Set, _ string) *Instance {
	n := from.Len()
	if n == 1 {
		return from.At(0)
	}
	first, second := m.random.IntN(n), m.random.IntN(n-1)
	if second >= first {
		second++
	}
	i, j := from.At(first), from.At(second)
	if j.load() < i.load() {
		return j
	}
	return i
}
