package selection

// SetInFlight puts requests in flight on an instance without selecting it.
func SetInFlight(p *Pool, id string, n int) { p.count(p.Get(id), n) }
