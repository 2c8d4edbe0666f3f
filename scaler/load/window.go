package load

// windowSeconds is how long an ended request counts for the requests a minute.
const windowSeconds = 60

// window counts the requests that ended in each of the last 60 seconds.
type window struct {
	second  int64 // the newest second, in Unix time
	total   int
	buckets [windowSeconds]uint32
}

// add counts a request that ended in the newest second.
func (w *window) add() {
	w.buckets[modulo(w.second, windowSeconds)]++
	w.total++
}

// advance makes a later second the newest.
func (w *window) advance(second int64) {
	if second-w.second >= windowSeconds {
		*w = window{second: second}
		return
	}
	for w.second < second {
		w.second++
		bucket := &w.buckets[modulo(w.second, windowSeconds)]
		w.total -= int(*bucket)
		*bucket = 0
	}
}

// modulo is never negative, even for times before 1970.
func modulo(n, m int64) int64 { return ((n % m) + m) % m }
