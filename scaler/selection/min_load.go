package selection

// minLoad selects an instance with the fewest requests in flight. Among equals it
// selects any, so that several gateways do not all select the same one.
type minLoad struct{ random Source }

func (m minLoad) Select(from *Set, _ string) *Instance {
	fewest := from.Fewest()
	return fewest[m.random.IntN(len(fewest))]
}
