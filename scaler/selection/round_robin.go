package selection

// roundRobin selects the instances in turn. It remembers the index and ID of the
// last instance instead of a position, so that added or removed instances do not
// change the turn of the others.
type roundRobin struct {
	index int
	id    string
}

func (m *roundRobin) Select(from *Set, _ string) *Instance {
	next := from.After(m.index, m.id)
	m.index, m.id = next.Index, next.ID
	return next
}
