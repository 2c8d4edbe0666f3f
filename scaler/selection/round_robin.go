package selection

// roundRobin selects the instances in turn. It remembers where it was by the
// place of an instance and not by a position, so that instances that come and
// go leave the turn of the others alone.
type roundRobin struct {
	index int
	id    string
}

func (m *roundRobin) Select(from *Set, _ string) *Instance {
	next := from.After(m.index, m.id)
	m.index, m.id = next.Index, next.ID
	return next
}
