package selection_test

import (
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/selection"
)

func TestPoolKeepsWhatIsInFlight(t *testing.T) {
	p := selection.NewPool(selection.New(scaler.SelectFirst, seeded()), 2)
	p.Add("a", 0, "127.0.0.1:8080")
	if _, err := p.Acquire(""); !errors.Is(err, selection.ErrEmpty) {
		t.Fatalf("an instance that starts: %v, want %v", err, selection.ErrEmpty)
	}
	p.SetReady("a", true)

	i, err := p.Acquire("")
	if err != nil || i.Address != "127.0.0.1:8080" || i.InFlight() != 1 || !i.Ready() {
		t.Fatalf("acquired %+v, %v", i, err)
	}
	if again := p.Add("a", 0, "127.0.0.1:8080"); again != i {
		t.Error("adding an instance again replaces it")
	}
	if _, err := p.Acquire(""); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Acquire(""); !errors.Is(err, selection.ErrFull) {
		t.Fatalf("a third request of two: %v", err)
	}

	p.SetLimit(3)
	p.SetMode(selection.New(scaler.SelectMinLoad, seeded()))
	if _, err := p.Acquire(""); err != nil {
		t.Fatalf("after the limit rose: %v", err)
	}
	p.SetLimit(1)
	p.Release(i)
	if _, err := p.Acquire(""); !errors.Is(err, selection.ErrFull) || i.InFlight() != 2 {
		t.Fatalf("after the limit fell below the %d in flight: %v", i.InFlight(), err)
	}

	p.SetDraining("a", true)
	p.Remove("a")
	p.Release(i)
	p.Release(i)
	if i.InFlight() != 0 || len(p.Instances()) != 0 || p.Get("a") != nil {
		t.Errorf("%d in flight, %d in the pool", i.InFlight(), len(p.Instances()))
	}
	if fresh := p.Add("a", 0, ""); fresh == i || fresh.Ready() || fresh.Draining() {
		t.Errorf("an instance that comes back is %+v", fresh)
	}
}

func TestPoolIgnoresInstancesItDoesNotKnow(t *testing.T) {
	p := selection.NewPool(selection.New(scaler.SelectFirst, seeded()), 0)
	add(p, "a", 0, 0)
	p.Remove("b")
	p.SetReady("b", true)
	p.SetDraining("b", true)
	if i, err := p.Acquire(""); err != nil || i.ID != "a" {
		t.Errorf("acquired %v, %v", i, err)
	}
}

// After any sequence of changes, each mode selects an instance that may be selected,
// and there is an error only if there is none.
func TestPoolModel(t *testing.T) {
	type instance struct {
		index           int
		ready, draining bool
		inFlight        int
	}
	rapid.Check(t, func(t *rapid.T) {
		random := seeded()
		newMode := func() (scaler.SelectionMode, selection.Mode) {
			mode := rapid.SampledFrom(modes).Draw(t, "mode")
			return mode, selection.New(mode, random)
		}
		name, mode := newMode()
		limit, fence := 0, 0
		p := selection.NewPool(mode, limit)
		model := map[string]*instance{}
		var acquired []*selection.Instance

		id := rapid.Map(rapid.IntRange(0, 5), func(n int) string { return fmt.Sprintf("allocation-%d", n) })
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				id, index := id.Draw(t, "id"), rapid.IntRange(0, 6).Draw(t, "index")
				p.Add(id, index, "")
				if model[id] == nil {
					model[id] = &instance{index: index}
				}
			},
			"remove": func(t *rapid.T) {
				id := id.Draw(t, "id")
				p.Remove(id)
				delete(model, id)
			},
			"ready": func(t *rapid.T) {
				id, ready := id.Draw(t, "id"), rapid.IntRange(0, 3).Draw(t, "ready") > 0
				p.SetReady(id, ready)
				if i := model[id]; i != nil {
					i.ready = ready
				}
			},
			"drain": func(t *rapid.T) {
				id, draining := id.Draw(t, "id"), rapid.IntRange(0, 3).Draw(t, "draining") == 0
				p.SetDraining(id, draining)
				if i := model[id]; i != nil {
					i.draining = draining
				}
			},
			"fence": func(t *rapid.T) {
				fence = rapid.IntRange(0, 3).Draw(t, "fence")
				p.Fence(fence)
			},
			"change": func(t *rapid.T) {
				name, mode = newMode()
				limit = rapid.IntRange(0, 3).Draw(t, "limit")
				p.SetMode(mode)
				p.SetLimit(limit)
			},
			"acquire": func(t *rapid.T) {
				got, err := p.Acquire(rapid.SampledFrom([]string{"", "alice", "bob"}).Draw(t, "key"))

				fenced := func(id string) bool {
					higher := 0
					for other, i := range model {
						if !i.draining && (i.index > model[id].index || i.index == model[id].index && other > id) {
							higher++
						}
					}
					return higher < fence
				}
				var ready, free, open int
				for id, i := range model {
					if !i.ready || i.draining {
						continue
					}
					ready++
					if limit > 0 && i.inFlight >= limit {
						continue
					}
					free++
					if !fenced(id) {
						open++
					}
				}
				var several *selection.SeveralError
				switch {
				case ready == 0:
					if !errors.Is(err, selection.ErrEmpty) {
						t.Fatalf("none is ready: %v", err)
					}
				case name == scaler.SelectExact && ready > 1:
					if !errors.As(err, &several) || len(several.IDs) != ready {
						t.Fatalf("%d are ready: %v", ready, err)
					}
				case free == 0:
					if !errors.Is(err, selection.ErrFull) {
						t.Fatalf("none is free: %v", err)
					}
				case err != nil:
					t.Fatalf("%d are free: %v", free, err)
				default:
					i := model[got.ID]
					if i == nil || !i.ready || i.draining || limit > 0 && i.inFlight >= limit {
						t.Fatalf("%s selects %s, which is %+v with a limit of %d", name, got.ID, i, limit)
					}
					if open > 0 && fenced(got.ID) {
						t.Fatalf("%s selects %s behind the fence, and %d before it are free", name, got.ID, open)
					}
					i.inFlight++
					acquired = append(acquired, got)
				}
			},
			"release": func(t *rapid.T) {
				if len(acquired) == 0 {
					return
				}
				n := rapid.IntRange(0, len(acquired)-1).Draw(t, "which")
				p.Release(acquired[n])
				if p.Get(acquired[n].ID) == acquired[n] {
					model[acquired[n].ID].inFlight--
				}
				acquired = append(acquired[:n], acquired[n+1:]...)
			},
			"": func(t *rapid.T) {
				if len(p.Instances()) != len(model) {
					t.Fatalf("%d instances, want %d", len(p.Instances()), len(model))
				}
				for _, i := range p.Instances() {
					want := model[i.ID]
					if want == nil || i.InFlight() != want.inFlight || i.Ready() != want.ready || i.Draining() != want.draining {
						t.Fatalf("%+v, want %+v", i, want)
					}
				}
			},
		})
	})
}
