// Command nomadscale is one binary with four faces: Terraform provider, Nomad
// Autoscaler plugins, HTTP gateway and command line.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"

	"github.com/nomadscale/terraform-provider-nomadscale/nomadplugin"
	"github.com/nomadscale/terraform-provider-nomadscale/provider"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/command"
)

// version is set by the linker.
var version = "dev"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "nomadscale:", err)
		os.Exit(1)
	}
}

// run selects the face by what started the process.
func run(args []string) error {
	switch {
	case nomadplugin.Started():
		return nomadplugin.Serve(args)
	case provider.Started():
		return providerserver.Serve(context.Background(), provider.New(version), providerserver.ServeOpts{Address: provider.Address})
	default:
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		return command.Run(ctx, version, args)
	}
}
