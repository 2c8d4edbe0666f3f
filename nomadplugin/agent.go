package nomadplugin

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/nomad-autoscaler/plugins/base"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// defaultNamespace is the namespace where a config names none.
const defaultNamespace = "default"

// pluginInfo describes a plugin to the agent. The agent requires the name of its
// driver, which is the name of the file in the plugin_dir.
func pluginInfo(kind string) (*base.PluginInfo, error) {
	return &base.PluginInfo{Name: filepath.Base(os.Args[0]), PluginType: kind}, nil
}

// cleanError rewords an error whose text would make the agent stop every policy.
// The agent searches the whole text, so wrapped and quoted errors count too.
func cleanError(err error) error {
	if err == nil {
		return nil
	}
	return errors.New(errorCleaner.Replace(err.Error()))
}

var errorCleaner = strings.NewReplacer("EOF", "end of file", "connection refused", "connection not accepted")

// logFor returns a log that names an app in every line.
func logFor(log hclog.Logger, app scaler.AppID) hclog.Logger {
	return log.With("namespace", app.Namespace, "job", app.Job, "group", app.Group)
}
