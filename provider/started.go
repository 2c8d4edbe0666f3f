package provider

import "os"

// Started reports whether Terraform or OpenTofu has started this process.
func Started() bool { return os.Getenv("TF_PLUGIN_MAGIC_COOKIE") != "" }
