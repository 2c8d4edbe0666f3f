package provider

import (
	"errors"

	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/selection"
)

// instancesModel is nomadscale_instances.
type instancesModel struct {
	namedApp
	ServiceSelectionMode types.String    `tfsdk:"service_selection_mode"`
	Key                  types.String    `tfsdk:"key"`
	Gateways             []types.String  `tfsdk:"gateways"`
	GatewayService       types.String    `tfsdk:"gateway_service"`
	GatewayNamespace     types.String    `tfsdk:"gateway_namespace"`
	GatewayToken         types.String    `tfsdk:"gateway_token"`
	Instances            []instanceModel `tfsdk:"instances"`
	Concurrency          types.Int64     `tfsdk:"concurrency"`
	RequestsPerMinute    types.Int64     `tfsdk:"requests_per_minute"`
	LoadError            types.String    `tfsdk:"load_error"`
	Selected             types.String    `tfsdk:"selected"`
	Candidates           []types.String  `tfsdk:"candidates"`
	SelectionError       types.String    `tfsdk:"selection_error"`
}

type instanceModel struct {
	ID       types.String `tfsdk:"id"`
	Index    types.Int64  `tfsdk:"index"`
	Address  types.String `tfsdk:"address"`
	Node     types.String `tfsdk:"node"`
	State    types.String `tfsdk:"state"`
	InFlight types.Int64  `tfsdk:"in_flight"`
	Error    types.String `tfsdk:"error"`
}

func instancesSchema() schema.Schema {
	notEmpty := []validator.String{stringvalidator.LengthAtLeast(1)}
	mode, _ := scaler.LookupKey(serviceSelectionMode)
	return schema.Schema{
		MarkdownDescription: "The instances of an app: where they are, how they are, their load as the gateways know it, and which one " +
			"a selection mode would choose.",
		Attributes: withNamedApp(map[string]schema.Attribute{
			serviceSelectionMode: schema.StringAttribute{
				Optional: true, Computed: true,
				MarkdownDescription: "The mode to try: " + mode.Allowed + ". Default: the policy's.",
			},
			"key": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "The value that the mode `hash` goes by: a client's address, or the value of the header or cookie that " +
					"the policy's `hash_key` names. Without one, it takes any instance.",
			},
			"gateways": schema.ListAttribute{
				Optional: true, ElementType: types.StringType,
				MarkdownDescription: "The URLs of the gateways' admin listeners, all of them. Default: those of `gateway_service`.",
			},
			"gateway_service": schema.StringAttribute{
				Optional: true, Validators: notEmpty,
				MarkdownDescription: "The Nomad service by which the gateways' admin listeners are found. Default: `" + api.AdminService + "`.",
			},
			"gateway_namespace": schema.StringAttribute{
				Optional: true, Validators: notEmpty,
				MarkdownDescription: "The namespace of that service. Default: `default`.",
			},
			"gateway_token": schema.StringAttribute{
				Optional: true, Sensitive: true,
				MarkdownDescription: "The bearer token of the gateways' admin listeners. Default: the variable `" + api.AdminTokenVariable + "`.",
			},
			"instances": schema.ListNestedAttribute{
				Computed: true, MarkdownDescription: "The instances that have not ended, by their `index`.",
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"id":      computedText("The ID of the allocation."),
					"index":   computedInteger("The index of the allocation in its group. Nomad stops the highest first."),
					"address": computedText("Where it takes requests, as `host:port`. Null when it has no such port."),
					"node":    computedText("The name of the node that it is on."),
					"state": computedText("`ready` to take requests; `starting`; `ejected`, for it does not answer; or `draining`, for " +
						"Nomad stops it. When no gateway tells, `running` for one whose tasks run."),
					"in_flight": computedInteger("The requests at it, of all gateways together. Null when they are not known."),
					"error":     computedText("What a gateway or Nomad last met of it. Null when nothing is wrong."),
				}},
			},
			"concurrency": computedInteger("The app's requests in flight and queued, of all gateways together. Null when they are " +
				"not known."),
			"requests_per_minute": computedInteger("The app's requests of the last minute, of all gateways together. Null when they are not known."),
			"load_error":          computedText("Why the load is not known: a gateway that does not answer makes it so. Null when it is known."),
			"selected": computedText("The ID of the instance that the mode would choose for the next request. Null when that " +
				"is left to chance or to the requests before, or when there is none."),
			"candidates": schema.ListAttribute{
				Computed: true, ElementType: types.StringType,
				MarkdownDescription: "The IDs of the instances among which the mode would choose, by their `index`. " +
					"A gateway that expects the app to shrink leaves out those that Nomad would stop first, as long as another has room; that " +
					"is not seen here.",
			},
			"selection_error": computedText("Why the mode would choose none, as `exact` does of several. Null when it would."),
		}),
	}
}

