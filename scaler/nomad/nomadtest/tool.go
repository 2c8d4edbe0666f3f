package nomadtest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Tool returns the path of a tool that a test needs, such as "nomad",
// "nomad-autoscaler", "terraform" or "hey". It builds a missing tool from source
// once, which takes minutes.
func Tool(t testing.TB, name string) string {
	t.Helper()
	path, err := FindTool(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// FindTool is [Tool] for programs that are not tests.
func FindTool(name string) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	cmd := exec.Command(filepath.Join(root, ".tools", "get"), name)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("getting %s: %w", name, err)
	}
	return strings.TrimSpace(out.String()), nil
}

// Binary builds the project's own binary into a directory and returns its path. The
// name is the one by which the autoscaler and the gateway's job start it.
func Binary(t testing.TB, dir string) string {
	t.Helper()
	path, err := Build(dir, "nomadscale", ".")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Build builds a package of the project into a directory and returns the path.
func Build(dir, name, pkg string) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, name)
	cmd := exec.Command("go", "build", "-o", path, pkg)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w\n%s", pkg, err, out)
	}
	return path, nil
}

// Root returns the directory of the project's go.mod.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("finding the project: %w", err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("finding the project: no go.mod in this directory or above")
		}
	}
}

// Self returns the path of the test's own binary. A job can run it with a variable
// set, on which the package's TestMain acts.
func Self(t testing.TB) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}
