package scaler

import (
	"fmt"
	"math"
)

// Advice is what works and yet is hardly meant.
type Advice struct {
	// Key is the key of the policy document that it is about; "" is the job
	// that the policy stands in.
	Key string
	// Summary says what is the matter, without a period.
	Summary string
	// Reason says why, and Remedy what to change, in sentences.
	Reason, Remedy string
}

// Advice tells where the thresholds do not do what thresholds are for. Of two
// counts that follow each other, n-1 and n instances besides the buffer, the
// lower one grows when the demand is above (n-1) × up. The higher one shrinks
// when the demand fits on the lower one, so is at most (n-1) × up, and is below
// n × down.
//
// Where n × down is not below (n-1) × up, fitting is all that a step down takes:
// the app shrinks and grows at one and the same demand, and goes back and forth
// as the load sways about it. Thresholds of 0.8 and 0.5 do so at two instances:
// 2 × 0.5 is above 1 × 0.8, so that a demand of 0.8 shrinks the app to one and
// 0.81 grows it to two. At three there is a gap: it grows above 1.6 and shrinks
// below 1.5. So it is small counts that lack one: those up to up / (up - down).
//
// Where n × down is not more than a single request, no load is low enough: the
// app keeps its n instances until there is no request at all. The more
// instances, the more load a step down allows, so if it allows none at the most
// instances, it does at no count. With a target of one request at a time and 0.3,
// three instances shrink below 0.9 requests; four would shrink with one.
func (p Policy) Advice() []Advice {
	// Only a count above both the minimum and what one instance and the buffer
	// make can shrink for want of load.
	least, most := max(p.MinInstances+1-p.BufferInstances, 2), p.MaxInstances-p.BufferInstances
	if least > most {
		return nil
	}
	// Below gap there is hysteresis at the smallest of these counts.
	gap := p.ScaleUpThreshold * float64(least-1) / float64(least)
	// Above one, a request is little enough for a step down from the largest.
	one := 1 / (p.Target * float64(most))
	switch {
	case p.ScaleDownThreshold >= gap*(1-hair):
		return []Advice{{
			Key:     "scale_down_threshold",
			Summary: "The thresholds leave no hysteresis at small counts",
			Reason: fmt.Sprintf("With a scale_up_threshold of %s and a scale_down_threshold of %s, an app of %s%s shrinks as soon as its load fits on %d, and grows again as soon as it does not. Only the cooldowns keep it from going back and forth.",
				formatFloat(p.ScaleUpThreshold), formatFloat(p.ScaleDownThreshold), instances(least), p.besides(), least-1),
			Remedy: fmt.Sprintf("Set scale_down_threshold below %s.", formatFloat(digits(gap, math.Floor))),
		}}
	case p.Metric != Custom && p.ScaleDownThreshold <= one*(1+hair) && one < gap*(1-hair):
		return []Advice{{
			Key:     "scale_down_threshold",
			Summary: "The app never shrinks while there is any load",
			Reason: fmt.Sprintf("A step down from %s%s, the most that this app has, asks for a load below %s, and from fewer for less still. So it keeps them all until there is no request, though %d would do for one.",
				instances(most), p.besides(), requests(p.ScaleDownThreshold*p.Target*float64(most)), need(1/p.Target, p.ScaleUpThreshold, most)),
			Remedy: fmt.Sprintf("Set scale_down_threshold above %s.", formatFloat(digits(one, math.Ceil))),
		}}
	default:
		return nil
	}
}

// besides says that counts leave out the buffer, where there is one.
func (p Policy) besides() string {
	if p.BufferInstances == 0 {
		return ""
	}
	return fmt.Sprintf(" besides the buffer of %d", p.BufferInstances)
}

// digits rounds a number to three significant digits, down or up.
func digits(n float64, round func(float64) float64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(n))-2)
	// Thousandths are no binary fractions: 0.45 / 0.001 is 450.00000000000006.
	return math.Round(round(n/unit)) / math.Round(1/unit)
}
