package selection

// first selects the instance with the lowest allocation index.
type first struct{}

func (first) Select(free []*Instance, _ string) *Instance { return free[0] }
