package nomadtest

// Left returns the processes that an agent started and that still run.
func Left(a *Agent) []int { return a.started() }
