package nomadtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// StartProgram runs a program until the test ends. The variables, each name=value,
// are added to its environment.
func StartProgram(t testing.TB, variables []string, command ...string) {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = append(os.Environ(), variables...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		if t.Failed() {
			out, _ := os.ReadFile(log.Name())
			t.Logf("the end of the log of %s:\n%s", filepath.Base(command[0]), out[max(0, len(out)-logTail):])
		}
	})
}

// StartGateway runs the gateway of the project's binary until the test ends, and waits
// until it is ready. It returns the addresses of its two listeners.
func (a *Agent) StartGateway(t testing.TB, binary string) (address, admin string) {
	t.Helper()
	address, admin = FreeAddress(t), FreeAddress(t)
	StartProgram(t, []string{"NOMAD_ADDR=" + a.Address}, binary, "gateway", "--listen", address, "--admin-listen", admin)
	awaitOK(t, "http://"+admin+"/readyz")
	return address, admin
}

// StartPrometheus runs Prometheus with a configuration until the test ends, waits
// until it is ready and returns its address.
func StartPrometheus(t testing.TB, config string) (address string) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	address = FreeAddress(t)
	StartProgram(t, nil, Tool(t, "prometheus"),
		"--config.file", file, "--storage.tsdb.path", filepath.Join(dir, "data"), "--web.listen-address", address)
	awaitOK(t, "http://"+address+"/-/ready")
	return address
}

// awaitOK waits until a program answers a URL with 200.
func awaitOK(t testing.TB, url string) {
	t.Helper()
	Eventually(t, 30*time.Second, fmt.Sprintf("%s answers 200", url), func() bool { return Get(t.Context(), url, nil) == nil })
}
