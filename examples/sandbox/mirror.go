package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// cliConfig returns the path of the file that makes Terraform use the mirror.
func (s *Sandbox) cliConfig() string { return filepath.Join(s.dir, "cli.tfrc") }

// mirror installs the provider for Terraform and OpenTofu, in the way that a user would.
func (s *Sandbox) mirror() error {
	mirror := filepath.Join(s.dir, "mirror")
	config := fmt.Sprintf("provider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", mirror)
	err := os.WriteFile(s.cliConfig(), []byte(config), 0o600)
	for _, registry := range []string{"registry.terraform.io", "registry.opentofu.org"} {
		dir := filepath.Join(mirror, registry, "nomadscale", "nomadscale", "0.0.1", runtime.GOOS+"_"+runtime.GOARCH)
		err = errors.Join(err, os.MkdirAll(dir, 0o755),
			os.Link(s.binary(), filepath.Join(dir, "terraform-provider-nomadscale_v0.0.1")))
	}
	return err
}
