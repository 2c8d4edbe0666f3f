// Package nomadplugin adapts nomadscale to the Nomad Autoscaler: a strategy that
// decides, an APM that reads the load from the gateways, and a target that changes
// the count.
//
// If an error contains "EOF" or "connection refused", the agent stops every policy
// of the cluster. If a series is empty, it ends the evaluation. So nothing here
// returns either: see cleanError and [APM.Query].
package nomadplugin

import (
	"fmt"
	"os"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/nomad-autoscaler/plugins"
	"github.com/hashicorp/nomad-autoscaler/sdk"
)

// Started reports whether the autoscaler's agent started this process.
func Started() bool {
	return os.Getenv(plugins.Handshake.MagicCookieKey) == plugins.Handshake.MagicCookieValue
}

// Serve serves the plugin that the args of its block name, until the agent ends
// it. It returns an error when the args name no plugin.
func Serve(args []string) error {
	factories := map[string]plugins.PluginFactory{
		sdk.PluginTypeStrategy: func(log hclog.Logger) any { return NewStrategy(log) },
		sdk.PluginTypeAPM:      func(log hclog.Logger) any { return NewAPM(log) },
		sdk.PluginTypeTarget:   func(log hclog.Logger) any { return NewTarget(log) },
	}
	if len(args) == 1 && factories[args[0]] != nil {
		go exitWithParent(os.Getppid())
		plugins.Serve(factories[args[0]])
		return nil
	}
	return fmt.Errorf("the args of the plugin block are %q: must be [%q], [%q] or [%q], the same as the block's type",
		args, sdk.PluginTypeStrategy, sdk.PluginTypeAPM, sdk.PluginTypeTarget)
}

// exitWithParent ends this process when its parent is gone. An agent that is
// killed cannot end its plugins itself.
func exitWithParent(parent int) {
	for os.Getppid() == parent {
		time.Sleep(time.Second)
	}
	os.Exit(1)
}
