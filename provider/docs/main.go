// Command docs generates docs/ from the provider's schema, templates/ and
// examples/.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "docs:", err)
		os.Exit(1)
	}
}

// run replaces docs/, once all of it is generated.
func run(ctx context.Context) error {
	root, err := nomadtest.Root()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "docs")
	if err != nil {
		return fmt.Errorf("writing the pages: %w", err)
	}
	defer os.RemoveAll(dir)
	if err := generate(ctx, root, dir); err != nil {
		return err
	}
	docs := filepath.Join(root, "docs")
	if err := errors.Join(os.RemoveAll(docs), os.CopyFS(docs, os.DirFS(dir))); err != nil {
		return fmt.Errorf("writing the pages: %w", err)
	}
	return nil
}

// generate writes the pages of the project at root into a directory. The schema
// comes from the provider itself: a CLI reports only the kinds of types that it
// knows, and the pages of all others would be missing.
func generate(ctx context.Context, root, into string) error {
	tfplugindocs, err := nomadtest.FindTool("tfplugindocs")
	if err != nil {
		return err
	}
	schema, err := writeSchema(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(schema) }()
	relative, err := filepath.Rel(root, into)
	if err != nil {
		return fmt.Errorf("finding %s from %s: %w", into, root, err)
	}
	cmd := exec.CommandContext(ctx, tfplugindocs, "generate", "--provider-dir", root, "--provider-name", name,
		"--providers-schema", schema, "--rendered-website-dir", relative)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("generating the pages: %w\n%s", err, out)
	}
	return nil
}

// writeSchema writes the provider's schema as tfplugindocs reads it, and returns
// the file, which is the caller's to remove.
func writeSchema(ctx context.Context) (string, error) {
	schema, err := readSchema(ctx)
	if err != nil {
		return "", err
	}
	file, err := os.CreateTemp("", "schema-*.json")
	if err != nil {
		return "", fmt.Errorf("writing the schema: %w", err)
	}
	if err := errors.Join(json.NewEncoder(file).Encode(schema.asCLI()), file.Close()); err != nil {
		return "", fmt.Errorf("writing the schema: %w", err)
	}
	return file.Name(), nil
}
