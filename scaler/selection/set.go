package selection

import "sort"

// Set is a set of instances of which those with room may get a request. At least
// one has room when a [Mode] sees the set. Its methods do not scan the instances,
// except for the first Fewest after instances were added or removed.
type Set struct {
	members []*Instance // by allocation index
	room    positions   // the positions in members of the instances with room
	free    []*Instance // the instances with room, in no order

	// levels are the instances with room by their load, each level in no order.
	// hasLevels is set by the first call of Fewest.
	levels    [][]*Instance
	hasLevels bool
	// fewest is at most the lowest level with an instance.
	fewest int
}

// Len is how many instances have room.
func (s *Set) Len() int { return len(s.free) }

// At returns the instance with room at a position in no particular order.
func (s *Set) At(n int) *Instance { return s.free[n] }

// First returns the instance with the lowest allocation index.
func (s *Set) First() *Instance { return s.members[s.room.next(0)] }

// Last returns the instance with the highest allocation index.
func (s *Set) Last() *Instance { return s.members[s.room.last()] }

// After returns the instance that follows an index and ID in the order of the pool.
// The first instance follows the last.
func (s *Set) After(index int, id string) *Instance {
	from := sort.Search(len(s.members), func(n int) bool { return s.members[n].isAfter(index, id) })
	if at := s.room.next(from); at >= 0 {
		return s.members[at]
	}
	return s.First()
}

// Fewest returns the instances with the lowest load, in no order.
func (s *Set) Fewest() []*Instance {
	if !s.hasLevels {
		s.hasLevels = true
		for _, i := range s.free {
			s.enterLevel(i)
		}
	}
	for len(s.levels[s.fewest]) == 0 {
		s.fewest++
	}
	return s.levels[s.fewest]
}

// fill replaces the members of the set.
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

// add adds a member that has room now.
func (s *Set) add(i *Instance) {
	s.room.add(i.position)
	i.inFree = len(s.free)
	s.free = append(s.free, i)
	if s.hasLevels {
		s.enterLevel(i)
	}
}

// remove removes a member that has no room any more.
func (s *Set) remove(i *Instance) {
	s.room.remove(i.position)
	end := len(s.free) - 1
	moved := s.free[end]
	s.free[i.inFree], moved.inFree = moved, i.inFree
	s.free = s.free[:end]
	if s.hasLevels {
		s.leaveLevel(i)
	}
}

// enterLevel puts an instance on the level of its load.
func (s *Set) enterLevel(i *Instance) {
	i.level = i.load()
	for len(s.levels) <= i.level {
		s.levels = append(s.levels, nil)
	}
	i.inLevel = len(s.levels[i.level])
	s.levels[i.level] = append(s.levels[i.level], i)
	s.fewest = min(s.fewest, i.level)
}

// leaveLevel takes an instance from its level.
func (s *Set) leaveLevel(i *Instance) {
	level := s.levels[i.level]
	end := len(level) - 1
	moved := level[end]
	level[i.inLevel], moved.inLevel = moved, i.inLevel
	s.levels[i.level] = level[:end]
}

// update updates the set after a change of a member's load.
func (s *Set) update(i *Instance, limit int) {
	had, has := s.room.has(i.position), i.hasRoom(limit)
	switch {
	case had && !has:
		s.remove(i)
	case has && !had:
		s.add(i)
	case has && s.hasLevels:
		s.leaveLevel(i)
		s.enterLevel(i)
	}
}
