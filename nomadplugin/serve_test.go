package nomadplugin

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
)

func TestCleanLeavesNoTextThatStopsTheAgent(t *testing.T) {
	for _, err := range []error{
		io.EOF,
		io.ErrUnexpectedEOF,
		fmt.Errorf("asking: %w", syscall.ECONNREFUSED),
		errors.New(`key = "EOF": must be something else than connection refused`),
	} {
		got := clean(err).Error()
		if strings.Contains(got, "EOF") || strings.Contains(got, "connection refused") {
			t.Errorf("%q still stops the agent", got)
		}
	}
	if clean(nil) != nil {
		t.Error("no error became one")
	}
}

func TestServeNamesWhatTheArgsMustBe(t *testing.T) {
	for _, args := range [][]string{nil, {"target-value"}, {"strategy", "apm"}} {
		err := Serve(args)
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", args)) || !strings.Contains(err.Error(), `["strategy"]`) {
			t.Errorf("args %q: error %v, want one that names them and what is allowed", args, err)
		}
	}
}
