package command

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// adminTokenVariable holds the admin listener's token. It is no flag, because
// others can read a process's arguments.
const adminTokenVariable = "NOMADSCALE_ADMIN_TOKEN"

func gatewayCommand() *cobra.Command {
	var config gateway.Config
	var level slog.Level
	cmd := &cobra.Command{
		Use:   "gateway",
		Short: "Take requests for apps, start apps for them and measure the load",
		Long: `Take requests for apps, start apps for them and measure the load.

An app is reached at /apps/<namespace>/<job>/<group>/ and at the hosts that its
policy names. Nomad's address and token are those of the NOMAD_* variables; in a
task with "identity { env = true }" the gateway uses the task's own socket and
its workload identity.

If ` + adminTokenVariable + ` is set, the admin listener asks for it as a bearer token.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config.Log = slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
			return runGateway(cmd.Context(), config)
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
	flags.BoolVar(&config.EndDelays, "end-shutdown-delays", false, "end an instance's shutdown_delay when its last request here has ended; for a gateway that is alone")
	flags.BoolVar(&config.TrustForwarded, "trust-forwarded", false, "take over the X-Forwarded-* headers of requests; for a gateway that only a proxy can reach")
	flags.BoolVar(&config.AccessLog, "access-log", false, "log every request")
	flags.TextVar(&level, "log-level", slog.LevelInfo, "least level to log: DEBUG, INFO, WARN or ERROR")
	return cmd
}

func runGateway(ctx context.Context, config gateway.Config) error {
	client, err := nomad.New(nomad.DefaultConfig())
	if err != nil {
		return err
	}
	config.Nomad = client
	config.ID = os.Getenv("NOMAD_ALLOC_ID")
	config.AdminToken = os.Getenv(adminTokenVariable)
	g, err := gateway.New(config)
	if err != nil {
		return fmt.Errorf("starting the gateway: %w", err)
	}
	return g.Run(ctx)
}
