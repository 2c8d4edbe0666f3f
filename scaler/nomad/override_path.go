package nomad

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

const (
	// overridePrefix is the prefix of the paths of all overrides.
	overridePrefix = "nomadscale/overrides/"
	// maxPath is the longest path that Nomad allows.
	maxPath = 128
)

// overridePath returns the path of the variable with the override of a group. Nomad
// allows only some characters in a path; ~ and two hexadecimal digits replace each
// other byte. Names that are too long are hashed.
func overridePath(app scaler.AppID) string {
	path := overridePrefix + encode(app.Job) + "/" + encode(app.Group)
	if len(path) > maxPath {
		sum := sha256.Sum256([]byte(app.Job + "/" + app.Group))
		return overridePrefix + "~" + hex.EncodeToString(sum[:])
	}
	return path
}

func encode(name string) string {
	var b strings.Builder
	for _, c := range []byte(name) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "~%02x", c)
		}
	}
	return b.String()
}
