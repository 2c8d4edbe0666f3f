package load

// Runs is how many runs the meter's history has.
func Runs(m *Meter) int { return len(m.history) }
