package provider

import (
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
)

// sever cuts connections to Nomad from now on.
func (m *meddler) sever() error {
	m.cut.Store(forever)
	return nil
}

func TestUnreachableAtApply(t *testing.T) {
	t.Parallel()
	const id = "unreachable-apply"
	m := new(meddler)
	address := m.start(t)
	config := func(most string) string {
		return configuredAt(address, app("a", spec(id, ""), `autoscaling = { max_instances = `+most+` }`))
	}
	apply(t,
		resource.TestStep{Config: config("5")},
		resource.TestStep{
			Config:           config("6"),
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{betweenPlanAndApply(m.sever)}},
			ExpectError:      said("Nomad is looked for at " + address),
		},
		resource.TestStep{ // the state is that of before, and so is the plan
			PreConfig: func() {
				m.restore()
				scale(t, id, 3)
			},
			Config:           config("6"),
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{planned{map[string][]string{"a": {"autoscaling.hard_max_instances", "autoscaling.max_instances"}}}}},
			Check:            counts(id, 3),
		},
	)
}

// When the answer to the registration of a new job is lost, so must not be the
// job that Nomad may have.
func TestUnreachableWhileRegistering(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lose func(*meddler)
		says string
		next plancheck.ResourceActionType
	}{
		"the request is lost": {func(m *meddler) { m.deaf.Store(true) }, "Nomad may have it all the same", plancheck.ResourceActionCreate},
		"the answer is lost":  {func(m *meddler) { m.mute.Store(true) }, "Nomad may have it all the same", plancheck.ResourceActionReplace},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			id := "lost-" + string(c.next)
			m := new(meddler)
			c.lose(m)
			address := m.start(t)
			config := configuredAt(address, app("a", spec(id, ""), `autoscaling = {}`))
			applyAndDestroy(t, gone(id),
				resource.TestStep{Config: config, ExpectError: said(c.says)},
				resource.TestStep{PreConfig: m.restore, Config: config, ConfigPlanChecks: action(c.next), Check: runs(id)},
			)
		})
	}
}

func TestUnreachableWhileWaiting(t *testing.T) {
	t.Parallel()
	config := func(address, id, inside string) string {
		return configuredAt(address, app("a", deploying(id), inside))
	}
	t.Run("for a moment", func(t *testing.T) {
		t.Parallel()
		const id = "waiting-blinks"
		m := new(meddler)
		m.waiting = func() error { m.cut.Store(2); return nil }
		address := m.start(t)
		apply(t, resource.TestStep{
			Config: config(address, id, `autoscaling = {}`),
			Check:  resource.ComposeAggregateTestCheckFunc(m.meddled, runs(id)),
		})
	})
	t.Run("for a changed job", func(t *testing.T) {
		t.Parallel()
		const id = "waiting-update"
		m := new(meddler)
		address := m.start(t)
		changed := config(address, id, `autoscaling = { max_instances = 6 }
		  timeouts = { update = "3s" }`)
		apply(t,
			resource.TestStep{Config: config(agent.Address, id, `autoscaling = { max_instances = 5 }`)},
			resource.TestStep{
				PreConfig:   func() { m.waiting = m.sever },
				Config:      changed,
				ExpectError: said("Whether it is healthy was not seen"),
			},
			resource.TestStep{ // it was written, and the state says so
				PreConfig:        m.restore,
				Config:           changed,
				ConfigPlanChecks: action(plancheck.ResourceActionNoop),
				Check:            counts(id, 1),
			},
		)
	})
	t.Run("for a new job", func(t *testing.T) {
		t.Parallel()
		const id = "waiting-create"
		m := new(meddler)
		m.waiting = m.sever
		address := m.start(t)
		impatient := config(address, id, `autoscaling = {}
		  timeouts = { create = "3s" }`)
		applyAndDestroy(t, gone(id),
			resource.TestStep{Config: impatient, ExpectError: said("Nomad is looked for at " + address)},
			resource.TestStep{
				PreConfig:        m.restore,
				Config:           config(address, id, `autoscaling = {}`),
				ConfigPlanChecks: action(plancheck.ResourceActionReplace),
				Check:            runs(id),
			},
		)
	})
}
