package selection

// first selects the instance with the lowest allocation index.
type first struct{}

func (first) Select(from *Set, _ string) *Instance { return from.First() }
