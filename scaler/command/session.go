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

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

// sessionTimeout limits the time of one command, so that it always ends.
const sessionTimeout = 30 * time.Second

// session is what the commands that read from or write to a running Nomad share.
type session struct {
	now   func() time.Time
	nomad *nomad.Client

	json bool
	// gateways lists URLs of gateways. If it is empty, the Nomad service in the
	// namespace names them.
	gateways, service, namespace string
}

const nomadHelp = `The NOMAD_* variables set Nomad's address and token.`

const gatewayHelp = `The command reads the load from every gateway. It finds the gateways by the Nomad
service of their admin listeners, or --gateway names them. If ` + api.AdminTokenVariable + `
is set, the command sends it as the bearer token.`

func (s *session) jsonFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&s.json, "json", false, "print JSON, for programs")
}

func (s *session) gatewayFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&s.gateways, "gateway", "", "URLs of the gateways' admin listeners, separated by commas")
	flags.StringVar(&s.service, "gateway-service", api.AdminService, "Nomad service of the gateways' admin listeners")
	flags.StringVar(&s.namespace, "gateway-namespace", "default", "namespace of --gateway-service")
}

// run returns a command's RunE function, which connects to Nomad and calls do.
func (s *session) run(do func(context.Context, *cobra.Command, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		client, err := nomad.New(nomad.DefaultConfig())
		if err != nil {
			return err
		}
		s.nomad = client
		ctx, cancel := context.WithTimeout(cmd.Context(), sessionTimeout)
		defer cancel()
		return s.adviseNomad(do(ctx, cmd, args))
	}
}

// runForApp is [session.run] for a command whose only argument names an app.
func (s *session) runForApp(do func(context.Context, *cobra.Command, scaler.AppID) error) func(*cobra.Command, []string) error {
	return s.run(func(ctx context.Context, cmd *cobra.Command, args []string) error {
		app, err := scaler.ParseAppID(args[0])
		if err != nil {
			return err
		}
		err = do(ctx, cmd, app)
		if errors.Is(err, nomad.ErrNotFound) || errors.Is(err, jobspec.ErrNoGroup) {
			return fmt.Errorf("%w\nnomadscale status lists the apps, and nomad job status -namespace=%s the jobs", err, app.Namespace)
		}
		return err
	})
}

// adviseNomad adds to an error of Nomad what the user can do.
func (s *session) adviseNomad(err error) error {
	var unreachable *url.Error
	switch {
	case errors.Is(err, nomad.ErrDenied):
		return fmt.Errorf("%w\nThe command uses the token in NOMAD_TOKEN", err)
	case errors.As(err, &unreachable):
		return fmt.Errorf("%w\nNomad does not answer at %s; set NOMAD_ADDR to its address", err, s.nomad.Address())
	default:
		return err
	}
}

// gatewayClient returns a client of the gateways that the flags name.
func (s *session) gatewayClient() (*api.Client, error) {
	addresses, err := api.ParseAddresses(s.gateways)
	if err != nil {
		return nil, fmt.Errorf("--gateway %w", err)
	}
	return &api.Client{
		Services: s.nomad, Addresses: addresses, Service: s.service, Namespace: s.namespace,
		Token: os.Getenv(api.AdminTokenVariable), HTTP: &http.Client{Timeout: api.LookTimeout},
	}, nil
}
