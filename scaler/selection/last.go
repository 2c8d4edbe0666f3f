package selection

// last selects the instance with the highest allocation index.
type last struct{}

func (last) Select(free []*Instance, _ string) *Instance { return free[len(free)-1] }
