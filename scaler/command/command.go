// Package command is the command line of nomadscale.
package command

import (
	"context"
	"time"

	"github.com/spf13/cobra"
)

// Run runs the command that the arguments name, until it returns or the context ends.
func Run(ctx context.Context, version string, args []string) error {
	root := newRoot(version)
	root.SetArgs(args)
	return root.ExecuteContext(ctx)
}

// newRoot returns the root of all commands.
func newRoot(version string) *cobra.Command {
	root := &cobra.Command{
		Use:     "nomadscale",
		Short:   "Per-request autoscaling for HashiCorp Nomad",
		Long:    faces,
		Version: version,
		// main prints the error. A wrong argument should not print the whole usage.
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(gatewayCommand(version))
	root.AddCommand(simulateCommand())
	root.AddCommand(sessionCommands(time.Now)...)
	return root
}

// sessionCommands returns the commands that need a running Nomad.
func sessionCommands(now func() time.Time) []*cobra.Command {
	commands := []func(*session) *cobra.Command{overrideCommand, statusCommand, whyCommand, eventsCommand}
	all := make([]*cobra.Command, len(commands))
	for i, command := range commands {
		all[i] = command(&session{now: now})
	}
	return all
}

const faces = `nomadscale brings per-request autoscaling to HashiCorp Nomad: an app starts when
a request arrives, grows with the load, shrinks gracefully and goes to zero.

This one binary has four faces:

  Terraform provider  Terraform or OpenTofu starts it and declares apps with the
                      resource nomadscale_app. Install it as
                      terraform-provider-nomadscale_v<version>.
  Autoscaler plugins  The Nomad Autoscaler starts it. Install it as nomadscale in
                      the plugin_dir:
                        strategy "nomadscale" { driver = "nomadscale" args = ["strategy"] }
                        apm "nomadscale"      { driver = "nomadscale" args = ["apm"] }
                        target "nomadscale"   { driver = "nomadscale" args = ["target"] }
  Gateway             nomadscale gateway receives the requests, starts apps for
                      them and measures the load. Run it as a Nomad job.
  Command line        The commands below.`
