package cluster

// idleShare is the part of a rate limit that is kept for gateways without
// requests, so that their first ones are let in before the others hear of them.
const idleShare = 0.05

// RateShare is this gateway's part of a rate limit, from 0 to 1. It depends on the
// requests per second that come to it and to each of the others. The parts of all
// gateways that calculate with the same numbers add up to 1.
func RateShare(own float64, others []float64) float64 {
	if len(others) == 0 {
		return 1
	}
	n, sum := float64(1+len(others)), own
	for _, o := range others {
		sum += o
	}
	if sum == 0 {
		return 1 / n
	}
	least := idleShare * sum / n
	weights := max(own, least)
	for _, o := range others {
		weights += max(o, least)
	}
	return max(own, least) / weights
}
