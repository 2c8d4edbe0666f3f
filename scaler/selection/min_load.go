package selection

// minLoad selects an instance with the fewest requests in flight. Among equals
// it takes any, so that several gateways do not all turn to the same one.
type minLoad struct{ random Source }

func (m minLoad) Select(free []*Instance, _ string) *Instance {
	fewest, equals := free[0].load(), 0
	for _, i := range free {
		switch {
		case i.load() < fewest:
			fewest, equals = i.load(), 1
		case i.load() == fewest:
			equals++
		}
	}
	skip := m.random.IntN(equals)
	for at := 0; ; at++ {
		if free[at].load() != fewest {
			continue
		}
		if skip == 0 {
			return free[at]
		}
		skip--
	}
}
