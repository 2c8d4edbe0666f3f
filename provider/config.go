package provider

import (
	"net/http"
	"strings"

	"github.com/hashicorp/nomad/api"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
)

// configModel is the provider block. Its names are those of the Nomad
// provider's, so that one block's text serves both.
type configModel struct {
	Address       types.String          `tfsdk:"address"`
	Region        types.String          `tfsdk:"region"`
	Namespace     types.String          `tfsdk:"namespace"`
	SecretID      types.String          `tfsdk:"secret_id"`
	HTTPAuth      types.String          `tfsdk:"http_auth"`
	CAFile        types.String          `tfsdk:"ca_file"`
	CAPEM         types.String          `tfsdk:"ca_pem"`
	CertFile      types.String          `tfsdk:"cert_file"`
	CertPEM       types.String          `tfsdk:"cert_pem"`
	KeyFile       types.String          `tfsdk:"key_file"`
	KeyPEM        types.String          `tfsdk:"key_pem"`
	SkipVerify    types.Bool            `tfsdk:"skip_verify"`
	IgnoreEnvVars map[string]types.Bool `tfsdk:"ignore_env_vars"`
	Headers       []headerModel         `tfsdk:"headers"`
}

type headerModel struct {
	Name  types.String `tfsdk:"name"`
	Value types.String `tfsdk:"value"`
}

func configSchema() schema.Schema {
	text := func(description string) schema.StringAttribute {
		return schema.StringAttribute{Optional: true, MarkdownDescription: description}
	}
	secret := func(description string) schema.StringAttribute {
		return schema.StringAttribute{Optional: true, Sensitive: true, MarkdownDescription: description}
	}
	// Of a file and its contents only one can be meant.
	either := func(a schema.StringAttribute, other string) schema.StringAttribute {
		a.Validators = []validator.String{stringvalidator.ConflictsWith(path.MatchRoot(other))}
		return a
	}
	return schema.Schema{
		MarkdownDescription: "Declares apps on [HashiCorp Nomad](https://www.nomadproject.io) that start when a request comes, grow " +
			"with the load, keep a buffer warm and go to zero.",
		Attributes: map[string]schema.Attribute{
			"address":   text("The URL of a Nomad agent; `unix://` sockets too. Default: `NOMAD_ADDR`, else `http://127.0.0.1:4646`."),
			"region":    text("The region to speak to. Default: `NOMAD_REGION`, else the agent's own."),
			"namespace": text("The namespace of jobs whose specification names none. Default: `NOMAD_NAMESPACE`, else `default`."),
			"secret_id": secret("The secret ID of an ACL token. It needs `submit-job`, `read-job` and `parse-job` in the namespaces of " +
				"the jobs. Default: `NOMAD_TOKEN`."),
			"http_auth": secret("User and password for HTTP basic authentication, as `user:password`. Default: `NOMAD_HTTP_AUTH`."),
			"ca_file":   either(text("A PEM file with the certificate authority of the agent's certificate. Default: `NOMAD_CACERT`."), "ca_pem"),
			"ca_pem":    text("The same as text, instead of `ca_file`."),
			"cert_file": either(text("A PEM file with the client certificate. Default: `NOMAD_CLIENT_CERT`."), "cert_pem"),
			"cert_pem":  text("The same as text, instead of `cert_file`."),
			"key_file":  either(text("A PEM file with the key of the client certificate. Default: `NOMAD_CLIENT_KEY`."), "key_pem"),
			"key_pem":   secret("The same as text, instead of `key_file`."),
			"skip_verify": schema.BoolAttribute{Optional: true, MarkdownDescription: "Accept any certificate of the agent. Default: " +
				"`NOMAD_SKIP_VERIFY`, else `false`."},
			"ignore_env_vars": schema.MapAttribute{
				Optional: true, ElementType: types.BoolType,
				MarkdownDescription: "Environment variables that are not to be used, as `{ NOMAD_NAMESPACE = true }`. `NOMAD_NAMESPACE` and " +
					"`NOMAD_REGION` can be ignored.",
			},
		},
		Blocks: map[string]schema.Block{
			"headers": schema.ListNestedBlock{
				MarkdownDescription: "A header to add to every request to Nomad. The block may be repeated.",
				NestedObject: schema.NestedBlockObject{Attributes: map[string]schema.Attribute{
					"name":  schema.StringAttribute{Required: true, MarkdownDescription: "The name of the header."},
					"value": schema.StringAttribute{Required: true, Sensitive: true, MarkdownDescription: "The value of the header."},
				}},
			},
		},
	}
}

// apiConfig merges the block over the NOMAD_* variables.
func (m configModel) apiConfig() (*api.Config, diag.Diagnostics) {
	var diags diag.Diagnostics
	config := nomad.DefaultConfig()
	for name, ignore := range m.IgnoreEnvVars {
		switch {
		case name == "NOMAD_NAMESPACE" && ignore.ValueBool():
			config.Namespace = ""
		case name == "NOMAD_REGION" && ignore.ValueBool():
			config.Region = ""
		case name != "NOMAD_NAMESPACE" && name != "NOMAD_REGION":
			diags.AddAttributeError(path.Root("ignore_env_vars").AtMapKey(name), "Invalid ignore_env_vars", name+
				" cannot be ignored; NOMAD_NAMESPACE and NOMAD_REGION can.")
		}
	}
	set := func(field *string, value types.String) {
		if !value.IsNull() {
			*field = value.ValueString()
		}
	}
	set(&config.Address, m.Address)
	set(&config.Region, m.Region)
	set(&config.Namespace, m.Namespace)
	set(&config.SecretID, m.SecretID)
	m.setTLS(config.TLSConfig)
	if !m.HTTPAuth.IsNull() {
		user, password, _ := strings.Cut(m.HTTPAuth.ValueString(), ":")
		config.HttpAuth = &api.HttpBasicAuth{Username: user, Password: password}
	}
	if len(m.Headers) > 0 {
		config.Headers = make(http.Header)
		for _, header := range m.Headers {
			config.Headers.Add(header.Name.ValueString(), header.Value.ValueString())
		}
	}
	return config, diags
}

func (m configModel) setTLS(config *api.TLSConfig) {
	pick := func(file *string, pem *[]byte, configuredFile, configuredPEM types.String) {
		switch {
		case !configuredFile.IsNull():
			*file = configuredFile.ValueString()
		case !configuredPEM.IsNull():
			// Nomad's client would prefer a file, even one of the environment.
			*file, *pem = "", []byte(configuredPEM.ValueString())
		}
	}
	pick(&config.CACert, &config.CACertPEM, m.CAFile, m.CAPEM)
	pick(&config.ClientCert, &config.ClientCertPEM, m.CertFile, m.CertPEM)
	pick(&config.ClientKey, &config.ClientKeyPEM, m.KeyFile, m.KeyPEM)
	if !m.SkipVerify.IsNull() {
		config.Insecure = m.SkipVerify.ValueBool()
	}
}
