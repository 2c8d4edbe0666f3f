package command

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/simulate"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/simulate/report"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/simulate/trace"
)

// simulation holds the flags of the command.
type simulation struct {
	policy, against []string
	group           string
	trace           string
	duration        time.Duration
	linear          bool
	from, to        string
	options         simulate.Options
	json            bool
	chart           string
	actions         int
}

func simulateCommand() *cobra.Command {
	var s simulation
	cmd := &cobra.Command{
		Use:   "simulate --policy FILE|KEY=VALUE… --trace FILE|SHAPE",
		Short: "Try a policy on a load: counts with reasons, utilisation and cost",
		Long: `Try a policy on a load before it is applied: how many instances there would have
been and why, how full they were and what they cost. It is the decision function
of the strategy plugin and of the gateway that decides, at every evaluation and,
as the gateway does, when load arrives.

A policy is a file, keys and values, or both; what comes later changes what came
before. The file holds the document as lines of key = value, as in the strategy
block, or as a JSON object; or it is the JSON of a job (nomad job inspect) or of
its scaling block. Without more, --against changes --policy; with a file, it is a
policy of its own.

A trace is a file or a shape. The file is CSV with a header, time and one of
requests_per_minute, concurrency and load; JSON, a list of objects with the same
names; or the answer of Prometheus to /api/v1/query_range, whose series are added
up. A time is RFC 3339, Unix seconds, or a duration from the start, such as 90s.
The load is in the policy's metric: a rate() of Prometheus is to be times 60. A
load holds until the next one, unless --linear is given.

` + shapesHelp() + `
Instances are ready as soon as they are asked for, unless --start-delay is given,
and Nomad takes every action at once.`,
		Example: `  # A spike, and what going up all at once would change
  nomadscale simulate --policy policy.hcl --trace spike:60..2000@10m+5m \
    --start-delay 5s --against scale_up_step=0

  # A week of the real load, from Prometheus, on the policy of a running job
  nomad job inspect shop > shop.json
  curl -s prometheus:9090/api/v1/query_range --data-urlencode 'step=60' \
    --data-urlencode 'query=60*sum(rate(http_requests_total{app="shop"}[1m]))' \
    -d start=2026-11-09T00:00:00Z -d end=2026-11-16T00:00:00Z > week.json
  nomadscale simulate --policy shop.json --trace week.json --chart week.html

  # Two business days for a program to read
  nomadscale simulate --policy min_instances=0,price_per_instance_second=0.000059 \
    --trace business-day:0..1000 --duration 48h --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.run(cmd) },
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&s.policy, "policy", nil, "file, or keys and values with commas between; can be repeated")
	flags.StringArrayVar(&s.against, "against", nil, "a second policy to compare with, in the same way")
	flags.StringVar(&s.group, "group", "", "the group of a job that has policies for several")
	flags.StringVar(&s.trace, "trace", "", "file, - for the standard input, or shape")
	flags.DurationVar(&s.duration, "duration", 0, "how long a shape lasts (default as the shape says)")
	flags.BoolVar(&s.linear, "linear", false, "the load of a file runs straight from one time to the next")
	flags.StringVar(&s.from, "from", "", "when the result begins; what is before still counts for how it begins")
	flags.StringVar(&s.to, "to", "", "when the result ends")
	flags.DurationVar(&s.options.Step, "step", 0, "time between two evaluations (default the policy's evaluation_interval, or 10s)")
	flags.DurationVar(&s.options.StartDelay, "start-delay", 0, "how long an instance takes to be ready")
	flags.BoolVar(&s.options.WithoutGateway, "without-gateway", false, "decide at the evaluations only")
	flags.BoolVar(&s.json, "json", false, "print JSON, with all counts and actions")
	flags.StringVar(&s.chart, "chart", "", "write a chart to this file too, .svg or .html")
	flags.IntVar(&s.actions, "actions", 20, "most actions to print")
	cmd.MarkFlagsMutuallyExclusive("json", "actions")
	for _, name := range []string{"policy", "trace"} {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(err) // there is no such flag
		}
	}
	return cmd
}

func shapesHelp() string {
	var b strings.Builder
	b.WriteString("Shapes:\n")
	for _, s := range trace.Shapes() {
		fmt.Fprintf(&b, "  %-26s %s\n", s.Syntax, s.Description)
	}
	return b.String()
}

func (s simulation) run(cmd *cobra.Command) error {
	if ext := filepath.Ext(s.chart); s.chart != "" && ext != ".svg" && ext != ".html" {
		return &scaler.ValueError{Key: "chart", Value: s.chart, Allowed: "a file that ends in .svg or .html"}
	}
	candidates, err := s.candidates()
	if err != nil {
		return err
	}
	t, err := s.readTrace(cmd.InOrStdin())
	if err != nil {
		return fmt.Errorf("reading trace %s: %w", s.trace, err)
	}
	if s.options.From, err = t.Moment(s.from); err != nil {
		return fmt.Errorf("reading --from: %w", err)
	}
	if s.options.To, err = t.Moment(s.to); err != nil {
		return fmt.Errorf("reading --to: %w", err)
	}
	trials, err := s.try(cmd.Context(), t, candidates)
	if err != nil {
		return err
	}
	if s.chart != "" {
		if err := s.draw(t, trials); err != nil {
			return fmt.Errorf("writing chart %s: %w", s.chart, err)
		}
	}
	return s.print(cmd.OutOrStdout(), trials)
}

// candidates reads the policy, and the one to compare it with if there is one.
func (s simulation) candidates() ([]candidate, error) {
	policy, err := readCandidate(candidate{}, s.policy, s.group)
	if err != nil {
		return nil, fmt.Errorf("reading policy %s: %w", strings.Join(s.policy, " "), err)
	}
	if len(s.against) == 0 {
		return []candidate{policy}, nil
	}
	against, err := readCandidate(policy, s.against, s.group)
	if err != nil {
		return nil, fmt.Errorf("reading policy %s: %w", strings.Join(s.against, " "), err)
	}
	return []candidate{policy, against}, nil
}

// readTrace reads a file, or generates a shape when there is no file of that
// name.
func (s simulation) readTrace(stdin io.Reader) (trace.Trace, error) {
	var text []byte
	var err error
	if s.trace == "-" {
		text, err = io.ReadAll(stdin)
	} else {
		text, err = os.ReadFile(s.trace)
	}
	if os.IsNotExist(err) {
		t, err := trace.ParseShape(s.trace, s.duration)
		if !trace.IsShape(s.trace) {
			err = fmt.Errorf("there is no such file, and %w", err)
		}
		return t, err
	}
	if err != nil {
		return trace.Trace{}, err
	}
	if s.duration != 0 {
		return trace.Trace{}, &scaler.ValueError{Key: "duration", Value: s.duration.String(), Allowed: "unset with a file: --from and --to bound it"}
	}
	t, err := trace.Parse(text)
	t.Linear = s.linear
	return t, err
}

// try runs the simulations until they are done or the context ends, and does not
// wait for them then.
func (s simulation) try(ctx context.Context, t trace.Trace, candidates []candidate) ([]report.Trial, error) {
	type outcome struct {
		trials []report.Trial
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		var o outcome
		for _, c := range candidates {
			options := s.options
			if options.Step == 0 {
				options.Step = c.interval
			}
			result, err := simulate.Run(c.policy, t, options)
			if err != nil {
				o.err = fmt.Errorf("simulating %s: %w", c.name, err)
				break
			}
			o.trials = append(o.trials, report.Trial{Name: c.name, Result: result})
		}
		done <- o
	}()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case o := <-done:
		return o.trials, o.err
	}
}

// draw writes the chart, as the extension of its file says.
func (s simulation) draw(t trace.Trace, trials []report.Trial) error {
	file, err := os.Create(s.chart)
	if err != nil {
		return err
	}
	defer file.Close()
	if filepath.Ext(s.chart) == ".html" {
		err = report.Page(file, s.title(), s.conditions(trials), t, trials...)
	} else {
		_, err = io.WriteString(file, report.Chart(s.title(), s.conditions(trials), t, trials...))
	}
	if err != nil {
		return err
	}
	return file.Close()
}

func (s simulation) title() string {
	if s.trace == "-" {
		return "standard input"
	}
	if _, err := os.Stat(s.trace); err != nil {
		return s.trace // a shape, in which a slash is no separator
	}
	return filepath.Base(s.trace)
}

// conditions says how the trace was replayed.
func (s simulation) conditions(trials []report.Trial) string {
	r := trials[0].Result
	words := fmt.Sprintf("from %s to %s, evaluated every %s", r.FormatTime(r.Start), r.FormatTime(r.End), scaler.FormatDuration(r.Step))
	if len(trials) > 1 && trials[1].Result.Step != r.Step {
		words += " and every " + scaler.FormatDuration(trials[1].Result.Step)
	}
	if r.WithoutGateway {
		words += ", without the gateway"
	}
	if r.StartDelay > 0 {
		words += ", instances ready after " + scaler.FormatDuration(r.StartDelay)
	}
	return words
}

func (s simulation) print(w io.Writer, trials []report.Trial) error {
	if !s.json {
		fmt.Fprintf(w, "%s %s\n\n", s.title(), s.conditions(trials))
		return report.Table(w, s.actions, trials...)
	}
	if len(trials) == 1 {
		return writeJSON(w, map[string]simulate.Result{"policy": trials[0].Result})
	}
	return writeJSON(w, simulate.Comparison{Policy: trials[0].Result, Against: trials[1].Result})
}
