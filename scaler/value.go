package scaler

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// maxInteger keeps the sum of two counts below the maximum of a 32-bit int.
const maxInteger = 1_000_000_000

// parseInteger also reads 1e+06, because the autoscaler writes the numbers of a job
// in that form.
func parseInteger(s string) (int, bool) {
	n, ok := parseFloat(s)
	if !ok || n != math.Trunc(n) || math.Abs(n) > maxInteger {
		return 0, false
	}
	return int(n), true
}

func parseFloat(s string) (float64, bool) {
	n, err := strconv.ParseFloat(s, 64)
	return n, err == nil && !math.IsInf(n, 0) && !math.IsNaN(n)
}

func formatFloat(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

// ParseDuration reads a Go duration or a number of seconds.
func ParseDuration(s string) (time.Duration, bool) {
	if n, ok := parseFloat(s); ok {
		if math.Abs(n) > math.MaxInt64/float64(time.Second)/2 {
			return 0, false
		}
		return time.Duration(math.Round(n * float64(time.Second))), true
	}
	d, err := time.ParseDuration(s)
	return d, err == nil
}

// FormatDuration writes a duration without trailing zero units: 10m, not 10m0s.
func FormatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
