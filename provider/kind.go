package provider

import (
	"context"
	"math/big"
	"strconv"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	dataschema "github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// boolean is the kind of `enabled`, which is in the scaling block and not in the
// document.
const boolean scaler.Kind = "boolean"

// kind is how Terraform holds the values of a [scaler.Kind].
type kind struct {
	valueType attr.Type
	// attribute is the schema of a value in a resource: computed as well as optional,
	// so that a plan shows the default that applies. data is the same in the
	// configuration of a data source.
	attribute func(description string) schema.Attribute
	data      func(description string) dataschema.Attribute
	// value is the value of a text that the key's check accepts.
	value func(text string) attr.Value
	// same reports whether two texts mean the same value: 5m is 300s.
	same func(a, b string) bool
}

// kinds are all kinds of values.
var kinds = map[scaler.Kind]kind{
	boolean: {
		valueType: types.BoolType,
		attribute: func(description string) schema.Attribute {
			return schema.BoolAttribute{Optional: true, Computed: true, MarkdownDescription: description}
		},
		data: func(description string) dataschema.Attribute {
			return dataschema.BoolAttribute{Optional: true, MarkdownDescription: description}
		},
		value: func(text string) attr.Value { return types.BoolValue(text == "true") },
		same:  sameText,
	},
	scaler.Integer: {
		valueType: types.Int64Type,
		attribute: func(description string) schema.Attribute {
			return schema.Int64Attribute{Optional: true, Computed: true, MarkdownDescription: description}
		},
		data: func(description string) dataschema.Attribute {
			return dataschema.Int64Attribute{Optional: true, MarkdownDescription: description}
		},
		value: func(text string) attr.Value {
			n, _, _ := new(big.Float).Parse(text, 10) // 1e+06 is an integer too
			i, _ := n.Int64()
			return types.Int64Value(i)
		},
		same: sameNumber,
	},
	scaler.Number: {
		valueType: types.Float64Type,
		attribute: func(description string) schema.Attribute {
			return schema.Float64Attribute{Optional: true, Computed: true, MarkdownDescription: description}
		},
		data: func(description string) dataschema.Attribute {
			return dataschema.Float64Attribute{Optional: true, MarkdownDescription: description}
		},
		value: func(text string) attr.Value {
			n, _ := strconv.ParseFloat(text, 64)
			return types.Float64Value(n)
		},
		same: sameNumber,
	},
	scaler.List: {
		valueType: types.ListType{ElemType: types.StringType},
		attribute: func(description string) schema.Attribute {
			return schema.ListAttribute{Optional: true, Computed: true, ElementType: types.StringType, MarkdownDescription: description}
		},
		data: func(description string) dataschema.Attribute {
			return dataschema.ListAttribute{Optional: true, ElementType: types.StringType, MarkdownDescription: description}
		},
		value: func(text string) attr.Value {
			var elements []attr.Value
			for element := range strings.SplitSeq(text, ",") {
				elements = append(elements, types.StringValue(strings.TrimSpace(element)))
			}
			return types.ListValueMust(types.StringType, elements)
		},
		same: func(a, b string) bool {
			squeeze := func(s string) string { return strings.ToLower(strings.ReplaceAll(s, " ", "")) }
			return squeeze(a) == squeeze(b)
		},
	},
	scaler.String: textKind(sameText),
	scaler.Duration: textKind(func(a, b string) bool {
		x, okX := scaler.ParseDuration(a)
		y, okY := scaler.ParseDuration(b)
		return okX && okY && x == y
	}),
}

// textKind is a kind whose values are texts in Terraform.
func textKind(same func(a, b string) bool) kind {
	return kind{
		valueType: types.StringType,
		attribute: func(description string) schema.Attribute {
			return schema.StringAttribute{Optional: true, Computed: true, MarkdownDescription: description}
		},
		data: func(description string) dataschema.Attribute {
			return dataschema.StringAttribute{Optional: true, MarkdownDescription: description}
		},
		value: func(text string) attr.Value { return types.StringValue(text) },
		same:  same,
	}
}

func sameText(a, b string) bool { return a == b }

func sameNumber(a, b string) bool {
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	return errX == nil && errY == nil && x == y
}

// null and unknown are the values of the kind that hold nothing.
func (k kind) null() attr.Value    { return k.from(nil) }
func (k kind) unknown() attr.Value { return k.from(tftypes.UnknownValue) }

func (k kind) from(raw any) attr.Value {
	ctx := context.Background()
	value, err := k.valueType.ValueFromTerraform(ctx, tftypes.NewValue(k.valueType.TerraformType(ctx), raw))
	if err != nil {
		panic(err) // every type of the framework has both values
	}
	return value
}
