package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A link from one page to another leads to a page, and to a heading of it.
func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	sources := map[string]string{"README.md": read(t, "README.md")}
	for path, text := range pages(t, filepath.Join(root(t), "docs")) {
		sources["docs/"+path] = text
	}
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for page, text := range sources {
		for _, found := range link.FindAllStringSubmatch(text, -1) {
			target, anchor, _ := strings.Cut(found[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			path := page
			if target != "" {
				path = filepath.Join(filepath.Dir(page), target)
				// Pages of the registry link each other without an extension.
				if strings.HasPrefix(page, "docs/") && filepath.Ext(path) == "" {
					path += ".md"
				}
			}
			content, err := os.ReadFile(filepath.Join(root(t), path))
			if info, statErr := os.Stat(filepath.Join(root(t), path)); err != nil && (statErr != nil || !info.IsDir()) {
				t.Errorf("%s links to %s, which is not there", page, found[1])
			}
			if anchor != "" && !hasAnchor(string(content), anchor) {
				t.Errorf("%s links to %s, and there is no such heading", page, found[1])
			}
		}
	}
}

// hasAnchor reports whether a page has a heading, or a generated mark, of that
// anchor.
func hasAnchor(page, anchor string) bool {
	if strings.Contains(page, `<a id="`+anchor+`">`) {
		return true
	}
	for _, heading := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(page, -1) {
		slug := regexp.MustCompile(`[^\p{L}\p{N}_ -]`).ReplaceAllString(strings.ToLower(heading[1]), "")
		if strings.ReplaceAll(slug, " ", "-") == anchor {
			return true
		}
	}
	return false
}
