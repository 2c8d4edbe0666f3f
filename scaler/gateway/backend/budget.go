package backend

import "sync"

// Usage is what waiting requests use: their number, and memory in bytes.
type Usage struct{ Requests, Bytes int64 }

// Budget bounds the requests that wait, of all apps together. When it is used up,
// room goes to the apps that use least of it.
type Budget struct {
	limit Usage

	mu    sync.Mutex
	total Usage
	of    map[holder]Usage
}

// holder is an app whose requests wait.
type holder interface {
	// rejectNewest rejects the request that came last; it reports whether any
	// waited.
	rejectNewest() bool
}

// NewBudget returns a budget of which nothing is used.
func NewBudget(limit Usage) *Budget {
	return &Budget{limit: limit, of: make(map[holder]Usage)}
}

// Used is what waiting requests use now.
func (b *Budget) Used() Usage {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.total
}

func (b *Budget) addLocked(h holder, requests, bytes int64) {
	b.total.Requests += requests
	b.total.Bytes += bytes
	used := b.of[h]
	used.Requests += requests
	used.Bytes += bytes
	if b.of[h] = used; used.Requests == 0 {
		delete(b.of, h)
	}
}

// take pays for a request that waits, if there is room.
func (b *Budget) take(h holder, bytes int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.total.Requests+1 > b.limit.Requests || b.total.Bytes+bytes > b.limit.Bytes {
		return false
	}
	b.addLocked(h, 1, bytes)
	return true
}

// give returns the room of a request.
func (b *Budget) give(h holder, bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.addLocked(h, -1, -bytes)
}

// share is the part of the limit that is used, of the one that runs out first.
func (b *Budget) share(u Usage) float64 {
	return max(float64(u.Requests)/float64(b.limit.Requests), float64(u.Bytes)/float64(b.limit.Bytes))
}

// largest is the app that uses most, if that is more than this one would use with
// its request; nil otherwise.
func (b *Budget) largest(h holder, bytes int64) (most holder) {
	b.mu.Lock()
	defer b.mu.Unlock()
	used := b.of[h]
	above := b.share(Usage{used.Requests + 1, used.Bytes + bytes})
	for other, used := range b.of {
		if share := b.share(used); other != h && share > above {
			most, above = other, share
		}
	}
	return most
}

// makeRoom is take for when there is no room: the app that uses most loses the
// requests that came last, unless this one uses as much.
func (b *Budget) makeRoom(h holder, bytes int64) bool {
	for !b.take(h, bytes) {
		if most := b.largest(h, bytes); most == nil || !most.rejectNewest() {
			return false
		}
	}
	return true
}
