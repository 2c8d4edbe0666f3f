// Command docs generates docs/ from the provider's schema, templates/ and
// examples/.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

func main() {
	root, err := nomadtest.Root()
	if err == nil {
		err = generate(context.Background(), root, filepath.Join(root, "docs"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "docs:", err)
		os.Exit(1)
	}
}

// generate writes the pages of the project at root into a directory. The schema
// comes from the provider itself: a CLI reports only the kinds of types that it
// knows, and the pages of all others would be missing.
func generate(ctx context.Context, root, into string) error {
	tfplugindocs, err := nomadtest.FindTool("tfplugindocs")
	if err != nil {
		return err
	}
	schema, err := readSchema(ctx)
	if err != nil {
		return err
	}
	text, err := json.Marshal(schema.asCLI())
	if err != nil {
		return fmt.Errorf("writing the schema: %w", err)
	}
	dir, err := os.MkdirTemp("", "docs")
	if err != nil {
		return fmt.Errorf("writing the schema: %w", err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "schema.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return fmt.Errorf("writing the schema: %w", err)
	}
	relative, err := filepath.Rel(root, into)
	if err != nil {
		return fmt.Errorf("finding %s from %s: %w", into, root, err)
	}
	cmd := exec.CommandContext(ctx, tfplugindocs, "generate", "--provider-dir", root, "--provider-name", name,
		"--providers-schema", file, "--rendered-website-dir", relative)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("generating the pages: %w\n%s", err, out)
	}
	return nil
}
