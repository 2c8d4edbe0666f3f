package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// flushTimeout bounds how long the last traces may take to be sent.
const flushTimeout = 5 * time.Second

func gatewayCommand(version string) *cobra.Command {
	var config gateway.Config
	var peers api.Client
	var addresses string
	var level slog.Level
	cmd := &cobra.Command{
		Use:   "gateway",
		Short: "Take requests for apps, start apps for them and measure the load",
		Long: `Take requests for apps, start apps for them and measure the load.

An app is reached at /apps/<namespace>/<job>/<group>/ and at the hosts that its
policy names. Nomad's address and token are those of the NOMAD_* variables; in a
task with "identity { env = true }" the gateway uses the task's own socket and
its workload identity.

Any number of gateways share their load every second, so that limits, rates and
min_load hold over all of them. They find each other by the Nomad service of
their admin listeners, or by a list.

If ` + api.AdminTokenVariable + ` is set, the admin listener asks for it as a bearer token,
and the gateway sends it to the others.

If OTEL_EXPORTER_OTLP_ENDPOINT is set, each request is a span that is sent there,
by OTLP over HTTP; the other OTEL_* variables choose the sampler, headers and more.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config.Log = slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
			var err error
			if peers.Addresses, err = api.ParseAddresses(addresses); err != nil {
				return fmt.Errorf("--peers = %w", err)
			}
			return runGateway(cmd.Context(), version, config, peers)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&config.Listen, "listen", "127.0.0.1:8080", "address that takes requests")
	flags.StringVar(&config.AdminListen, "admin-listen", "127.0.0.1:8081", "address of /v1/apps, /v1/load, /metrics, /healthz and /readyz")
	flags.StringVar(&config.TLSCert, "tls-cert", "", "file in PEM with the certificate and its chain; requests are then taken over TLS")
	flags.StringVar(&config.TLSKey, "tls-key", "", "file in PEM with the certificate's key; both are read again when they change")
	flags.IntVar(&config.MaxHeldRequests, "max-held-requests", 10000, "requests held at once, of all apps together")
	flags.Int64Var(&config.MaxHeldBytes, "max-held-bytes", 512<<20, "memory that they may take, by their headers and what HTTP/2 buffers of their bodies")
	flags.IntVar(&config.MaxHeaderBytes, "max-header-bytes", 64<<10, "size of a request's head; a larger one is answered 431")
	flags.Int64Var(&config.MaxBodyBytes, "max-body-bytes", 0, "size of a request's body, 0 for any; a larger one is answered 413")
	flags.DurationVar(&config.ClientTimeout, "client-timeout", time.Minute, "how long a client may take to send more of a body, by HTTP/1, or to take more of an answer; -1s for any time")
	flags.DurationVar(&config.ShutdownDelay, "shutdown-delay", 0, "how long to go on taking requests when the gateway is stopped, while /readyz answers 503 and load balancers notice")
	flags.DurationVar(&config.DrainTimeout, "drain-timeout", 0, "how long requests may take to end when the gateway is stopped (default 5m)")
	flags.BoolVar(&config.EndDelays, "end-shutdown-delays", false, "end an instance's shutdown_delay when its last request at any gateway has ended; for instances that are reached in no other way")
	flags.StringVar(&peers.Service, "peer-service", api.AdminService, "Nomad service by which gateways find each other; empty for a gateway that is alone")
	flags.StringVar(&peers.Namespace, "peer-namespace", cmp.Or(os.Getenv("NOMAD_NAMESPACE"), "default"), "namespace of that service")
	flags.StringVar(&addresses, "peers", "", "URLs of the gateways' admin listeners, separated by commas, instead of the service")
	flags.BoolVar(&config.TrustForwarded, "trust-forwarded", false, "take over the X-Forwarded-* headers of requests; for a gateway that only a proxy can reach")
	flags.BoolVar(&config.AccessLog, "access-log", false, "log every request")
	flags.TextVar(&level, "log-level", slog.LevelInfo, "least level to log: DEBUG, INFO, WARN or ERROR")
	return cmd
}

func runGateway(ctx context.Context, version string, config gateway.Config, peers api.Client) error {
	fitMemory()
	client, err := nomad.New(nomad.DefaultConfig())
	if err != nil {
		return err
	}
	config.Nomad = client
	config.ID = os.Getenv("NOMAD_ALLOC_ID")
	config.AdminToken = os.Getenv(api.AdminTokenVariable)
	if peers.Service != "" || len(peers.Addresses) > 0 {
		peers.Services, peers.Token, peers.HTTP = client, config.AdminToken, &http.Client{Transport: nomad.Transport()}
		config.Peers = &peers
	}
	var flush func(context.Context) error
	if config.Tracer, flush, err = traces(ctx, version, config.ID, config.Log); err != nil {
		return err
	}
	g, err := gateway.New(config)
	if err != nil {
		return fmt.Errorf("starting the gateway: %w", err)
	}
	err = g.Run(ctx)
	ending, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	return errors.Join(err, flush(ending))
}
