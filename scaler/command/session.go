package command

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// sessionTimeout bounds what a command asks, so that it always answers.
const sessionTimeout = 30 * time.Second

// session is what the commands that ask a running Nomad have in common.
type session struct {
	now   func() time.Time
	nomad *nomad.Client

	json bool
	// gateways are the URLs to ask for the load; service and namespace find
	// them otherwise.
	gateways, service, namespace string
}

// sessionCommands are the commands that ask a running Nomad.
func sessionCommands(now func() time.Time) []*cobra.Command {
	commands := []func(*session) *cobra.Command{overrideCommand, statusCommand, whyCommand, eventsCommand}
	all := make([]*cobra.Command, len(commands))
	for i, command := range commands {
		all[i] = command(&session{now: now})
	}
	return all
}

const nomadHelp = `Nomad's address and token are those of the NOMAD_* variables.`

const gatewayHelp = `The load is asked of every gateway, found by the Nomad service of its admin
listener or named by --gateway. If ` + api.AdminTokenVariable + ` is set, it is sent
as the bearer token.`

func (s *session) jsonFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&s.json, "json", false, "print JSON, for programs")
}

func (s *session) gatewayFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&s.gateways, "gateway", "", "URLs of the gateways' admin listeners, separated by commas")
	flags.StringVar(&s.service, "gateway-service", api.AdminService, "Nomad service by which the gateways are found")
	flags.StringVar(&s.namespace, "gateway-namespace", "default", "namespace of that service")
}

// run makes a command's function of one that asks Nomad.
func (s *session) run(do func(context.Context, *cobra.Command, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		client, err := nomad.New(nomad.DefaultConfig())
		if err != nil {
			return err
		}
		s.nomad = client
		ctx, cancel := context.WithTimeout(cmd.Context(), sessionTimeout)
		defer cancel()
		return s.advise(do(ctx, cmd, args))
	}
}

// advise says what to do about an error of Nomad's.
func (s *session) advise(err error) error {
	var unreachable *url.Error
	switch {
	case errors.Is(err, nomad.ErrDenied):
		return fmt.Errorf("%w\nNOMAD_TOKEN is the token that is used", err)
	case errors.As(err, &unreachable):
		return fmt.Errorf("%w\nNomad does not answer at %s; NOMAD_ADDR says where it is", err, s.nomad.Address())
	default:
		return err
	}
}

// load is where the load of apps is asked for.
func (s *session) load() (*api.Client, error) {
	addresses, err := api.ParseAddresses(s.gateways)
	if err != nil {
		return nil, fmt.Errorf("--gateway %w", err)
	}
	return &api.Client{
		Services: s.nomad, Addresses: addresses, Service: s.service, Namespace: s.namespace,
		Token: os.Getenv(api.AdminTokenVariable), HTTP: &http.Client{Timeout: api.LookTimeout},
	}, nil
}
