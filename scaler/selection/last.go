package selection

// last selects the instance with the highest allocation index.
type last struct{}

func (last) Select(from *Set, _ string) *Instance { return from.Last() }
