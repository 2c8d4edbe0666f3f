package command

import "testing"

func TestMemorySettings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		variables map[string]string
		limit     int64
		percent   int
	}{
		{nil, 0, 0},
		{map[string]string{"NOMAD_MEMORY_LIMIT": "100"}, 90 << 20, 400},
		{map[string]string{"NOMAD_MEMORY_LIMIT": "100", "NOMAD_MEMORY_MAX_LIMIT": "200"}, 180 << 20, 400},
		{map[string]string{"NOMAD_MEMORY_LIMIT": "100", "GOMEMLIMIT": "50MiB"}, 0, 400},
		{map[string]string{"NOMAD_MEMORY_LIMIT": "100", "GOGC": "50"}, 90 << 20, 0},
		{map[string]string{"NOMAD_MEMORY_LIMIT": "much"}, 0, 0},
	} {
		limit, percent := memorySettings(func(name string) string { return c.variables[name] })
		if limit != c.limit || percent != c.percent {
			t.Errorf("%v: %d bytes and %d %%, want %d and %d", c.variables, limit, percent, c.limit, c.percent)
		}
	}
}
