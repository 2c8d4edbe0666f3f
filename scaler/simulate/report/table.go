// Package report shows what simulated policies would have done: as a table, as a
// chart in SVG, and as a page of HTML.
package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/simulate"
)

// Trial is the result of a policy, with the policy's name for people.
type Trial struct {
	Name   string
	Result simulate.Result
}

// Table writes the figures and the first actions of one or two trials as text.
// Its error is the writer's.
func Table(w io.Writer, actions int, trials ...Trial) error {
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

// figureRows are the figures of one or two trials. Each row is a name, a value for
// each trial and, with two trials, the difference. The cost and the unknown load
// are left out if they are 0 in every trial.
func figureRows(trials []Trial) [][]string {
	first, last := trials[0].Result, trials[len(trials)-1].Result
	against := last.Figures()
	var rows [][]string
	for i, f := range first.Figures() {
		if slices.Contains([]string{"cost", "seconds_load_unknown"}, f.Key) && f.Value == 0 && against[i].Value == 0 {
			continue
		}
		row := []string{f.Name, figure(f, first.Length())}
		if len(trials) > 1 {
			row = append(row, figure(against[i], last.Length()), difference(f, against[i]))
		}
		rows = append(rows, row)
	}
	return rows
}

func writeActions(w io.Writer, r simulate.Result, most int) error {
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
