package simulate

import (
	"math"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// settleTime is how far back a decision to scale down an active app looks.
const settleTime = time.Minute

// window is the series that the decision function sees. It leaves out the samples
// that cannot change a decision, so that it stays short even if
// stop_after_inactive is long:
//   - a zero between two zeros that are at most [scaler.MaxGap] apart;
//   - while there is load, everything older than settleTime;
//   - an unknown load that a later sample follows.
type window struct {
	buffer []scaler.Sample
	head   int           // the index in buffer of the oldest sample of the series
	idle   time.Duration // how far back a decision looks at an app without load
}

func newWindow(p scaler.Policy) window {
	return window{idle: max(p.StopAfterInactive, settleTime)}
}

// series is what the decision function sees at an evaluation. It is valid until
// the next push.
func (w *window) series() []scaler.Sample { return w.buffer[w.head:] }

// newest is only the load now, by which a gateway decides.
func (w *window) newest() []scaler.Sample { return w.buffer[len(w.buffer)-1:] }

// push adds the load now.
func (w *window) push(s scaler.Sample) {
	if n := len(w.buffer); n-w.head >= 1 && math.IsNaN(w.buffer[n-1].Value) {
		w.buffer = w.buffer[:n-1]
	}
	if n := len(w.buffer); n-w.head >= 2 && redundant(w.buffer[n-2], w.buffer[n-1], s) {
		w.buffer[n-1] = s
	} else {
		w.makeRoom()
		w.buffer = append(w.buffer, s)
	}
	reach := w.idle
	if s.Value > 0 {
		reach = settleTime
	}
	oldest := s.Time.Add(-reach)
	for w.head+1 < len(w.buffer) && !w.buffer[w.head+1].Time.After(oldest) {
		w.head++
	}
}

// redundant reports whether the sample between two others can be left out.
func redundant(before, between, after scaler.Sample) bool {
	return before.Value == 0 && between.Value == 0 && after.Value == 0 && after.Time.Sub(before.Time) <= scaler.MaxGap
}

// makeRoom moves the series to the front of a full buffer, so that the buffer grows
// to about twice the length of the series and no further.
func (w *window) makeRoom() {
	if len(w.buffer) == cap(w.buffer) && w.head > len(w.buffer)/2 {
		n := copy(w.buffer, w.buffer[w.head:])
		w.buffer, w.head = w.buffer[:n], 0
	}
}
