// Package api is what gateways say to others: the JSON of the admin listener, and
// a client that asks all gateways of a cluster.
package api

import (
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// AppStatus is one app in the list that /v1/apps answers.
type AppStatus struct {
	// App names the app.
	App scaler.AppID `json:"app"`
	// Policy is the policy that is in force, with every value explicit. It is
	// absent while there has been no valid one.
	Policy scaler.Document `json:"policy,omitempty"`
	// Enabled is the scaling block's own switch.
	Enabled bool `json:"enabled"`
	// Override replaces some of Policy's values for a while. It is absent when no
	// override is in force.
	Override *scaler.Override `json:"override,omitempty"`
	// Error says what is wrong with the newest policy. Policy is then the last
	// good one, and stays in force.
	Error string `json:"error,omitempty"`
	// Mounts are the places where requests come from: a host or "", and a path.
	Mounts []string `json:"mounts"`
	// Refused are places that the policy asks for and another app has.
	Refused []string `json:"refused,omitempty"`
	// Desired is the count that Nomad is asked to run and Running those that
	// are ready, as far as the gateway knows.
	Desired int `json:"desired"`
	Running int `json:"running"`
	// Metric is the policy's, and Load the app's load in it as this gateway sees
	// it. Load is absent for a custom metric.
	Metric scaler.Metric `json:"metric,omitempty"`
	Load   *float64      `json:"load,omitempty"`
	// InFlight are requests at instances; Queued are requests held.
	InFlight int `json:"in_flight"`
	Queued   int `json:"queued"`
	// Instances are those that Nomad runs or is stopping, by index.
	Instances []InstanceStatus `json:"instances"`
	// Decision is the last one made here, if any.
	Decision *DecisionStatus `json:"decision,omitempty"`
	// ScaleError is why the last scale call failed; "" after one that succeeded.
	ScaleError string `json:"scale_error,omitempty"`
	// StartError is why no instance will start, in Nomad's words; "" while one
	// may.
	StartError string `json:"start_error,omitempty"`
	// StartSeconds is how long instances take from their allocation until they
	// are ready, learned from the last ones; 0 while it is not known.
	StartSeconds float64 `json:"start_seconds"`
	// ColdStart is the last start from zero, if any.
	ColdStart *ColdStart `json:"cold_start,omitempty"`
}

// State is the state of an instance.
type State string

// The states. Every instance begins as Starting and is probed. One that does not
// accept connections, or does not answer, is Ejected for a while and then probed
// again. An instance that Nomad decides to stop is Draining until it ends.
const (
	Starting State = "starting"
	Ready    State = "ready"
	Ejected  State = "ejected"
	Draining State = "draining"
)

// InstanceRef names an instance.
type InstanceRef struct {
	// ID is the allocation's ID.
	ID string `json:"id"`
	// Index is the allocation's index in its group.
	Index int `json:"index"`
	// Address is where it serves.
	Address string `json:"address"`
}

// InstanceStatus is an instance in an [AppStatus].
type InstanceStatus struct {
	InstanceRef
	State State `json:"state"`
	// Since is when it came into that state.
	Since time.Time `json:"since"`
	// InFlight are the requests at it.
	InFlight int `json:"in_flight"`
	// Error is what its last probe met while it is starting, and what a request
	// or the last probe met while it is ejected.
	Error string `json:"error,omitempty"`
}

// DecisionStatus is a decision that the gateway has made. Equal decisions in a row
// count as one.
type DecisionStatus struct {
	// Time is when it was made for the first time.
	Time time.Time `json:"time"`
	// Times is how often it was made in a row, and Last when for the last time.
	Times int       `json:"times"`
	Last  time.Time `json:"last"`

	Direction scaler.Direction `json:"direction"`
	Rule      scaler.Rule      `json:"rule"`
	From      int              `json:"from"`
	To        int              `json:"to"`
	Reason    string           `json:"reason"`
	// Load is in the policy's metric, Demand in instances at 100 %, and
	// Utilisation a fraction of the target.
	Load        float64 `json:"load"`
	Demand      float64 `json:"demand"`
	Utilisation float64 `json:"utilisation"`
	// Goal is what the load calls for between MinInstances and MaxInstances.
	Goal         int `json:"goal"`
	MinInstances int `json:"min_instances"`
	MaxInstances int `json:"max_instances"`
	// WaitSeconds is how long a cooldown still held the count back.
	WaitSeconds float64 `json:"wait_seconds,omitempty"`
}

// ColdStart says how long a start from zero took, by phase. Ready is the
// instance's own share; the others are Nomad's and the gateway's.
type ColdStart struct {
	// Time is when the request came that found no instance.
	Time time.Time `json:"time"`
	// Decide is from there until Nomad had accepted the count.
	Decide float64 `json:"decide_seconds"`
	// Place is from there until Nomad had placed an allocation.
	Place float64 `json:"place_seconds"`
	// Ready is from there until an instance was ready.
	Ready float64 `json:"ready_seconds"`
	// FirstByte is from there until the head of the first answer.
	FirstByte float64 `json:"first_byte_seconds"`
	// Total is the sum of all phases.
	Total float64 `json:"total_seconds"`
}
