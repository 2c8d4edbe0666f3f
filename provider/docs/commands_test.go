package main

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

// The pages' command lines of Nomad and Terraform name commands and flags that
// these have.
func TestCommandsOfOthersExist(t *testing.T) {
	t.Parallel()
	sources := read(t, "README.md")
	for _, text := range pages(t, filepath.Join(root(t), "templates")) {
		sources += text
	}
	var lines []string
	for _, found := range regexp.MustCompile("`((?:nomad|terraform) [a-z][^`\n]*)`").FindAllStringSubmatch(sources, -1) {
		lines = append(lines, found[1])
	}
	for _, fence := range fences(t) {
		if fence.language == "sh" {
			lines = append(lines, regexp.MustCompile(`(?m)^(?:nomad|terraform) .*$`).FindAllString(fence.text, -1)...)
		}
	}
	programs := map[string]string{"nomad": nomadtest.Tool(t, "nomad"), "terraform": terraform}
	usage := regexp.MustCompile(`Usage: (?:nomad|terraform|tofu)((?: \[global options\])?)((?: [a-z-]+)+)`)
	for _, line := range lines {
		line, _, _ = strings.Cut(line, "|")
		line, _, _ = strings.Cut(line, ">")
		words := strings.Fields(line)
		command, flags := words[1:], []string(nil)
		for i, word := range command {
			if strings.HasPrefix(word, "-") {
				command, flags = command[:i], command[i:]
				break
			}
		}
		// Help is printed of the command, whatever its arguments are.
		helpOf := func(command ...string) ([]byte, error) {
			return exec.CommandContext(t.Context(), programs[words[0]], append(command[:len(command):len(command)], "-help")...).CombinedOutput()
		}
		help, err := helpOf(command...)
		found := usage.FindStringSubmatch(string(help))
		if err != nil || found == nil || strings.Contains(string(help), found[0]+" <subcommand>") || !strings.HasPrefix(strings.Join(command, " ")+" ", strings.TrimSpace(found[2])+" ") {
			t.Errorf("%s: there is no such command: %v\n%s", line, err, help)
			continue
		}
		if words[0] == "terraform" && command[0] == "apply" { // it takes what plan takes
			more, _ := helpOf("plan")
			help = append(help, more...)
		}
		for _, flag := range flags {
			name, _, _ := strings.Cut(flag, "=")
			if strings.HasPrefix(name, "-") && !regexp.MustCompile(`(?m)`+regexp.QuoteMeta(name)+`\b`).Match(help) {
				t.Errorf("%s: there is no flag %s", line, name)
			}
		}
	}
	if len(lines) == 0 {
		t.Error("there is no command in the pages")
	}
}
