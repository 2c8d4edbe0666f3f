package command

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

// readPages returns the sources of the pages by path from the project's root.
func readPages(t *testing.T) map[string]string {
	t.Helper()
	root, err := nomadtest.Root()
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	for _, pattern := range []string{"README.md", "templates/*.tmpl", "templates/*/*.tmpl"} {
		paths, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(paths) == 0 {
			t.Fatalf("%d pages at %s, %v", len(paths), pattern, err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			name, err := filepath.Rel(root, path)
			if err != nil {
				t.Fatal(err)
			}
			all[name] = string(text)
		}
	}
	return all
}

// A page that shows a simulation shows what its command prints.
func TestPagesShowRealSimulations(t *testing.T) {
	shown := regexp.MustCompile("```sh\nnomadscale (simulate .*)\n```\n\n" + `\{\{codefile "text" "scaler/command/testdata/(\w+\.txt)"\}\}`)
	seen := 0
	for _, page := range readPages(t) {
		for _, found := range shown.FindAllStringSubmatch(page, -1) {
			arguments := words(t, found[1])[1:]
			for i, argument := range arguments {
				if strings.HasPrefix(argument, "examples/") {
					arguments[i] = filepath.Join("..", "..", argument)
				}
			}
			golden(t, found[2], mustSimulate(t, arguments...))
			seen++
		}
	}
	if seen == 0 {
		t.Error("no page shows a simulation")
	}
}

// A page that shows the output of a command shows output that a test of this package
// expects with a real Nomad.
func TestPagesShowRealAnswers(t *testing.T) {
	tests, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	// The width of a column depends on its values.
	spaces := regexp.MustCompile(`[ \t]+`)
	var expected strings.Builder
	for _, file := range tests {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		expected.WriteString(spaces.ReplaceAllString(string(text), " "))
	}
	shown := regexp.MustCompile("(?s)```sh\nnomadscale (why|status|events|override)[^`]*```\n\n```text\n(.*?)```")
	seen := 0
	for name, page := range readPages(t) {
		for _, found := range shown.FindAllStringSubmatch(page, -1) {
			if !strings.Contains(expected.String(), "`\n"+spaces.ReplaceAllString(found[2], " ")+"`") {
				t.Errorf("%s shows output of nomadscale %s that no test expects:\n%s", name, found[1], found[2])
			}
			seen++
		}
	}
	if seen == 0 {
		t.Error("no page shows an output")
	}
}

// Every command line in the pages is valid.
func TestCommandsInPagesExist(t *testing.T) {
	inline := regexp.MustCompile("`nomadscale ([a-z][^`]*)`")
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```")
	lines := regexp.MustCompile(`(?m)^nomadscale (.*)$`)
	seen := 0
	for name, page := range readPages(t) {
		var commands []string
		for _, found := range inline.FindAllStringSubmatch(page, -1) {
			commands = append(commands, found[1])
		}
		for _, block := range blocks.FindAllStringSubmatch(page, -1) {
			for _, found := range lines.FindAllStringSubmatch(strings.ReplaceAll(block[1], "\\\n", " "), -1) {
				commands = append(commands, found[1])
			}
		}
		for _, command := range commands {
			seen++
			cmd, left, err := newRoot("test").Find(words(t, command))
			if err == nil {
				err = cmd.ParseFlags(left)
			}
			if err == nil && !cmd.HasSubCommands() && len(left) > 0 && cmd.Flags().NArg() > 0 {
				err = cmd.ValidateArgs(cmd.Flags().Args())
			}
			if err == nil && cmd.HasSubCommands() && len(left) > 0 {
				err = cobra.NoArgs(cmd, left)
			}
			if err != nil {
				t.Errorf("%s: nomadscale %s: %v", name, command, err)
			}
		}
	}
	if seen == 0 {
		t.Error("the pages have no commands")
	}
}

// words returns the words of a shell command, up to a comment or a separator.
func words(t *testing.T, line string) (all []string) {
	t.Helper()
	for _, word := range regexp.MustCompile(`"[^"]*"|\S+`).FindAllString(line, -1) {
		if strings.ContainsAny(word[:1], "#|>;…") {
			break
		}
		all = append(all, strings.Trim(word, `"`))
	}
	return all
}
