package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// PeerState is the state of another gateway.
type PeerState string

// The states. What a silent gateway had counts less and less; of one that is gone
// only the requests of the trailing minute count.
const (
	PeerAnswers PeerState = "answers"
	PeerSilent  PeerState = "silent"
	PeerGone    PeerState = "gone"
)

// PeerStates lists the states.
var PeerStates = []PeerState{PeerAnswers, PeerSilent, PeerGone}

// PeerStatus is what /v1/peers says of another gateway.
type PeerStatus struct {
	// Gateway is its ID; "" while it has never answered.
	Gateway string    `json:"gateway,omitempty"`
	Address string    `json:"address"`
	State   PeerState `json:"state"`
	// Answered is when it answered last.
	Answered time.Time `json:"answered,omitzero"`
	// Error is why it has not answered since.
	Error string `json:"error,omitempty"`
}

// PeerReport is what /v1/peer answers to the other gateways: this one's load.
type PeerReport struct {
	// Gateway is the ID of the gateway. Process names its process, so that a
	// restarted gateway is not taken for the one before it.
	Gateway string `json:"gateway"`
	Process string `json:"process"`
	// Ending reports that it takes no new requests.
	Ending bool `json:"ending,omitempty"`
	// Apps leaves idle ones out.
	Apps map[scaler.AppID]PeerLoad `json:"apps"`
}

// PeerLoad is the load of an app at one gateway.
type PeerLoad struct {
	// RequestsPerMinute and Concurrency are as in a load.Snapshot.
	RequestsPerMinute int `json:"requests_per_minute"`
	Concurrency       int `json:"concurrency"`
	// Arrivals are the requests that came lately, per second, let in or not;
	// counted for an app with rate_limit.
	Arrivals float64 `json:"arrivals,omitempty"`
	// InFlight are the requests at instances, by the allocation's ID.
	InFlight map[string]int `json:"in_flight,omitempty"`
	// Drained are the allocations that Nomad is stopping and that have no
	// request of this gateway, and get none.
	Drained []string `json:"drained,omitempty"`
}

// UnmarshalJSON reads a report and rejects one that no gateway makes.
func (r *PeerReport) UnmarshalJSON(text []byte) error {
	type plain PeerReport
	var p plain
	if err := json.Unmarshal(text, &p); err != nil {
		return err
	}
	if p.Process == "" {
		return errNoProcess
	}
	for app, l := range p.Apps {
		err := errors.Join(
			checkCount("requests_per_minute", l.RequestsPerMinute),
			checkCount("concurrency", l.Concurrency),
			checkCounts("in_flight", l.InFlight),
		)
		if l.Arrivals < 0 || l.Arrivals > maxCount {
			err = errors.Join(err, fmt.Errorf("arrivals = %v: must be from 0 to %d", l.Arrivals, maxCount))
		}
		if err != nil {
			return fmt.Errorf("%s: %w", app, err)
		}
	}
	*r = PeerReport(p)
	return nil
}

// PermitReport says which permits for requests at an app's instances a gateway
// holds and requests. It is both the body and the answer of POST /v1/peer/permits.
type PermitReport struct {
	Process string       `json:"process"`
	App     scaler.AppID `json:"app"`
	// Number is above that of every report that the process has made or heard.
	Number int64 `json:"number"`
	// Granted are the permits that it may use or still uses, by allocation ID.
	Granted map[string]int `json:"granted,omitempty"`
	// Requested is how many it would like to hold instead, and RequestedAt the
	// number with which it began to ask.
	Requested   map[string]int `json:"requested,omitempty"`
	RequestedAt int64          `json:"requested_at,omitempty"`
}

// maxNumber bounds the numbers of reports.
const maxNumber = 1 << 53

// UnmarshalJSON reads a report and rejects one that no gateway makes.
func (r *PermitReport) UnmarshalJSON(text []byte) error {
	type plain PermitReport
	var p plain
	if err := json.Unmarshal(text, &p); err != nil {
		return err
	}
	if p.Process == "" {
		return errNoProcess
	}
	if p.Number < 0 || p.Number > maxNumber {
		return fmt.Errorf("number = %d: must be from 0 to %d", p.Number, int64(maxNumber))
	}
	if err := errors.Join(checkCounts("granted", p.Granted), checkCounts("requested", p.Requested)); err != nil {
		return err
	}
	*r = PermitReport(p)
	return nil
}

var errNoProcess = errors.New("process: must not be empty")

// maxCount bounds every count that gateways tell each other, so that sums do not
// overflow.
const maxCount = 1 << 30

func checkCount(what string, n int) error {
	if n < 0 || n > maxCount {
		return fmt.Errorf("%s = %d: must be from 0 to %d", what, n, maxCount)
	}
	return nil
}

func checkCounts(what string, counts map[string]int) error {
	for id, n := range counts {
		if err := checkCount(what+" of "+id, n); err != nil {
			return err
		}
	}
	return nil
}
