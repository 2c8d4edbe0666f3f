package command

import (
	"cmp"
	"os"
	"runtime/debug"
	"strconv"
)

// configureMemory sets up the garbage collector for the memory of the Nomad task.
// GOMEMLIMIT and GOGC take precedence.
func configureMemory() {
	limit, percent := memorySettings(os.Getenv)
	if limit > 0 {
		debug.SetMemoryLimit(limit)
	}
	if percent > 0 {
		debug.SetGCPercent(percent)
	}
}

// memorySettings returns the soft memory limit in bytes and the value for GOGC. 0 means
// no change. A proxy makes much garbage and keeps little, so with a limit the collector
// can run less often.
func memorySettings(variable func(string) string) (limit int64, percent int) {
	megabytes, err := strconv.ParseInt(cmp.Or(variable("NOMAD_MEMORY_MAX_LIMIT"), variable("NOMAD_MEMORY_LIMIT")), 10, 32)
	if err != nil || megabytes <= 0 {
		return 0, 0
	}
	if variable("GOMEMLIMIT") == "" {
		limit = megabytes << 20 / 10 * 9
	}
	if variable("GOGC") == "" {
		percent = 400
	}
	return limit, percent
}
