package selection

// rendezvous selects by the highest hash of key and instance, so that a key
// stays with its instance, every gateway selects the same one, and an instance
// that comes or goes moves only its own keys. A key whose instance is not free
// goes to its next best. An empty key is none: it goes to any instance.
type rendezvous struct{ random Source }

func (m rendezvous) Select(from *Set, key string) *Instance {
	if key == "" {
		return uniform(m).Select(from, key)
	}
	k := fnv1a(key)
	best := from.At(0)
	highest := mix(k ^ best.hash)
	for n := 1; n < from.Len(); n++ {
		i := from.At(n)
		if score := mix(k ^ i.hash); score > highest {
			best, highest = i, score
		}
	}
	return best
}

// fnv1a is FNV-1a with 64 bits, as in hash/fnv, without its allocations.
func fnv1a(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}

// mix spreads every bit of h over the whole of it, which FNV-1a does not do for
// the last bytes. It is the finaliser of MurmurHash3.
func mix(h uint64) uint64 {
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
