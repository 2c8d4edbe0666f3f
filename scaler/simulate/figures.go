package simulate

// Figure is one number of a result.
type Figure struct {
	// Key is its name in JSON, and Name the one for people.
	Key, Name string
	// Value is the number in its unit.
	Value float64
	// Unit is what the number counts.
	Unit Unit
}

// Unit is what a figure counts.
type Unit int

// The units of figures.
const (
	Quantity Unit = iota // any number
	Whole                // a whole number
	Fraction             // a fraction, of which 1 is all
	Seconds              // a part of the time that the result covers
)

// Figures lists the numbers of a result, always the same ones in the same order.
func (r Result) Figures() []Figure {
	return []Figure{
		{"mean_load", "load, mean", r.MeanLoad, Quantity},
		{"peak_load", "load, peak", r.PeakLoad, Quantity},
		{"mean_count", "instances, mean", r.MeanCount, Quantity},
		{"peak_count", "instances, peak", float64(r.PeakCount), Whole},
		{"instance_seconds", "instance-seconds", r.InstanceSeconds, Quantity},
		{"cost", "cost", r.Cost, Quantity},
		{"mean_utilisation", "utilisation, mean", r.MeanUtilisation, Fraction},
		{"peak_utilisation", "utilisation, peak", r.PeakUtilisation, Fraction},
		{"seconds_above_threshold", "time above scale_up_threshold", r.AboveThreshold.Seconds(), Seconds},
		{"seconds_above_target", "time above the target", r.AboveTarget.Seconds(), Seconds},
		{"seconds_load_unknown", "time without a known load", r.LoadUnknown.Seconds(), Seconds},
		{"cold_starts", "cold starts", float64(r.ColdStarts), Whole},
		{"cold_seconds", "time waiting for a first instance", r.ColdTime.Seconds(), Seconds},
		{"cold_requests", "requests that waited for it", r.ColdRequests, Whole},
		{"actions_up", "actions up", float64(r.Ups()), Whole},
		{"actions_down", "actions down", float64(r.Downs()), Whole},
	}
}
