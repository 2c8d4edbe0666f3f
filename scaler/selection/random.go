package selection

// uniform selects any instance, each as likely as the others.
type uniform struct{ random Source }

func (m uniform) Select(from *Set, _ string) *Instance {
	return from.At(m.random.IntN(from.Len()))
}
