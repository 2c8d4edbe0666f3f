package cluster

import (
	"hash/fnv"
	"io"
)

// hash is FNV-1a, so that every gateway computes the same.
func hash(s string) uint64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, s)
	return h.Sum64()
}
