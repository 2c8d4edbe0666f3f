package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

// The demonstration fails by itself unless it has seen the whole life of an app.
// One interrupt ends it in order when it stays up, and nothing outlives it.
func TestDemo(t *testing.T) {
	for _, tool := range []string{"nomad", "nomad-autoscaler", "terraform", "hey"} {
		nomadtest.Tool(t, tool)
	}
	demo, err := nomadtest.Build(t.TempDir(), "demo", "./examples/demo")
	if err != nil {
		t.Fatal(err)
	}
	mark := "TEST_DEMO=" + t.TempDir()
	cmd := exec.CommandContext(t.Context(), demo, "-keep")
	cmd.Env = append(os.Environ(), mark)
	// Its own group, which one interrupt reaches as a whole, as from a keyboard.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	summary := false
	for lines := bufio.NewScanner(out); lines.Scan(); {
		t.Log(lines.Text())
		if strings.Contains(lines.Text(), "Staying up until interrupted") {
			if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGINT); err != nil {
				t.Error(err)
			}
		}
		summary = summary || lines.Text() == "What was seen:"
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if !summary {
		t.Error("there is no summary")
	}
	if left := nomadtest.Processes(mark); len(left) > 0 {
		t.Errorf("the processes %v are left", left)
	}
}

func TestHelpShowsTheFourFaces(t *testing.T) {
	binary := nomadtest.Binary(t, t.TempDir())
	out, err := exec.Command(binary).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, face := range []string{"Terraform provider", "Autoscaler plugins", "Gateway", "Command line"} {
		if !bytes.Contains(out, []byte(face)) {
			t.Errorf("the help does not show the face %q:\n%s", face, out)
		}
	}
}

func TestUnknownCommandIsAnError(t *testing.T) {
	binary := nomadtest.Binary(t, t.TempDir())
	out, err := exec.CommandContext(context.Background(), binary, "gatewya").CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte(`unknown command "gatewya"`)) {
		t.Errorf("error %v with output %q, want one that names the command", err, out)
	}
}

// A guide that names a test as a proof names one that there is, and its subtests.
func TestGuidesNameTestsThatExist(t *testing.T) {
	guides, err := filepath.Glob("templates/guides/*.md.tmpl")
	if err != nil || len(guides) == 0 {
		t.Fatalf("%d guides, %v", len(guides), err)
	}
	// A subtest may leave out its test's name when that stands before it.
	named := regexp.MustCompile("`(Test\\w*|…)(?:/([^`]+))?`")
	for _, guide := range guides {
		text, err := os.ReadFile(guide)
		if err != nil {
			t.Fatal(err)
		}
		test := ""
		for _, name := range named.FindAllStringSubmatch(string(text), -1) {
			if name[1] != "…" {
				test = name[1]
			}
			if !hasTest(t, test, strings.ReplaceAll(name[2], "_", " ")) {
				t.Errorf("%s names %s of %s, which does not exist", guide, name[0], test)
			}
		}
	}
}

// hasTest reports whether a file of tests has the test, and its subtest if there is
// to be one.
func hasTest(t *testing.T, test, subtest string) (found bool) {
	t.Helper()
	err := fs.WalkDir(os.DirFS("."), ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		text := string(source)
		found = found || strings.Contains(text, "func "+test+"(t ") && (subtest == "" || strings.Contains(text, strconv.Quote(subtest)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestReadmeListsEveryAttribute(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range scaler.Keys() {
		switch key.Name {
		case "namespace", "job", "group":
			continue // the provider knows them from the job
		}
		row := fmt.Sprintf("| `%s` | %s | %s |\n", key.Name, key.Description, key.Default)
		if !strings.Contains(string(readme), row) {
			t.Errorf("README.md has no row\n%s", row)
		}
	}
}
