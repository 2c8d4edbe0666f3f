package simulate

import (
	"math"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// settleTime is how far back a decision to shrink an active app looks.
const settleTime = time.Minute

// window is the series that the decision function is shown. It leaves out the
// samples that can change no decision, so that it stays short however long
// stop_after_inactive is: of a run of zeros, those that others nearer than
// [scaler.MaxGap] stand for; behind load, all that is older than a minute; and a
// load that was not known once it is.
type window struct {
	buffer []scaler.Sample
	head   int           // the first sample of the buffer that counts
	idle   time.Duration // how far back an app without load is looked at
}

func newWindow(p scaler.Policy) window {
	return window{idle: max(p.StopAfterInactive, settleTime)}
}

// series is what the decision function is shown. It is good until the next push.
func (w *window) series() []scaler.Sample { return w.buffer[w.head:] }

// newest is the load now alone, which is what a gateway decides by.
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

// redundant tells whether the sample between two others says nothing that they
// do not.
func redundant(before, between, after scaler.Sample) bool {
	return before.Value == 0 && between.Value == 0 && after.Value == 0 && after.Time.Sub(before.Time) <= scaler.MaxGap
}

// makeRoom moves the series to the front of its buffer when the buffer is full,
// so that it grows to about twice the series and no more.
func (w *window) makeRoom() {
	if len(w.buffer) == cap(w.buffer) && w.head > len(w.buffer)/2 {
		n := copy(w.buffer, w.buffer[w.head:])
		w.buffer, w.head = w.buffer[:n], 0
	}
}
