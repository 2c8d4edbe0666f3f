package command

import (
	"cmp"
	"os"
	"runtime/debug"
	"strconv"
)

// fitMemory fits the garbage collector to the memory that Nomad gives the task,
// unless GOMEMLIMIT and GOGC do.
func fitMemory() {
	limit, percent := memorySettings(os.Getenv)
	if limit > 0 {
		debug.SetMemoryLimit(limit)
	}
	if percent > 0 {
		debug.SetGCPercent(percent)
	}
}

// memorySettings are the soft limit, in bytes, and the growth at which garbage is
// collected, in percent; 0 leaves either as it is. A proxy makes much garbage
// and keeps little: with a limit to keep to, it need not be collected so often.
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
