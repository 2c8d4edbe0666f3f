package selection

import "math/bits"

// positions is a bitset of small numbers.
type positions []uint64

// empty returns an empty set for the numbers below n.
func (p positions) empty(n int) positions {
	words := (n + 63) / 64
	if cap(p) < words {
		return make(positions, words)
	}
	p = p[:words]
	clear(p)
	return p
}

func (p positions) has(n int) bool { return p[n/64]&(1<<(n%64)) != 0 }

func (p positions) add(n int) { p[n/64] |= 1 << (n % 64) }

func (p positions) remove(n int) { p[n/64] &^= 1 << (n % 64) }

// next is the lowest number of the set that is at least n, or -1.
func (p positions) next(n int) int {
	for word := n / 64; word < len(p); word++ {
		rest := p[word]
		if word == n/64 {
			rest &= ^uint64(0) << (n % 64)
		}
		if rest != 0 {
			return word*64 + bits.TrailingZeros64(rest)
		}
	}
	return -1
}

// last is the highest number of the set, or -1.
func (p positions) last() int {
	for word := len(p) - 1; word >= 0; word-- {
		if p[word] != 0 {
			return word*64 + bits.Len64(p[word]) - 1
		}
	}
	return -1
}
