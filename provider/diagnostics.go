package provider

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/terraform-plugin-framework/diag"
)

// sentence makes a sentence of an error's text.
func sentence(err error) string {
	text := strings.TrimSpace(err.Error())
	first, size := utf8.DecodeRuneInString(text)
	text = string(unicode.ToUpper(first)) + text[size:]
	if !strings.HasSuffix(text, ".") {
		text += "."
	}
	return text
}

// reach says where Nomad is looked for, without the password that an address
// can hold.
func (c *connection) reach() string {
	address := c.client.Address()
	if u, err := url.Parse(address); err == nil {
		address = u.Redacted()
	}
	return "Nomad is looked for at " + address + ". Its address and token come from the provider's address and secret_id, or from NOMAD_ADDR and NOMAD_TOKEN."
}

// keepsChanging is the diagnostic for a job that others write all the time.
func keepsChanging(err error) diag.Diagnostic {
	return diag.NewErrorDiagnostic("The job keeps changing", sentence(err)+" Something else writes the job at the same time. See who does with `nomad job history`, then apply again.")
}

// changedBefore is the diagnostic for what somebody has changed between plan and
// apply.
func changedBefore(err error) diag.Diagnostic {
	return diag.NewErrorDiagnostic("The job was changed since this was planned", sentence(err)+" Nothing was written, so that this is not lost unseen. Plan again: the plan shows the change, and applying it undoes it.")
}

// changedAfter is the diagnostic for what somebody has changed right after the
// write.
func changedAfter(err error) diag.Diagnostic {
	return diag.NewErrorDiagnostic("The job was changed right after it was written", sentence(err)+" That stands. See who did with `nomad job history`, then plan again: the plan shows the change, and applying it undoes it.")
}
