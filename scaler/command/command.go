// Package command is the command line of nomadscale.
package command

import (
	"context"
	"time"

	"github.com/spf13/cobra"
)

// Run runs the command that the arguments name, until it is done or the context
// ends.
func Run(ctx context.Context, version string, args []string) error {
	root := newRoot(version)
	root.SetArgs(args)
	return root.ExecuteContext(ctx)
}

// newRoot is the command that all others are below.
func newRoot(version string) *cobra.Command {
	root := &cobra.Command{
		Use:     "nomadscale",
		Short:   "Per-request autoscaling for HashiCorp Nomad",
		Long:    faces,
		Version: version,
		// main prints the error, and a mistake is no reason to print the usage.
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(gatewayCommand(version))
	root.AddCommand(simulateCommand())
	root.AddCommand(sessionCommands(time.Now)...)
	return root
}

const faces = `nomadscale brings per-request autoscaling to HashiCorp Nomad: an app starts when
a request arrives, grows with the load, shrinks gracefully and goes to zero.

This one binary has four faces:

  Terraform provider  Terraform and OpenTofu start it, installed as
                      terraform-provider-nomadscale_v<version>, and declare apps
                      with the resource nomadscale_app.
  Autoscaler plugins  The Nomad Autoscaler starts it, installed as nomadscale in
                      its plugin_dir:
                        strategy "nomadscale" { driver = "nomadscale" args = ["strategy"] }
                        apm "nomadscale"      { driver = "nomadscale" args = ["apm"] }
                        target "nomadscale"   { driver = "nomadscale" args = ["target"] }
  Gateway             nomadscale gateway takes the requests, starts apps for them
                      and measures the load; run it as a Nomad job.
  Command line        The commands below.`
