package gateway

// quietShare is the part of a limit that is kept for gateways without requests,
// so that their first ones are let in before the others hear of them.
const quietShare = 0.05

// share is this gateway's part of a rate limit, from 0 to 1, by the requests
// that come to it and to each of the others. The parts of all add up to 1, for
// every gateway that reckons with the same numbers.
func share(own float64, others []float64) float64 {
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
	least := quietShare * sum / n
	weights := max(own, least)
	for _, o := range others {
		weights += max(o, least)
	}
	return max(own, least) / weights
}
