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
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if len(trials) > 1 {
		fmt.Fprintf(table, "\t%s\t%s\tdifference\n", trials[0].Name, trials[1].Name)
	}
	for _, row := range figureRows(trials) {
		fmt.Fprintln(table, strings.Join(row, "\t"))
	}
	if err := table.Flush(); err != nil || actions <= 0 {
		return err
	}
	for _, t := range trials {
		if len(trials) > 1 {
			fmt.Fprintf(w, "\n%s:", t.Name)
		}
		if err := writeActions(w, t.Result, actions); err != nil {
			return err
		}
	}
	return nil
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

func writeActions(w io.Writer, r Result, most int) error {
	if len(r.Actions) == 0 {
		_, err := fmt.Fprint(w, "\nno actions\n")
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(table, "\ntime\tfrom\tto\trule\treason\n")
	for _, a := range r.Actions[:min(most, len(r.Actions))] {
		fmt.Fprintf(table, "%s\t%d\t%d\t%s\t%s\n", r.FormatTime(a.Time), a.From, a.To, a.Rule, a.Reason)
	}
	if more := len(r.Actions) - most; more > 0 {
		fmt.Fprintf(table, "… and %d more\n", more)
	}
	return table.Flush()
}
