package selection

// uniform selects any instance, each as likely as the others.
type uniform struct{ random Source }

func (m uniform) Select(free []*Instance, _ string) *Instance {
	return free[m.random.IntN(len(free))]
}
