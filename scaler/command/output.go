package command

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// writeJSON prints a value as indented JSON.
func writeJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

// writeTable prints a head and rows in columns.
func writeTable(w io.Writer, head []string, rows [][]string) error {
	columns := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{head}, rows...) {
		fmt.Fprintln(columns, strings.TrimRight(strings.Join(row, "\t"), "\t"))
	}
	return columns.Flush()
}

// oneLine joins the lines of an error.
func oneLine(text string) string { return strings.ReplaceAll(text, "\n", "; ") }

// formatNumber formats a number with at most two decimals.
func formatNumber(n float64) string {
	return strconv.FormatFloat(math.Round(n*100)/100, 'f', -1, 64)
}

// formatLoad formats a load with the unit of its metric, or "?" if it is not known.
func formatLoad(metric scaler.Metric, load *float64) string {
	switch {
	case load == nil:
		return "?"
	case metric == scaler.RequestsPerMinute:
		return formatNumber(*load) + "/min"
	default:
		return formatNumber(*load)
	}
}

// formatDuration rounds a duration up to seconds, minutes or days, depending on its
// length. Rounding up keeps a wait from looking over too early.
func formatDuration(d time.Duration) string {
	unit := time.Second
	switch {
	case d >= 48*time.Hour:
		return strconv.Itoa(int(math.Ceil(d.Hours()/24))) + "d"
	case d >= time.Hour:
		unit = time.Minute
	}
	return scaler.FormatDuration((d + unit - 1).Truncate(unit))
}

// formatAge formats how long ago a time is.
func formatAge(at, now time.Time) string { return formatDuration(max(0, now.Sub(at))) + " ago" }

// formatPast formats a past time and how long ago it is.
func formatPast(at, now time.Time) string {
	return fmt.Sprintf("%s (%s)", at.UTC().Format("2006-01-02 15:04:05 UTC"), formatAge(at, now))
}
