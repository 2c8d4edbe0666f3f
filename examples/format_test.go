package examples_test

import (
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

// Every configuration and every job is formatted as terraform fmt and nomad fmt do.
func TestExamplesAreFormatted(t *testing.T) {
	t.Parallel()
	if out, err := exec.Command(nomadtest.Tool(t, "terraform"), "fmt", "-check", "-recursive", "-diff").CombinedOutput(); err != nil {
		t.Errorf("terraform fmt: %v\n%s", err, out)
	}
	format, jobs := nomadtest.Tool(t, "nomad"), 0
	err := fs.WalkDir(os.DirFS("."), ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".nomad.hcl") {
			return err
		}
		jobs++
		if out, err := exec.Command(format, "fmt", "-check", path).CombinedOutput(); err != nil {
			t.Errorf("nomad fmt: %v\n%s", err, out)
		}
		return nil
	})
	if err != nil || jobs == 0 {
		t.Errorf("%d jobs, %v", jobs, err)
	}
}
