package simulate

import "time"

// instances are the desired instances, of which some are ready and the others are
// starting. Nomad stops the highest index first, which is the newest instance.
type instances struct {
	desired, starting int
	batches           []batch // the starting instances, oldest first
}

// batch is instances that one action asked for.
type batch struct {
	readyAt time.Duration
	count   int
}

func (i *instances) ready() int { return i.desired - i.starting }

// scale changes the desired count. New instances are ready at readyAt.
func (i *instances) scale(count int, readyAt time.Duration) {
	if added := count - i.desired; added > 0 {
		i.batches = append(i.batches, batch{readyAt, added})
		i.starting += added
	}
	for stopped := i.desired - count; stopped > 0 && len(i.batches) > 0; {
		newest := &i.batches[len(i.batches)-1]
		n := min(stopped, newest.count)
		newest.count -= n
		i.starting -= n
		stopped -= n
		if newest.count == 0 {
			i.batches = i.batches[:len(i.batches)-1]
		}
	}
	i.desired = count
}

// nextReady is when the next starting instance is ready.
func (i *instances) nextReady() time.Duration {
	if len(i.batches) == 0 {
		return never
	}
	return i.batches[0].readyAt
}

// advance makes the instances ready that were to be ready by now.
func (i *instances) advance(now time.Duration) {
	for len(i.batches) > 0 && i.batches[0].readyAt <= now {
		i.starting -= i.batches[0].count
		i.batches = i.batches[1:]
	}
}
