package provider

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/nomadtest"
)

// example reads an example of the documentation.
func example(t *testing.T, path ...string) string {
	t.Helper()
	root, err := nomadtest.Root()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(append([]string{root, "examples"}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The examples of the documentation can be planned: their jobspecs are right,
// and so are their policies.
func TestExamplesCanBePlanned(t *testing.T) {
	for _, name := range []string{"resource.tf", "resource_concurrency.tf", "resource_custom.tf", "resource_limits.tf"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			apply(t, resource.TestStep{
				Config: example(t, "resources", "nomadscale_app", name), PlanOnly: true, ExpectNonEmptyPlan: true,
			})
		})
	}
}

// The policies of the examples attach to the job that they name.
func TestPolicyExamples(t *testing.T) {
	t.Parallel()
	runByHand(t, many("shop", "web", "search"))
	apply(t, resource.TestStep{
		Config: example(t, "resources", "nomadscale_policy", "resource.tf") + example(t, "resources", "nomadscale_policy", "resource_groups.tf"),
	})
}

// The provider's example names the provider as registries do.
func TestProviderExample(t *testing.T) {
	t.Setenv("TF_ACC_PROVIDER_NAMESPACE", "nomadscale")
	if want := `source = "` + strings.TrimPrefix(Address, "registry.terraform.io/") + `"`; !strings.Contains(example(t, "provider", "provider.tf"), want) {
		t.Errorf("it does not say %s", want)
	}
	here := strings.Replace(example(t, "provider", "provider.tf"), "https://nomad.example.com:4646", agent.Address, 1)
	apply(t, resource.TestStep{
		Config: here + example(t, "resources", "nomadscale_app", "resource.tf"), PlanOnly: true, ExpectNonEmptyPlan: true,
	})
}
