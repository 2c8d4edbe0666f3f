package report

import (
	"html/template"
	"io"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/simulate/trace"
)

// maxPageActions is the most actions of a trial that a page lists.
const maxPageActions = 1000

var pageTemplate = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Title}}</title>
<style>
  body { font: 15px/1.5 ` + fonts + `; color: #1f2933; background: #fff; }
  body { max-width: 1200px; margin: 24px auto; padding: 0 16px; }
  svg { width: 100%; height: auto; }
  table { border-collapse: collapse; margin: 16px 0 32px; }
  th, td { text-align: left; padding: 4px 16px 4px 0; border-bottom: 1px solid #e4e7eb; vertical-align: top; }
  th { font-weight: 600; }
  .number { text-align: right; font-variant-numeric: tabular-nums; }
</style>
{{.Chart}}
<table>
<tr><th></th>{{range .Names}}<th class="number">{{.}}</th>{{end}}{{if .Differences}}<th class="number">difference</th>{{end}}</tr>
{{range $i, $row := .Rows}}<tr><td>{{$row.Name}}</td>{{range $row.Values}}<td class="number">{{.}}</td>{{end}}</tr>
{{end}}</table>
{{range .Trials}}<h2>Actions of {{.Name}}</h2>
{{if .Actions}}<table>
<tr><th>time</th><th class="number">from</th><th class="number">to</th><th>rule</th><th>reason</th></tr>
{{range .Actions}}<tr><td>{{.Time}}</td><td class="number">{{.From}}</td><td class="number">{{.To}}</td>
<td>{{.Rule}}</td><td>{{.Reason}}</td></tr>
{{end}}</table>
{{if .More}}<p>… and {{.More}} more</p>
{{end}}{{else}}<p>None.</p>
{{end}}{{end}}</html>
`))

// Page writes the chart of one or two trials, their figures and their actions as a
// self-contained page of HTML. Its error is the writer's.
func Page(w io.Writer, title, subtitle string, t trace.Trace, trials ...Trial) error {
	type row struct {
		Name   string
		Values []string
	}
	type action struct {
		Time, Rule, Reason string
		From, To           int
	}
	type section struct {
		Name    string
		Actions []action
		More    int
	}
	data := struct {
		Title       string
		Chart       template.HTML
		Names       []string
		Differences bool
		Rows        []row
		Trials      []section
	}{
		Title: title,
		// Chart escapes every text.
		Chart:       template.HTML(Chart(title, subtitle, t, trials...)),
		Differences: len(trials) > 1,
	}
	for _, r := range figureRows(trials) {
		data.Rows = append(data.Rows, row{r[0], r[1:]})
	}
	for _, trial := range trials {
		data.Names = append(data.Names, trial.Name)
		s := section{Name: trial.Name, More: max(0, len(trial.Result.Actions)-maxPageActions)}
		for _, a := range trial.Result.Actions[:min(maxPageActions, len(trial.Result.Actions))] {
			s.Actions = append(s.Actions, action{trial.Result.FormatTime(a.Time), string(a.Rule), a.Reason, a.From, a.To})
		}
		data.Trials = append(data.Trials, s)
	}
	return pageTemplate.Execute(w, data)
}
