package provider

import (
	"errors"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

// explanation turns one kind of error into a diagnostic: a summary, the error's own
// sentence, and what to do next.
type explanation struct {
	// of reports whether the explanation is of an error.
	of func(error) bool
	// at is the attribute that the error is about; "" for none.
	at      string
	summary string
	advice  string
	// cause replaces the error's own sentence; "" keeps it.
	cause string
}

// explanations are what errors mean everywhere. The first one that fits counts, and
// what an operation knows better comes before them: see [connection.explain].
var explanations = []explanation{
	{
		of:      as[*nomad.ChangedError],
		summary: "The job was changed since this was planned",
		advice:  "Nothing was written, so that this is not lost unseen. Plan again: the plan shows the change, and applying it undoes it.",
	},
	{
		of:      is(nomad.ErrConflict),
		summary: "The job keeps changing",
		advice:  "Something else writes the job at the same time. See what does with `nomad job history`, then apply again.",
	},
	{of: is(jobspec.ErrNoGroup), at: "group", summary: "Invalid group"},
	{of: is(jobspec.ErrSpecification), at: "job_id", summary: "Invalid job_id"},
	{
		of: is(nomad.ErrNotFound), at: "job_id",
		summary: "There is no such app",
		advice:  "The data source nomadscale_apps lists the apps that there are.",
	},
}

// overwritten explains a write that went over, or under, another one.
func overwritten(written nomad.Written) explanation {
	return explanation{
		of:      func(err error) bool { return isOverwritten(written, err) },
		summary: "The job was changed right after it was written",
		advice: "That change stays. See where it came from with `nomad job history`, then plan again: the plan shows the change, and " +
			"applying it undoes it.",
	}
}

// isOverwritten reports whether an error is that another writer has changed the job
// since it was written here.
func isOverwritten(written nomad.Written, err error) bool {
	var changed *nomad.ChangedError
	return errors.As(err, &changed) && written.Job != nil
}

// is matches the errors that wrap another one.
func is(target error) func(error) bool { return func(err error) bool { return errors.Is(err, target) } }

// as matches the errors of a type.
func as[E error](err error) bool { return errors.As(err, new(E)) }

// explain is the diagnostic for an error. An operation's own explanations come
// before those for all. When none fits, failed is the summary, and after, unless it is
// "", what follows the error's sentence.
func (c *connection) explain(err error, failed, after string, own ...explanation) diag.Diagnostic {
	for _, e := range slices.Concat(own, explanations) {
		if e.of(err) {
			return e.diagnostic(err)
		}
	}
	return diag.NewErrorDiagnostic(failed, strings.TrimSpace(sentence(err)+" "+after)+"\n\n"+c.reach())
}

// explained is the diagnostic for an error that is one of those explained for all.
func explained(err error) diag.Diagnostic {
	n := slices.IndexFunc(explanations, func(e explanation) bool { return e.of(err) })
	return explanations[n].diagnostic(err)
}

func (e explanation) diagnostic(err error) diag.Diagnostic {
	detail := e.cause
	if detail == "" {
		detail = sentence(err)
	}
	if e.advice != "" {
		detail += " " + e.advice
	}
	if e.at == "" {
		return diag.NewErrorDiagnostic(e.summary, detail)
	}
	return diag.NewAttributeErrorDiagnostic(path.Root(e.at), e.summary, detail)
}