// askedView is what the gateways say of an app, or why they say nothing.
type askedView struct {
	api.AppView
	err error
}

// stateRunning is the state of an instance of which only Nomad tells.
const stateRunning api.State = "running"

// fill shows the instances, and what the mode would choose of them.
func (m *instancesModel) fill(all []nomad.PlacedInstance, v askedView, p scaler.Policy) {
	mode := scaler.SelectionMode(m.ServiceSelectionMode.ValueString())
	pool := selection.NewPool(selection.New(mode, nil), p.MaxConcurrencyPerInstance)
	m.Instances = make([]instanceModel, len(all))
	for n, i := range all {
		shown := instanceModel{
			ID: types.StringValue(i.ID), Index: integer(&i.Index), Address: textOrNull(i.Address(p.Port)), Node: textOrNull(i.Node), Error: textOrNull(i.Failure),
		}
		seen := v.Instance(i.ID)
		state := seen.State
		if i.Stopping {
			state = api.Draining
		}
		switch {
		case v.err == nil:
			shown.InFlight = integer(&seen.InFlight)
			if seen.Error != "" {
				shown.Error = types.StringValue(seen.Error)
			}
		case i.Stopping:
		case i.Running:
			state = stateRunning
		default:
			state = api.Starting
		}
		shown.State = types.StringValue(string(state))
		m.Instances[n] = shown
		slot := pool.Add(i.ID, i.Index, "")
		pool.SetReady(i.ID, state == api.Ready || state == stateRunning)
		pool.SetDraining(i.ID, i.Stopping)
		pool.SetRemoteLoad(slot, seen.InFlight)
		pool.SetReserved(slot, seen.InFlight)
	}
	if v.err != nil {
		m.LoadError = types.StringValue(v.err.Error())
	} else {
		m.Concurrency, m.RequestsPerMinute = integer(&v.Load.Concurrency), integer(&v.Load.RequestsPerMinute)
	}
	m.choose(pool, v, p)
}

// errNoLoad is why a mode that goes by load chooses nothing.
var errNoLoad = errors.New("it goes by the requests at each instance, which are not known")

// choose shows what the mode would choose.
func (m *instancesModel) choose(pool *selection.Pool, v askedView, p scaler.Policy) {
	m.Candidates = []types.String{}
	mode := scaler.SelectionMode(m.ServiceSelectionMode.ValueString())
	outcomes, err := pool.Outcomes(mode, m.Key.ValueString())
	byLoad := mode == scaler.SelectMinLoad || mode == scaler.SelectPowerOfTwo || p.MaxConcurrencyPerInstance > 0
	if err == nil && v.err != nil && byLoad && len(pool.Instances()) > 0 {
		err = errNoLoad
	}
	if err != nil {
		m.SelectionError = types.StringValue(err.Error())
		return
	}
	for _, i := range outcomes {
		m.Candidates = append(m.Candidates, types.StringValue(i.ID))
	}
	if len(outcomes) == 1 {
		m.Selected = m.Candidates[0]
	}
}
