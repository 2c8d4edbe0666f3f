package selection

import "hash/fnv"

// rendezvous selects the instance with the highest hash of key and instance. So a
// key stays with its instance, every gateway selects the same one, and adding or
// removing an instance moves only the keys of that instance. If the best instance
// has no room, the key goes to the next best. An empty key goes to any instance.
type rendezvous struct{ random Source }

func (m rendezvous) Select(from *Set, key string) *Instance {
	if key == "" {
		return uniform(m).Select(from, key)
	}
	k := hash(key)
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

func hash(s string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s))
	return h.Sum64()
}

// mix spreads every bit of h over all bits, which FNV-1a does not do for the last
// bytes. It is the finaliser of MurmurHash3.
func mix(h uint64) uint64 {
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
