package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nomadscale/terraform-provider-nomadscale/provider"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

// terraform is the path of the CLI, which takes the provider from this source.
var terraform string

func TestMain(m *testing.M) {
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "docs")
	if err == nil {
		defer os.RemoveAll(dir)
		err = setUp(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func setUp(dir string) (err error) {
	if terraform, err = nomadtest.FindTool("terraform"); err != nil {
		return err
	}
	if _, err = nomadtest.Build(dir, "terraform-provider-"+name, "."); err != nil {
		return err
	}
	file := filepath.Join(dir, "terraformrc")
	config := fmt.Sprintf("provider_installation {\n  dev_overrides {\n    %q = %q\n  }\n  direct {}\n}\n", source(), dir)
	if err = os.WriteFile(file, []byte(config), 0o600); err != nil {
		return err
	}
	for name, value := range map[string]string{"TF_CLI_CONFIG_FILE": file, "CHECKPOINT_DISABLE": "1"} {
		if err = os.Setenv(name, value); err != nil {
			return err
		}
	}
	return nil
}

// source is the provider's address as a configuration has it.
func source() string { return strings.TrimPrefix(provider.Address, "registry.terraform.io/") }

// requirement is the block that a configuration needs to find the provider.
func requirement() string {
	return fmt.Sprintf("terraform {\n  required_providers {\n    %s = {\n      source = %q\n    }\n  }\n}\n", name, source())
}

func root(t *testing.T) string {
	t.Helper()
	dir, err := nomadtest.Root()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func served(t *testing.T) schema {
	t.Helper()
	s, err := readSchema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDocsAreCurrent(t *testing.T) {
	t.Parallel()
	into := t.TempDir()
	if err := generate(t.Context(), root(t), into); err != nil {
		t.Fatal(err)
	}
	want, have := pages(t, into), pages(t, filepath.Join(root(t), "docs"))
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("docs/ is not what its sources say: run make docs (-sources +docs)\n%s", diff)
	}
}

// The registry's own rules for pages hold: names, front matter, a page for each
// type and a type for each page.
func TestDocsAreAsTheRegistryWantsThem(t *testing.T) {
	t.Parallel()
	schema, err := writeSchema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.Remove(schema) }()
	out, err := exec.CommandContext(t.Context(), nomadtest.Tool(t, "tfplugindocs"), "validate", "--provider-dir", root(t), "--provider-name", name, "--providers-schema", schema).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// pages are the files below a directory, by their paths.
func pages(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(filepath.Join(dir, path))
		all[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// The schema is the one that the real CLI writes, in every kind that it knows.
func TestSchemaIsWhatTheCLIWrites(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "main.tf"), requirement()+fmt.Sprintf("provider %q {}\n", name))
	cmd := exec.CommandContext(t.Context(), terraform, "providers", "schema", "-json")
	cmd.Dir = dir
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, problems.String())
	}
	type written struct {
		Schemas map[string]map[string]any `json:"provider_schemas"`
	}
	decode := func(text []byte) map[string]any {
		var all written
		if err := json.Unmarshal(text, &all); err != nil {
			t.Fatal(err)
		}
		if len(all.Schemas) != 1 {
			t.Fatalf("schemas of %d providers, want one", len(all.Schemas))
		}
		for _, one := range all.Schemas {
			return one
		}
		return nil
	}
	ours, err := json.Marshal(served(t).asCLI())
	if err != nil {
		t.Fatal(err)
	}
	have, want := decode(ours), decode(out)
	maps.DeleteFunc(have, func(kind string, _ any) bool { return want[kind] == nil })
	if diff := cmp.Diff(said(want), said(have)); diff != "" {
		t.Errorf("(-CLI +ours)\n%s", diff)
	}
}

// said is a value of JSON without what is the same when it is left out.
func said(value any) any {
	switch value := value.(type) {
	case map[string]any:
		left := make(map[string]any)
		for key, inner := range value {
			if inner = said(inner); inner != nil {
				left[key] = inner
			}
		}
		if len(left) == 0 {
			return nil
		}
		return left
	case []any:
		left := make([]any, 0, len(value))
		for _, inner := range value {
			left = append(left, said(inner))
		}
		if len(left) == 0 {
			return nil
		}
		return left
	case string:
		if value == "" {
			return nil
		}
	case float64:
		if value == 0 {
			return nil
		}
	case bool:
		if !value {
			return nil
		}
	}
	return value
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{root(t)}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
