package main

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

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

// A release for this platform has everything that a registry requires, and its binary
// reports its version.
func TestRelease(t *testing.T) {
	goreleaser := nomadtest.Tool(t, "goreleaser")
	dir := t.TempDir()
	config, err := os.ReadFile(".goreleaser.yml")
	if err != nil {
		t.Fatal(err)
	}
	dist := filepath.Join(dir, "dist")
	here := regexp.MustCompile(`(?m)^( +)- [a-z]+_(?:386|amd64|arm|arm64)\n`)
	targets := here.FindAllString(string(config), -1)
	if target := "      - " + runtime.GOOS + "_" + runtime.GOARCH + "\n"; !slices.Contains(targets, target) {
		t.Fatalf("the targets are %q, want %q among them", targets, target)
	}
	one := strings.Replace(string(config), "dist: .cache/dist\n", "dist: "+dist+"\n", 1)
	one = here.ReplaceAllString(one, "")
	one = strings.Replace(one, "    targets:\n", "    targets: ["+runtime.GOOS+"_"+runtime.GOARCH+"]\n", 1)
	file := filepath.Join(dir, "goreleaser.yml")
	if err := os.WriteFile(file, []byte(one), 0o600); err != nil {
		t.Fatal(err)
	}

	t.Setenv("GNUPGHOME", filepath.Join(dir, "gnupg"))
	if err := os.Mkdir(os.Getenv("GNUPGHOME"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GPG_FINGERPRINT", "release@example.com")
	runCommand(t, "gpg", "--batch", "--quiet", "--passphrase", "", "--quick-generate-key", os.Getenv("GPG_FINGERPRINT"))
	t.Cleanup(func() { _ = exec.Command("gpgconf", "--kill", "all").Run() })
	// goreleaser reads the remote from git, which a clone need not have.
	t.Setenv("GIT_CONFIG_COUNT", "1")
	t.Setenv("GIT_CONFIG_KEY_0", "remote.origin.url")
	t.Setenv("GIT_CONFIG_VALUE_0", "https://"+module(t))
	runCommand(t, goreleaser, "check")
	runCommand(t, goreleaser, "release", "--snapshot", "--config", file)

	var built struct {
		Version string `json:"version"`
	}
	text, err := os.ReadFile(filepath.Join(dist, "metadata.json"))
	if err == nil {
		err = json.Unmarshal(text, &built)
	}
	if err != nil {
		t.Fatal(err)
	}
	name := "terraform-provider-nomadscale_" + built.Version
	sums := filepath.Join(dist, name+"_SHA256SUMS")
	runCommand(t, "gpg", "--quiet", "--verify", sums+".sig", sums)
	text, err = os.ReadFile(sums)
	if err != nil {
		t.Fatal(err)
	}
	archive := name + "_" + runtime.GOOS + "_" + runtime.GOARCH + ".zip"
	for file, path := range map[string]string{archive: filepath.Join(dist, archive), name + "_manifest.json": "terraform-registry-manifest.json"} {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if sum := fmt.Sprintf("%x  %s\n", sha256.Sum256(content), file); !strings.Contains(string(text), sum) {
			t.Errorf("the checksums have no %q:\n%s", sum, text)
		}
	}

	zipped, err := zip.OpenReader(filepath.Join(dist, archive))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = zipped.Close() })
	binary := filepath.Join(dir, "terraform-provider-nomadscale_v"+built.Version)
	if err := os.CopyFS(dir, zipped); err != nil {
		t.Fatal(err)
	}
	if out := runCommand(t, binary, "--version"); !strings.Contains(out, built.Version) {
		t.Errorf("its version is %q, want %s", out, built.Version)
	}
}

// module returns the path of this module.
func module(t *testing.T) string {
	t.Helper()
	return strings.TrimSpace(runCommand(t, "go", "list", "-m"))
}

// runCommand returns the output of a command.
func runCommand(t *testing.T, command ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(command, " "), err, out)
	}
	return string(out)
}

func TestUnknownCommandIsAnError(t *testing.T) {
	binary := nomadtest.Binary(t, t.TempDir())
	out, err := exec.CommandContext(context.Background(), binary, "gatewya").CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte(`unknown command "gatewya"`)) {
		t.Errorf("error %v with output %q, want one that names the command", err, out)
	}
}

// Every test and subtest that a guide names as evidence exists.
func TestGuidesNameTestsThatExist(t *testing.T) {
	guides, err := filepath.Glob("templates/guides/*.md.tmpl")
	if err != nil || len(guides) == 0 {
		t.Fatalf("%d guides, %v", len(guides), err)
	}
	// A subtest can leave out its test's name if the name comes before it.
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

// hasTest reports whether a test file has the test, and its subtest unless that is "".
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
