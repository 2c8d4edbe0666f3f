package nomadtest

// Left are the processes that an agent has started and that still run.
func Left(a *Agent) []int { return a.started() }
