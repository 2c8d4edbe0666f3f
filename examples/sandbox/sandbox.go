// Package sandbox runs all of nomadscale on this machine, for the demo and the
// walk-throughs. A real Nomad runs the gateway and the autoscaler as jobs. Terraform uses
// the provider that was just built, and there is a copy of the examples.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

// Sandbox is a running sandbox.
type Sandbox struct {
	Agent *nomadtest.Agent
	// Gateway and Admin are the URLs of the gateway's listeners.
	Gateway, Admin string
	// Examples is the path of the copy of the examples.
	Examples string

	dir string
}

// commands are the tools that the walk-throughs call by name.
var commands = []string{"nomad", "terraform", "hey"}

// Start starts a sandbox in a directory, which the caller removes after Stop.
func Start(ctx context.Context, dir string) (*Sandbox, error) {
	s := &Sandbox{dir: dir, Examples: filepath.Join(dir, "examples")}
	root, err := nomadtest.Root()
	if err != nil {
		return nil, err
	}
	if err := s.install(root); err != nil {
		return nil, err
	}
	autoscaler, err := nomadtest.FindTool("nomad-autoscaler")
	if err != nil {
		return nil, err
	}
	if s.Agent, err = nomadtest.Run(ctx, s.Command("nomad"), nomadtest.Options{Dir: dir}); err != nil {
		return nil, err
	}
	ports, err := nomadtest.FreePorts(1)
	if err == nil {
		err = errors.Join(
			s.submit("gateway", map[string]string{"nomadscale": s.binary(), "http_port": strconv.Itoa(ports[0])}),
			s.submit("autoscaler", map[string]string{"autoscaler": autoscaler, "plugin_dir": filepath.Dir(s.binary())}),
			s.findGateway(ctx),
		)
	}
	if err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// Stop stops all parts.
func (s *Sandbox) Stop() error { return s.Agent.Stop() }

// Command returns the path of a tool: nomadscale, nomad, terraform or hey. OpenTofu can
// stand in for terraform.
func (s *Sandbox) Command(name string) string { return filepath.Join(s.dir, "bin", name) }

// Environment returns the variables that the commands of the examples need, each
// name=value.
func (s *Sandbox) Environment() []string {
	return []string{
		"PATH=" + filepath.Join(s.dir, "bin") + string(os.PathListSeparator) + os.Getenv("PATH"),
		"NOMAD_ADDR=" + s.Agent.Address,
		"GATEWAY=" + s.Gateway,
		"TF_CLI_CONFIG_FILE=" + s.cliConfig(),
		"CHECKPOINT_DISABLE=1",
	}
}

// binary returns the path of nomadscale's own binary, in the autoscaler's plugin_dir.
func (s *Sandbox) binary() string { return filepath.Join(s.dir, "plugins", "nomadscale") }

// install puts the binary, the provider, the tools and the examples in place. As in the
// repository, .tools is next to the examples.
func (s *Sandbox) install(root string) error {
	if _, err := nomadtest.Build(s.dir, filepath.Join("plugins", "nomadscale"), "."); err != nil {
		return err
	}
	if err := errors.Join(
		s.mirror(),
		os.CopyFS(s.Examples, os.DirFS(filepath.Join(root, "examples"))),
		os.Mkdir(filepath.Join(s.dir, ".tools"), 0o755),
		os.WriteFile(filepath.Join(s.dir, ".tools", "get"), []byte(fmt.Sprintf("#!/bin/sh\nexec '%s/.tools/get' \"$@\"\n", root)), 0o700),
		os.Mkdir(filepath.Join(s.dir, "bin"), 0o755),
		os.Symlink(s.binary(), s.Command("nomadscale")),
	); err != nil {
		return err
	}
	for _, name := range commands {
		path, err := nomadtest.FindTool(name)
		if err != nil {
			return err
		}
		if err := os.Symlink(path, s.Command(name)); err != nil {
			return err
		}
	}
	return nil
}

// submit registers one of the example jobs, which users run too.
func (s *Sandbox) submit(name string, variables map[string]string) error {
	return s.Agent.Submit(filepath.Join(s.Examples, "nomad", name+".nomad.hcl"), variables)
}

// findGateway finds the gateway by its services and waits until it is ready.
func (s *Sandbox) findGateway(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return s.Agent.Poll(ctx, "waiting for the gateway to be ready", func() error {
		for service, url := range map[string]*string{"nomadscale-gateway": &s.Gateway, "nomadscale-gateway-admin": &s.Admin} {
			registrations, _, err := s.Agent.API.Services().Get(service, nil)
			if err != nil {
				return err
			}
			if len(registrations) == 0 {
				return fmt.Errorf("there is no service %s", service)
			}
			*url = fmt.Sprintf("http://%s:%d", registrations[0].Address, registrations[0].Port)
		}
		return nomadtest.Get(ctx, s.Admin+"/readyz", nil)
	})
}
