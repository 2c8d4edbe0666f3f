package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
)

// SlotReport says which slots of an app's instances a gateway holds and wants;
// it is both the body and the answer of POST /v1/peer/slots.
type SlotReport struct {
	Process string `json:"process"`
	App     string `json:"app"`
	// Number is above that of every report that the process has made or heard.
	Number int64 `json:"number"`
	// Held are the slots that it may use or still uses, by allocation ID.
	Held map[string]int `json:"held,omitempty"`
	// Want is how many it would like to hold instead, and Asked the number with
	// which it began to ask.
	Want  map[string]int `json:"want,omitempty"`
	Asked int64          `json:"asked,omitempty"`
}

// mostReports bounds the numbers of reports.
const mostReports = 1 << 53

// UnmarshalJSON reads a report and rejects one that no gateway makes.
func (r *SlotReport) UnmarshalJSON(text []byte) error {
	type plain SlotReport
	var p plain
	if err := json.Unmarshal(text, &p); err != nil {
		return err
	}
	if p.Process == "" {
		return errNoProcess
	}
	if p.Number < 0 || p.Number > mostReports {
		return fmt.Errorf("number = %d: must be from 0 to %d", p.Number, int64(mostReports))
	}
	if err := errors.Join(checkCounts("held", p.Held), checkCounts("want", p.Want)); err != nil {
		return err
	}
	*r = SlotReport(p)
	return nil
}

// numbers are those of a process's reports: the highest that it has given or
// heard.
type numbers struct{ last atomic.Int64 }

func (n *numbers) next() int64 { return n.last.Add(1) }

func (n *numbers) heard(number int64) {
	for {
		last := n.last.Load()
		if last >= number || n.last.CompareAndSwap(last, number) {
			return
		}
	}
}
