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

// flushTimeout limits the time to send the last traces.
const flushTimeout = 5 * time.Second

func gatewayCommand(version string) *cobra.Command {
	var config gateway.Config
	var peers api.Client
	var addresses string
	var level slog.Level
	cmd := &cobra.Command{
		Use:   "gateway",
		Short: "Receive requests for apps, start apps for them and measure the load",
		Long: `Receive requests for apps, start apps for them and measure the load.

An app is reachable at /apps/<namespace>/<job>/<group>/ and at the hosts that its
policy names. The NOMAD_* variables set Nomad's address and token. In a task with
"identity { env = true }", the gateway uses the task's API socket and its workload
identity.

Any number of gateways can run. They exchange their load every second, so that
limits, rates and min_load apply to all of them together. They find each other by
the Nomad service of their admin listeners, or by a list.

If ` + api.AdminTokenVariable + ` is set, the admin listener requires it as a bearer token,
and the gateway sends it to the other gateways.

If OTEL_EXPORTER_OTLP_ENDPOINT is set, the gateway sends a span for each request
there, by OTLP over HTTP. The other OTEL_* variables set the sampler, headers and more.`,
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
	flags.StringVar(&config.Listen, "listen", "127.0.0.1:8080", "address that receives requests")
	flags.StringVar(&config.AdminListen, "admin-listen", "127.0.0.1:8081", "address of /v1/apps, /v1/load, /metrics, /healthz and /readyz")
	flags.StringVar(&config.TLSCert, "tls-cert", "", "PEM file with the certificate and its chain; turns on TLS for requests")
	flags.StringVar(&config.TLSKey, "tls-key", "", "PEM file with the certificate's key; both files are read again when they change")
	flags.IntVar(&config.MaxHeldRequests, "max-held-requests", 10000, "greatest number of requests held at once, for all apps together")
	flags.Int64Var(&config.MaxHeldBytes, "max-held-bytes", 512<<20,
		"memory limit of held requests in bytes: their headers and what HTTP/2 buffers of their bodies")
	flags.IntVar(&config.MaxHeaderBytes, "max-header-bytes", 64<<10, "greatest size of a request's head; a larger one gets status 431")
	flags.Int64Var(&config.MaxBodyBytes, "max-body-bytes", 0, "greatest size of a request's body, 0 for any; a larger one gets status 413")
	flags.DurationVar(&config.ClientTimeout, "client-timeout", time.Minute,
		"how long a client may pause while it sends a body by HTTP/1 or reads a response; -1s for any time")
	flags.DurationVar(&config.ShutdownDelay, "shutdown-delay", 0,
		"how long a stopping gateway still accepts requests while /readyz answers 503, so that load balancers notice")
	flags.DurationVar(&config.DrainTimeout, "drain-timeout", 0, "how long in-flight requests may take when the gateway stops (default 5m)")
	flags.BoolVar(&config.EndDelays, "end-shutdown-delays", false,
		"end a stopping instance's shutdown_delay when no gateway has a request there; only if all its requests come through gateways")
	flags.StringVar(&peers.Service, "peer-service", api.AdminService,
		"Nomad service by which gateways find each other; empty for a single gateway")
	flags.StringVar(&peers.Namespace, "peer-namespace", cmp.Or(os.Getenv("NOMAD_NAMESPACE"), "default"), "namespace of --peer-service")
	flags.StringVar(&addresses, "peers", "", "URLs of the gateways' admin listeners, separated by commas; replaces the service")
	flags.BoolVar(&config.TrustForwarded, "trust-forwarded", false,
		"trust the X-Forwarded-* headers of requests; for a gateway that only a trusted proxy can reach")
	flags.BoolVar(&config.AccessLog, "access-log", false, "log every request")
	flags.TextVar(&level, "log-level", slog.LevelInfo, "lowest level to log: DEBUG, INFO, WARN or ERROR")
	return cmd
}

func runGateway(ctx context.Context, version string, config gateway.Config, peers api.Client) error {
	configureMemory()
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
	if config.Tracer, flush, err = newTracer(ctx, version, config.ID, config.Log); err != nil {
		return err
	}
	g, err := gateway.New(config)
	if err != nil {
		return fmt.Errorf("starting the gateway: %w", err)
	}
	err = g.Run(ctx)
	flushCtx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	return errors.Join(err, flush(flushCtx))
}
