package backend_test

import (
	"testing"
	"testing/synctest"
)

func TestSmoke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		a := f.app(t, webID, nil)
		start(a, "a", 0)
		synctest.Wait()
		l, waited, err := a.Acquire(t.Context(), f.request(a))
		if err != nil || waited != 0 || l.Instance() != "a" {
			t.Errorf("%v %v %v", l, waited, err)
		}
	})
}
