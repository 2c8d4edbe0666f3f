package selection

// uniform selects any instance with equal probability.
type uniform struct{ random Source }

func (m uniform) Select(from *Set, _ string) *Instance {
	return from.At(m.random.IntN(from.Len()))
}
