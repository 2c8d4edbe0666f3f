package selection

// powerOfTwo draws two different instances and selects the one with fewer
// requests in flight. It is nearly as even as the fewest of all, at a cost that
// does not grow, and callers that do not know of each other do not all turn to
// the same one.
type powerOfTwo struct{ random Source }

func (m powerOfTwo) Select(free []*Instance, _ string) *Instance {
	if len(free) == 1 {
		return free[0]
	}
	i, j := m.random.IntN(len(free)), m.random.IntN(len(free)-1)
	if j >= i {
		j++
	}
	if free[j].load() < free[i].load() {
		return free[j]
	}
	return free[i]
}
