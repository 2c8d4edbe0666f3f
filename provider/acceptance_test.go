package provider

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

// agent is the Nomad that the tests of this package share. Each test uses jobs
// of its own, so that they do not meet.
var agent *nomadtest.Agent

// scratch is a directory that the tests share; it is gone when they are over.
var scratch string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "NOMAD_") {
			_ = os.Unsetenv(name)
		}
	}
	dir, err := os.MkdirTemp("", "provider")
	if err != nil {
		return fail(err)
	}
	defer os.RemoveAll(dir)
	scratch = dir
	// A user's own CLI configuration could send the tests elsewhere.
	cliConfig := filepath.Join(dir, "terraformrc")
	if err := os.WriteFile(cliConfig, nil, 0o600); err != nil {
		return fail(err)
	}
	cli, err := commandLine()
	if err != nil {
		return fail(err)
	}
	if filepath.Base(cli) == "tofu" {
		// The test framework knows only Terraform's registry by itself.
		if err := errors.Join(os.Setenv("TF_ACC_PROVIDER_HOST", "registry.opentofu.org"), os.Setenv("TF_ACC_PROVIDER_NAMESPACE", "hashicorp")); err != nil {
			return fail(err)
		}
	}
	for name, value := range map[string]string{"TF_CLI_CONFIG_FILE": cliConfig, "TF_ACC_TERRAFORM_PATH": cli, "CHECKPOINT_DISABLE": "1"} {
		if err := os.Setenv(name, value); err != nil {
			return fail(err)
		}
	}
	binary, err := nomadtest.FindTool("nomad")
	if err != nil {
		return fail(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if agent, err = nomadtest.Run(ctx, binary, nomadtest.Options{Dir: dir, Config: limits}); err != nil {
		return fail(err)
	}
	code := m.Run()
	if err := agent.Stop(); err != nil {
		return fail(err)
	}
	return code
}

// commandLine is the program that the tests drive: the one that the test
// framework is told to take, else Terraform or what stands in for it.
func commandLine() (string, error) {
	if path := os.Getenv("TF_ACC_TERRAFORM_PATH"); path != "" {
		return path, nil
	}
	return nomadtest.FindTool("terraform")
}

// limits: every Terraform command creates the provider in this process again, and
// each leaves idle connections behind.
const limits = `
limits {
  http_max_conns_per_client = 0
}
`

func fail(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// servers are the providers that Terraform is given.
func servers() map[string]func() (tfprotov6.ProviderServer, error) { return serversAt(time.Now) }

// serversAt are servers with a clock.
func serversAt(now func() time.Time) map[string]func() (tfprotov6.ProviderServer, error) {
	return map[string]func() (tfprotov6.ProviderServer, error){
		"nomadscale": providerserver.NewProtocol6WithError(newAt("test", now)()),
	}
}

// apply runs steps on the shared agent. After each step that applies, a plan
// must be empty; after the last, nothing is checked but that destroying works.
func apply(t *testing.T, steps ...resource.TestStep) {
	t.Helper()
	applyAndDestroy(t, nil, steps...)
}

// applyAndDestroy is apply with a check after everything is destroyed.
func applyAndDestroy(t *testing.T, destroyed resource.TestCheckFunc, steps ...resource.TestStep) {
	t.Helper()
	applyCase(t, resource.TestCase{ProtoV6ProviderFactories: servers(), CheckDestroy: destroyed, Steps: steps})
}

// applyCase is apply for a case that says more than its steps.
func applyCase(t *testing.T, c resource.TestCase) {
	t.Helper()
	steps := c.Steps
	for i := range steps {
		step := &steps[i]
		if step.Config == "" {
			continue
		}
		if !strings.Contains(step.Config, `provider "nomadscale"`) {
			step.Config = configured(step.Config)
		}
		if !step.PlanOnly && step.ExpectError == nil {
			step.ConfigPlanChecks.PostApplyPostRefresh = append(step.ConfigPlanChecks.PostApplyPostRefresh, plancheck.ExpectEmptyPlan())
		}
	}
	resource.UnitTest(t, c)
}

func configured(config string) string { return configuredAt(agent.Address, config) }

func configuredAt(address, config string) string {
	return fmt.Sprintf("provider %q {\n  address = %q\n}\n", "nomadscale", address) + config
}

// spec is a job that does nothing, without deployments. Inside stands within
// its only group.
func spec(job, inside string) string {
	return fmt.Sprintf(`job %q {
  group "web" {
    update {
      max_parallel = 0
    }
    restart {
      attempts = 0
      mode     = "fail"
    }
    %s
    task "app" {
      driver       = "raw_exec"
      kill_timeout = "1s"
      config {
        command = "/bin/sleep"
        args    = ["3600"]
      }
      resources {
        cpu    = 10
        memory = 10
      }
    }
  }
}`, job, inside)
}

// app is a resource for a jobspec; inside are its other arguments.
func app(name, jobspec, inside string) string {
	return fmt.Sprintf("resource %q %q {\n  group   = \"web\"\n  jobspec = <<-EOT\n%s\n  EOT\n%s\n}\n", "nomadscale_app", name, jobspec, inside)
}

// policy is a resource for the group web of a job; inside are its other
// arguments.
func policy(name, job, inside string) string {
	return fmt.Sprintf("resource %q %q {\n  job_id = %q\n  group  = \"web\"\n%s\n}\n", "nomadscale_policy", name, job, inside)
}

// job reads a job from the shared agent.
func job(t *testing.T, id string) *api.Job {
	t.Helper()
	j, _, err := agent.API.Jobs().Info(id, nil)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// change registers a job after an edit by hand.
func change(t *testing.T, id string, edit func(*api.Job)) {
	t.Helper()
	if err := rewrite(id, edit); err != nil {
		t.Fatal(err)
	}
}

func rewrite(id string, edit func(*api.Job)) error {
	j, _, err := agent.API.Jobs().Info(id, nil)
	if err != nil {
		return err
	}
	edit(j)
	_, _, err = agent.API.Jobs().Register(j, nil)
	return err
}

func scale(t *testing.T, id string, count int) {
	t.Helper()
	if _, _, err := agent.API.Jobs().Scale(id, "web", &count, "by hand", false, nil, nil); err != nil {
		t.Fatal(err)
	}
}

// namespace makes one.
func namespace(t *testing.T, name string) {
	t.Helper()
	if _, err := agent.API.Namespaces().Register(&api.Namespace{Name: name}, nil); err != nil {
		t.Fatal(err)
	}
}
