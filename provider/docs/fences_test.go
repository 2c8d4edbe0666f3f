package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// fence is a piece of code in a page.
type fence struct {
	page     string
	line     int
	language string
	text     string
}

// fences are those of the README and of the templates.
func fences(t *testing.T) (all []fence) {
	t.Helper()
	sources := map[string]string{"README.md": read(t, "README.md")}
	for path, text := range pages(t, filepath.Join(root(t), "templates")) {
		sources["templates/"+path] = text
	}
	for page, text := range sources {
		for _, found := range regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```").FindAllStringSubmatchIndex(text, -1) {
			all = append(all, fence{
				page: page, line: strings.Count(text[:found[0]], "\n") + 1,
				language: text[found[2]:found[3]], text: text[found[4]:found[5]],
			})
		}
	}
	return all
}

// Terraform in the pages is a configuration that the CLI accepts; other HCL, as
// of Nomad and its autoscaler, can be parsed.
func TestFencesAreValid(t *testing.T) {
	t.Parallel()
	jobspec, err := os.ReadFile(filepath.Join(root(t), "examples", "quickstart", "hello.nomad.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	s, checked := served(t), 0
	for _, f := range fences(t) {
		switch f.language {
		case "hcl":
			parsed, diags := hclsyntax.ParseConfig([]byte(f.text), f.page, hcl.Pos{Line: f.line + 1, Column: 1})
			if diags.HasErrors() {
				t.Errorf("%v", diags)
				continue
			}
			for _, block := range parsed.Body.(*hclsyntax.Body).Blocks {
				switch block.Type {
				case "terraform", "resource", "data", "provider", "moved", "import", "removed", "output", "locals":
					t.Errorf("%s:%d has a block %s: mark the code as terraform", f.page, f.line, block.Type)
				}
			}
		case "terraform":
			checked++
			t.Run(fmt.Sprintf("%s:%d", f.page, f.line), func(t *testing.T) {
				t.Parallel()
				// Files that the code reads.
				files := make(fstest.MapFS)
				for _, name := range regexp.MustCompile(`(?:file|templatefile)\("([^"$]+)"`).FindAllStringSubmatch(f.text, -1) {
					files[name[1]] = &fstest.MapFile{Data: jobspec}
				}
				s.validate(t, files, f.text)
			})
		}
	}
	if checked == 0 {
		t.Error("there is no Terraform in the pages")
	}
}
