package main

import (
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// kind is a kind of types, as the examples and pages of its types are kept.
type kind struct {
	// dir is the directory below examples/ and docs/.
	dir string
	// file is the name of the first example, and ext of all.
	file, ext string
	// block declares a type; functions have none.
	block string
	types []string
}

func kinds(s schema) []kind {
	return []kind{
		{"resources", "resource", ".tf", "resource", names(s.ResourceSchemas)},
		{"data-sources", "data-source", ".tf", "data", names(s.DataSourceSchemas)},
		{"ephemeral-resources", "ephemeral-resource", ".tf", "ephemeral", names(s.EphemeralResourceSchemas)},
		{"list-resources", "list-resource", ".tfquery.hcl", "list", names(s.ListResourceSchemas)},
		{"actions", "action", ".tf", "action", names(s.ActionSchemas)},
		{"functions", "function", ".tf", "", names(s.Functions)},
	}
}

func names[T any](of map[string]T) []string { return slices.Sorted(maps.Keys(of)) }

// Every type has an example that uses it, and its page shows all that it has.
func TestEveryTypeHasAnExample(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds(served(t)) {
		for _, one := range kind.types {
			dir := filepath.Join("examples", kind.dir, one)
			files, err := filepath.Glob(filepath.Join(root(t), dir, kind.file+"*"+kind.ext))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(files, filepath.Join(root(t), dir, kind.file+kind.ext)) {
				t.Errorf("there is no %s", filepath.Join(dir, kind.file+kind.ext))
				continue
			}
			for _, file := range files {
				text := read(t, dir, filepath.Base(file))
				used := strings.Contains(text, "provider::"+name+"::"+one+"(")
				for _, block := range blocks(t, file, text, kind.block) {
					used = used || block.Labels[0] == one
				}
				if !used {
					t.Errorf("%s does not use %s", filepath.Join(dir, filepath.Base(file)), one)
				}
			}
			page := read(t, "docs", kind.dir, strings.TrimPrefix(one, name+"_")+".md")
			for file, text := range pages(t, filepath.Join(root(t), dir)) {
				if !strings.Contains(page, strings.TrimSpace(text)) {
					t.Errorf("the page of %s does not show %s", one, file)
				}
			}
		}
	}
}

// Every resource can be imported in every form, and the examples of it all
// import the same one, which the resource's first example declares.
func TestImportExamples(t *testing.T) {
	t.Parallel()
	s := served(t)
	for resource := range s.ResourceSchemas {
		dir := filepath.Join("examples", "resources", resource)
		declared := read(t, dir, "resource.tf")
		var addresses []string
		for _, block := range blocks(t, "resource.tf", declared, "resource") {
			addresses = append(addresses, strings.Join(block.Labels, "."))
		}

		command := regexp.MustCompile(`(?m)^terraform import (\S+) (\S+)$`).FindStringSubmatch(read(t, dir, "import.sh"))
		if command == nil {
			t.Errorf("%s/import.sh has no terraform import with an address and an ID", dir)
			continue
		}
		address, id := command[1], command[2]
		if !slices.Contains(addresses, address) {
			t.Errorf("%s/import.sh imports %s, which is none of %q of resource.tf", dir, address, addresses)
		}
		parts := strings.Split(id, "/")
		for _, part := range parts {
			if part != "default" && !strings.Contains(declared, `"`+part+`"`) {
				t.Errorf("%s/import.sh imports %s, and resource.tf has no %q", dir, id, part)
			}
		}

		blockOf := func(file, argument string) *hclsyntax.Attribute {
			text := read(t, dir, file)
			found := blocks(t, file, text, "import")
			if len(found) != 1 {
				t.Fatalf("%s/%s has %d import blocks, want one", dir, file, len(found))
			}
			attributes := found[0].Body.Attributes
			if attributes["to"] == nil || attributes[argument] == nil {
				t.Fatalf("%s/%s has no to, or no %s", dir, file, argument)
			}
			to := attributes["to"].Expr.Range()
			if to := text[to.Start.Byte:to.End.Byte]; to != address {
				t.Errorf("%s/%s imports %s, want %s as in import.sh", dir, file, to, address)
			}
			return attributes[argument]
		}
		if value, diags := blockOf("import-by-string-id.tf", "id").Expr.Value(nil); diags.HasErrors() || value.AsString() != id {
			t.Errorf("%s/import-by-string-id.tf imports %#v, want %s as in import.sh: %v", dir, value, id, diags)
		}
		identity := s.Identities[resource]
		if identity == nil {
			t.Errorf("%s has no identity", resource)
			continue
		}
		value, diags := blockOf("import-by-identity.tf", "identity").Expr.Value(nil)
		if diags.HasErrors() {
			t.Fatalf("%s/import-by-identity.tf: %v", dir, diags)
		}
		for key, one := range value.AsValueMap() {
			if !slices.Contains(parts, one.AsString()) {
				t.Errorf("%s/import-by-identity.tf: %s is %q, which is not in %s", dir, key, one.AsString(), id)
			}
		}
	}
}

// Every example is a configuration that the CLI accepts, or is checked against
// the schema where the CLI at hand does not speak of such a thing.
func TestExamplesAreValid(t *testing.T) {
	t.Parallel()
	s, examples := served(t), filepath.Join(root(t), "examples")
	var dirs []string
	for _, kind := range append(kinds(s), kind{dir: "provider"}) {
		dirs = append(dirs, kind.dir)
	}
	whole := make(map[string]bool)
	for path, text := range pages(t, examples) {
		dir, file := filepath.Split(path)
		top, _, _ := strings.Cut(path, "/")
		switch {
		case !strings.HasSuffix(file, ".tf") && !strings.HasSuffix(file, ".tfquery.hcl"):
		case !slices.Contains(dirs, top):
			whole[filepath.Clean(dir)] = true
		case top == "actions" || top == "list-resources" || file == "import-by-identity.tf":
			t.Run(path, func(t *testing.T) {
				t.Parallel()
				s.check(t, file, text, filepath.Base(dir))
			})
		default:
			t.Run(path, func(t *testing.T) {
				t.Parallel()
				if strings.HasPrefix(file, "import-") {
					text += read(t, "examples", dir, "resource.tf")
				}
				s.validate(t, fstest.MapFS{}, text)
			})
		}
	}
	for dir := range whole {
		t.Run(dir, func(t *testing.T) {
			t.Parallel()
			s.validate(t, os.DirFS(filepath.Join(examples, dir)), "")
		})
	}
}

// validate lets the CLI validate a directory with one more file in it.
func (s schema) validate(t *testing.T, with fs.FS, text string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, with); err != nil {
		t.Fatal(err)
	}
	if text != "" {
		if !strings.Contains(text, "required_providers") {
			text = requirement() + text
		}
		write(t, filepath.Join(dir, "example.tf"), text)
	}
	for file, text := range pages(t, dir) {
		if strings.HasSuffix(file, ".tf") {
			s.mustKnowKeys(t, file, text)
		}
	}
	cmd := exec.CommandContext(t.Context(), terraform, "validate", "-no-color")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// blocks are the blocks of a type at the top of a configuration.
func blocks(t *testing.T, file, text, of string) (all []*hclsyntax.Block) {
	t.Helper()
	parsed, diags := hclsyntax.ParseConfig([]byte(text), file, hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatalf("%s: %v", file, diags)
	}
	for _, block := range parsed.Body.(*hclsyntax.Body).Blocks {
		if block.Type == of {
			all = append(all, block)
		}
	}
	return all
}
