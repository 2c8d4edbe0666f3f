package selection

import "sort"

// Set is the instances that may get a request: those with room, at least one
// when a [Mode] sees it. What a mode asks of it does not scan the instances,
// but for Fewest once after instances have come or gone, and for All.
type Set struct {
	members []*Instance // by allocation index
	room    positions   // the positions in members of those with room
	free    []*Instance // those with room, in no order

	// levels are those with room by their requests in flight, each in no order.
	// They are kept from when a mode first asks for the fewest.
	levels [][]*Instance
	// fewest is at most the lowest level with an instance.
	fewest int
	kept   bool
}

// Len is how many instances have room.
func (s *Set) Len() int { return len(s.free) }

// At returns an instance, by an order that does not mean anything.
func (s *Set) At(n int) *Instance { return s.free[n] }

// First returns the instance with the lowest allocation index.
func (s *Set) First() *Instance { return s.members[s.room.next(0)] }

// Last returns the instance with the highest allocation index.
func (s *Set) Last() *Instance { return s.members[s.room.last()] }

// After returns the instance that follows a place in the order of allocation
// index and ID, and the first one behind the end.
func (s *Set) After(index int, id string) *Instance {
	from := sort.Search(len(s.members), func(n int) bool { return s.members[n].after(index, id) })
	if at := s.room.next(from); at >= 0 {
		return s.members[at]
	}
	return s.First()
}

// Fewest returns the instances with the fewest requests in flight, in no order.
func (s *Set) Fewest() []*Instance {
	if !s.kept {
		s.kept = true
		for _, i := range s.free {
			s.raise(i)
		}
	}
	for len(s.levels[s.fewest]) == 0 {
		s.fewest++
	}
	return s.levels[s.fewest]
}

// fill makes the set that of members.
func (s *Set) fill(members []*Instance, limit int) {
	*s = Set{members: members, room: s.room.empty(len(members)), free: s.free[:0], levels: s.levels}
	for n := range s.levels {
		s.levels[n] = s.levels[n][:0]
	}
	for position, i := range members {
		i.set, i.position = s, position
		if i.hasRoom(limit) {
			s.add(i)
		}
	}
}

// add takes in a member that has room.
func (s *Set) add(i *Instance) {
	s.room.add(i.position)
	i.inFree = len(s.free)
	s.free = append(s.free, i)
	if s.kept {
		s.raise(i)
	}
}

// remove takes out a member that has no room any more.
func (s *Set) remove(i *Instance) {
	s.room.remove(i.position)
	end := len(s.free) - 1
	moved := s.free[end]
	s.free[i.inFree], moved.inFree = moved, i.inFree
	s.free = s.free[:end]
	if s.kept {
		s.leave(i)
	}
}

// raise puts an instance on the level of its requests in flight.
func (s *Set) raise(i *Instance) {
	i.level = i.load()
	for len(s.levels) <= i.level {
		s.levels = append(s.levels, nil)
	}
	i.inLevel = len(s.levels[i.level])
	s.levels[i.level] = append(s.levels[i.level], i)
	s.fewest = min(s.fewest, i.level)
}

// leave takes an instance from its level.
func (s *Set) leave(i *Instance) {
	level := s.levels[i.level]
	end := len(level) - 1
	moved := level[end]
	level[i.inLevel], moved.inLevel = moved, i.inLevel
	s.levels[i.level] = level[:end]
}

// changed takes note of a member whose requests in flight have changed.
func (s *Set) changed(i *Instance, limit int) {
	had, has := s.room.has(i.position), i.hasRoom(limit)
	switch {
	case had && !has:
		s.remove(i)
	case has && !had:
		s.add(i)
	case has && s.kept:
		s.leave(i)
		s.raise(i)
	}
}
