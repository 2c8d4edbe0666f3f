package scaler

import (
	"fmt"
	"math"
)

// Advice is about a policy that is valid but probably not what the user wants.
type Advice struct {
	// Key is the key of the policy document that it is about; "" means the job
	// that contains the policy.
	Key string
	// Summary names the problem, without a period.
	Summary string
	// Reason explains the problem and Remedy says what to change, in sentences.
	Reason, Remedy string
}

// Advice reports thresholds that do not have the effect of thresholds. Compare the
// counts n-1 and n, both without the buffer. The app scales up from n-1 when the
// demand is above (n-1) × up. It scales down from n when the demand fits on n-1
// instances, so is at most (n-1) × up, and is also below n × down.
//
// If n × down is at least (n-1) × up, there is no hysteresis: the app scales up and
// down at the same demand, and oscillates when the load varies around it.
// Thresholds of 0.8 and 0.5 do so at two instances, because 2 × 0.5 is above
// 1 × 0.8. A demand of 0.8 scales the app down to one, and 0.81 scales it up to two.
// At three instances there is a gap: the app scales up above 1.6 and down below 1.5.
// The counts without a gap are those up to up / (up - down).
//
// If n × down is at most one request, no load is low enough: the app keeps its n
// instances until there is no request at all. The load that allows a scale-down
// grows with the count, so if the highest count has this problem, every count has
// it. With a target of one request at a time and 0.3, three instances scale down
// below 0.9 requests; four would scale down with one request.
func (p Policy) Advice() []Advice {
	// Only a count above the minimum, and above one instance and the buffer, can
	// scale down because the load is low.
	least, most := max(p.MinInstances+1-p.BufferInstances, 2), p.MaxInstances-p.BufferInstances
	if least > most {
		return nil
	}
	// A down threshold below gap has hysteresis at the lowest of these counts.
	gap := p.ScaleUpThreshold * float64(least-1) / float64(least)
	// With a down threshold above one, the highest of these counts scales down with
	// one request.
	one := 1 / (p.Target * float64(most))
	switch {
	case p.ScaleDownThreshold >= gap*(1-epsilon):
		return []Advice{{
			Key:     "scale_down_threshold",
			Summary: "The thresholds leave no hysteresis at small counts",
			Reason: fmt.Sprintf("With a scale_up_threshold of %s and a scale_down_threshold of %s, "+
				"an app of %s%s scales down as soon as its load fits on %d, and scales up again as soon as it does not. "+
				"Only the cooldowns prevent oscillation.",
				formatFloat(p.ScaleUpThreshold), formatFloat(p.ScaleDownThreshold), instances(least), p.plusBuffer(), least-1),
			Remedy: fmt.Sprintf("Set scale_down_threshold below %s.", formatFloat(digits(gap, math.Floor))),
		}}
	case p.Metric != Custom && p.ScaleDownThreshold <= one*(1+epsilon) && one < gap*(1-epsilon):
		return []Advice{{
			Key:     "scale_down_threshold",
			Summary: "The app never scales down while there is any load",
			Reason: fmt.Sprintf("A scale-down from %s%s, the most of this app, needs a load below %s, and one from fewer instances needs less. "+
				"So the app keeps all its instances until there is no request, although %d would be enough for one.",
				instances(most), p.plusBuffer(), requests(p.ScaleDownThreshold*p.Target*float64(most)), need(1/p.Target, p.ScaleUpThreshold, most)),
			Remedy: fmt.Sprintf("Set scale_down_threshold above %s.", formatFloat(digits(one, math.Ceil))),
		}}
	default:
		return nil
	}
}

// plusBuffer adds the buffer to a count in a sentence, if there is one.
func (p Policy) plusBuffer() string {
	if p.BufferInstances == 0 {
		return ""
	}
	return fmt.Sprintf(" plus a buffer of %d", p.BufferInstances)
}

// digits rounds a number to three significant digits, down or up.
func digits(n float64, round func(float64) float64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(n))-2)
	// Rounding again removes the error of the division: 0.45 / 0.001 is
	// 450.00000000000006.
	return math.Round(round(n/unit)) / math.Round(1/unit)
}
