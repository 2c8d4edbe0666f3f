package simulate

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// WriteTable writes the figures and the first actions of one or two trials for
// people. Its error is the writer's.
func WriteTable(w io.Writer, actions int, trials ...Trial) error {
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	if len(trials) > 1 {
		fmt.Fprintf(table, "\t%s\t%s\tdifference\n", trials[0].Name, trials[1].Name)
	}
	for _, row := range figureRows(trials) {
		fmt.Fprintln(table, strings.Join(row, "\t"))
	}
	table.Flush()
	for _, t := range trials {
		if actions > 0 {
			writeActions(&b, t, actions, len(trials) > 1)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// figureRows are the figures of one or two trials: the name, a value for each
// and, of two, the difference. Those that say nothing of any are left out.
func figureRows(trials []Trial) [][]string {
	var rows [][]string
	for _, pair := range Compare(trials[0].Result, trials[len(trials)-1].Result).Rows() {
		f := pair.Policy
		if slices.Contains([]string{"cost", "seconds_load_unknown"}, f.Key) && f.Value == 0 && pair.Against.Value == 0 {
			continue
		}
		row := []string{f.Name, f.String()}
		if len(trials) > 1 {
			row = append(row, pair.Against.String(), pair.Difference)
		}
		rows = append(rows, row)
	}
	return rows
}

func writeActions(b *strings.Builder, t Trial, most int, named bool) {
	b.WriteByte('\n')
	if named {
		fmt.Fprintf(b, "%s:\n", t.Name)
	}
	actions := t.Result.Actions
	if len(actions) == 0 {
		b.WriteString("no actions\n")
		return
	}
	table := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "time\tfrom\tto\trule\treason")
	for _, a := range actions[:min(most, len(actions))] {
		fmt.Fprintf(table, "%s\t%d\t%d\t%s\t%s\n", t.Result.FormatTime(a.Time), a.From, a.To, a.Rule, a.Reason)
	}
	table.Flush()
	if more := len(actions) - most; more > 0 {
		fmt.Fprintf(b, "… and %d more\n", more)
	}
}
