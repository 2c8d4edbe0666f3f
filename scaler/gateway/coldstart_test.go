package gateway

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
)

func TestColdStart(t *testing.T) {
	zero := time.Unix(1000, 0)
	at := func(ms int) time.Time { return zero.Add(time.Duration(ms) * time.Millisecond) }
	for name, test := range map[string]struct {
		events func(*coldStart)
		want   api.ColdStart
	}{
		"all phases": {
			func(s *coldStart) { s.begin(at(0)); s.decide(at(20)); s.place(at(30)); s.readied(at(230)) },
			api.ColdStart{Time: zero, Decide: .02, Place: .01, Ready: .2, FirstByte: .02, Total: .25},
		},
		"Nomad tells of the allocation before it answers": {
			func(s *coldStart) { s.begin(at(0)); s.place(at(18)); s.decide(at(20)); s.readied(at(230)) },
			api.ColdStart{Time: zero, Decide: .018, Ready: .212, FirstByte: .02, Total: .25},
		},
		"somebody else scaled": {
			func(s *coldStart) { s.begin(at(0)); s.place(at(40)); s.readied(at(230)) },
			api.ColdStart{Time: zero, Place: .04, Ready: .19, FirstByte: .02, Total: .25},
		},
		"only the first of each counts": {
			func(s *coldStart) {
				s.place(at(-5))
				for i := range 3 {
					s.begin(at(i))
					s.decide(at(20 + i))
					s.place(at(30 + i))
					s.readied(at(230 + i))
				}
			},
			api.ColdStart{Time: zero, Decide: .02, Place: .01, Ready: .2, FirstByte: .02, Total: .25},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var s coldStart
			test.events(&s)
			got := s.end(at(250))
			if diff := cmp.Diff(&test.want, got, cmpopts.EquateApprox(0, 1e-9)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if s.end(at(300)) != nil || s.last != got {
				t.Error("a start ended twice")
			}
		})
	}
	var s coldStart
	s.begin(at(0))
	s.decide(at(10))
	if s.end(at(20)) != nil {
		t.Error("a start ended before an instance was ready")
	}
	s.abandon()
	s.begin(at(50))
	s.readied(at(60))
	if got := s.end(at(70)); got == nil || !got.Time.Equal(at(50)) {
		t.Errorf("after one that was given up: %+v", got)
	}
}
