package route_test

import (
	"testing"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/route"
)

func TestTrimPrefix(t *testing.T) {
	for _, test := range []struct{ path, escaped, prefix, wantPath, wantEscaped string }{
		{"/apps/d/j/g/x", "", "/apps/d/j/g", "/x", ""},
		{"/apps/d/j/g", "", "/apps/d/j/g", "/", ""},
		{"/apps/d/j/g/", "", "/apps/d/j/g", "/", ""},
		{"/x/y", "", "", "/x/y", ""},
		{"/api/a/b", "/api/a%2Fb", "/api", "/a/b", "/a%2Fb"},
		{"/api/a/b", "/%61pi/a%2Fb", "/api", "/a/b", "/a%2Fb"},
	} {
		path, escaped := route.TrimPrefix(test.path, test.escaped, test.prefix)
		if path != test.wantPath || escaped != test.wantEscaped {
			t.Errorf("%q (%q) without %q: got %q (%q), want %q (%q)",
				test.path, test.escaped, test.prefix, path, escaped, test.wantPath, test.wantEscaped)
		}
	}
}
