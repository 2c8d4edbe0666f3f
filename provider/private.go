package provider

import (
	"context"
	"encoding/json"

	"github.com/hashicorp/terraform-plugin-framework/diag"
)

// The keys of private state.
const (
	// baselineKey holds what was declared, as package nomad lists it by path.
	baselineKey = "declared"
	// formerKey holds the scaling block that stood where a policy was put, or
	// null.
	formerKey = "former"
)

type privateReader interface {
	GetKey(ctx context.Context, key string) ([]byte, diag.Diagnostics)
}

type privateWriter interface {
	SetKey(ctx context.Context, key string, value []byte) diag.Diagnostics
}

// readPrivate leaves the value as it is when there is none, as after an import.
func readPrivate(ctx context.Context, private privateReader, key string, value any) diag.Diagnostics {
	text, diags := private.GetKey(ctx, key)
	if len(text) == 0 || diags.HasError() {
		return diags
	}
	if err := json.Unmarshal(text, value); err != nil {
		diags.AddError("Unreadable private state", sentence(err)+" This is a bug in the provider.")
	}
	return diags
}

func keepPrivate(ctx context.Context, private privateWriter, key string, value any) diag.Diagnostics {
	text, err := json.Marshal(value)
	if err != nil {
		return diag.Diagnostics{diag.NewErrorDiagnostic("Unwritable private state", sentence(err)+" This is a bug in the provider.")}
	}
	return private.SetKey(ctx, key, text)
}
