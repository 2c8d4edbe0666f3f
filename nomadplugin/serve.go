// Package nomadplugin adapts nomadscale to the Nomad Autoscaler: a strategy
// that decides, an APM that asks the gateways for the load, and a target that
// carries the decision out.
//
// The agent answers an error whose text contains "EOF" or "connection refused"
// by stopping every policy of the cluster, and an empty series by giving up the
// evaluation. So nothing here returns either: see clean and [APM.Query].
package nomadplugin

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/nomad-autoscaler/plugins"
	"github.com/hashicorp/nomad-autoscaler/plugins/base"
	"github.com/hashicorp/nomad-autoscaler/sdk"
)

// Started reports whether the autoscaler's agent has started this process.
func Started() bool {
	return os.Getenv(plugins.Handshake.MagicCookieKey) == plugins.Handshake.MagicCookieValue
}

// Serve serves the plugin that the args of its block name, until the agent ends
// it. It returns an error when they name none.
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
	return fmt.Errorf("the plugin block's args are %q: they must be [%q], [%q] or [%q], as the block is", args, sdk.PluginTypeStrategy, sdk.PluginTypeAPM, sdk.PluginTypeTarget)
}

// exitWithParent ends the process when its parent has died without ending it, as
// an agent that was killed does.
func exitWithParent(parent int) {
	for os.Getppid() == parent {
		time.Sleep(time.Second)
	}
	os.Exit(1)
}

// info describes a plugin to the agent, which insists on the driver's name: that
// of the file in its plugin_dir.
func info(kind string) (*base.PluginInfo, error) {
	return &base.PluginInfo{Name: filepath.Base(os.Args[0]), PluginType: kind}, nil
}

// clean rewords an error that the agent would take for a reason to stop every
// policy. It matches on the text, in whatever an error wraps or quotes.
func clean(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s", cleaner.Replace(err.Error()))
}

var cleaner = strings.NewReplacer("EOF", "end of file", "connection refused", "connection not accepted")
