package gateway

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// A queue is the list that it looks like, whatever is pushed and removed.
func TestQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q queue
		var want []*turn
		t.Repeat(map[string]func(*rapid.T){
			"push": func(*rapid.T) {
				want = append(want, new(turn))
				q.push(want[len(want)-1])
			},
			"push first": func(*rapid.T) {
				want = slices.Insert(want, 0, new(turn))
				q.pushFirst(want[0])
			},
			"remove": func(t *rapid.T) {
				if len(want) == 0 {
					return
				}
				n := rapid.IntRange(0, len(want)-1).Draw(t, "n")
				q.remove(want[n])
				if want[n].queued {
					t.Fatal("a turn that was removed is still queued")
				}
				want = slices.Delete(want, n, n+1)
			},
			"": func(t *rapid.T) {
				var forth, back []*turn
				for i := q.first; i != nil; i = i.after {
					forth = append(forth, i)
				}
				for i := q.last; i != nil; i = i.before {
					back = append(back, i)
				}
				slices.Reverse(back)
				if !slices.Equal(forth, want) || !slices.Equal(back, want) || q.length != len(want) {
					t.Fatalf("forth %v, back %v and length %d, want %v", forth, back, q.length, want)
				}
			},
		})
	})
}
