package nomadplugin

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
)

func TestCleanErrorHasNoTextThatStopsTheAgent(t *testing.T) {
	for _, err := range []error{
		io.EOF,
		io.ErrUnexpectedEOF,
		fmt.Errorf("asking: %w", syscall.ECONNREFUSED),
		errors.New(`key = "EOF": must not be connection refused`),
	} {
		got := cleanError(err).Error()
		if strings.Contains(got, "EOF") || strings.Contains(got, "connection refused") {
			t.Errorf("%q still stops the agent", got)
		}
	}
	if cleanError(nil) != nil {
		t.Error("nil became an error")
	}
}

func TestServeNamesTheAllowedArgs(t *testing.T) {
	for _, args := range [][]string{nil, {"target-value"}, {"strategy", "apm"}} {
		err := Serve(args)
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", args)) || !strings.Contains(err.Error(), `["strategy"]`) {
			t.Errorf("args %q: error %v, want one that names them and what is allowed", args, err)
		}
	}
}
