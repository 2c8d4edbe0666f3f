package provider

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hashicorp/nomad/api"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
)

func TestConfigurationOverEnvironment(t *testing.T) {
	for name, value := range map[string]string{
		"NOMAD_ADDR": "http://env:4646", "NOMAD_REGION": "env", "NOMAD_NAMESPACE": "env", "NOMAD_TOKEN": "env", "NOMAD_HTTP_AUTH": "env:env",
		"NOMAD_CACERT": "env.ca", "NOMAD_CLIENT_CERT": "env.crt", "NOMAD_CLIENT_KEY": "env.key", "NOMAD_SKIP_VERIFY": "true",
	} {
		t.Setenv(name, value)
	}
	text := types.StringValue
	for _, c := range []struct {
		name  string
		model configModel
		want  api.Config
	}{
		{"environment alone", configModel{}, api.Config{
			Address: "http://env:4646", Region: "env", Namespace: "env", SecretID: "env", HttpAuth: &api.HttpBasicAuth{Username: "env", Password: "env"},
			TLSConfig: &api.TLSConfig{CACert: "env.ca", ClientCert: "env.crt", ClientKey: "env.key", Insecure: true},
		}},
		{"configuration wins", configModel{
			Address: text("https://tf:4646"), Region: text("tf"), Namespace: text("tf"), SecretID: text("tf"), HTTPAuth: text("user:pass:word"),
			CAFile: text("tf.ca"), CertFile: text("tf.crt"), KeyFile: text("tf.key"), SkipVerify: types.BoolValue(false),
			Headers: []headerModel{{text("X-A"), text("1")}, {text("X-A"), text("2")}},
		}, api.Config{
			Address: "https://tf:4646", Region: "tf", Namespace: "tf", SecretID: "tf", HttpAuth: &api.HttpBasicAuth{Username: "user", Password: "pass:word"},
			TLSConfig: &api.TLSConfig{CACert: "tf.ca", ClientCert: "tf.crt", ClientKey: "tf.key"},
			Headers:   http.Header{"X-A": {"1", "2"}},
		}},
		{"text instead of a file, even one of the environment", configModel{CAPEM: text("ca"), CertPEM: text("crt"), KeyPEM: text("key"), HTTPAuth: text("user")}, api.Config{
			Address: "http://env:4646", Region: "env", Namespace: "env", SecretID: "env", HttpAuth: &api.HttpBasicAuth{Username: "user"},
			TLSConfig: &api.TLSConfig{CACertPEM: []byte("ca"), ClientCertPEM: []byte("crt"), ClientKeyPEM: []byte("key"), Insecure: true},
		}},
		{"ignored environment", configModel{IgnoreEnvVars: map[string]types.Bool{"NOMAD_NAMESPACE": types.BoolValue(true), "NOMAD_REGION": types.BoolValue(true)}}, api.Config{
			Address: "http://env:4646", SecretID: "env", HttpAuth: &api.HttpBasicAuth{Username: "env", Password: "env"},
			TLSConfig: &api.TLSConfig{CACert: "env.ca", ClientCert: "env.crt", ClientKey: "env.key", Insecure: true},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, diags := c.model.apiConfig()
			if diags.HasError() {
				t.Fatal(diags)
			}
			if diff := cmp.Diff(&c.want, got, cmpopts.IgnoreUnexported(api.Config{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestUnusableConfiguration(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ block, want string }{
		"both a file and its text":         {`ca_file = "a"` + "\n" + `ca_pem = "b"`, "ca_pem"},
		"a certificate without a key":      {`cert_pem = "a"`, "Both client cert and client key must be provided"},
		"a missing file":                   {`ca_file = "/nonexistent/ca.pem"`, "no such file"},
		"a variable that must be obeyed":   {`ignore_env_vars = { NOMAD_TOKEN = true }`, "NOMAD_TOKEN cannot be ignored"},
		"an address that cannot be parsed": {`address = "http://[::1"`, "invalid address"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			apply(t, resource.TestStep{
				Config:      "provider \"nomadscale\" {\n" + c.block + "\n}\n" + app("a", spec("x", ""), `autoscaling = {}`),
				ExpectError: said(c.want),
			})
		})
	}
}

// What is configured reaches Nomad, and no secret reaches the log.
func TestCredentialsAreSentAndNotLogged(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	t.Setenv("TF_LOG", "TRACE")
	t.Setenv("TF_ACC_LOG_PATH", log)
	// Not in the configuration, which the test framework logs.
	t.Setenv("NOMAD_TOKEN", "s3cret-token")
	t.Setenv("NOMAD_HTTP_AUTH", "user:s3cret-password")
	var mu sync.Mutex
	var seen http.Header
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen = r.Header.Clone()
		http.Error(w, "Permission denied", http.StatusForbidden)
	}))
	defer server.Close()
	apply(t, resource.TestStep{
		Config: `provider "nomadscale" {
		  address = "` + server.URL + `"
		  headers {
		    name  = "X-Extra"
		    value = "more"
		  }
		}` + "\n" + app("a", spec("x", ""), `autoscaling = {}`),
		ExpectError: said("permission denied: the token needs the capability submit-job in namespace default"),
	})
	mu.Lock()
	defer mu.Unlock()
	for header, want := range map[string]string{
		"X-Nomad-Token": "s3cret-token",
		"X-Extra":       "more",
		"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte("user:s3cret-password")),
	} {
		if got := seen.Get(header); got != want {
			t.Errorf("%s is %q, want %q", header, got, want)
		}
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if len(text) == 0 {
		t.Error("nothing was logged")
	}
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, "s3cret") {
			t.Errorf("a secret is in the log: %s", line)
		}
	}
}
