package scaler

import (
	"fmt"
	"strings"
)

// AppID names an app: one group of a Nomad job. The zero value names none.
type AppID struct{ Namespace, Job, Group string }

// String is <namespace>/<job>/<group>.
func (id AppID) String() string { return id.Namespace + "/" + id.Job + "/" + id.Group }

// ParseAppID reads <namespace>/<job>/<group>. The job's ID may contain slashes.
func ParseAppID(name string) (AppID, error) {
	namespace, rest, _ := strings.Cut(name, "/")
	slash := strings.LastIndexByte(rest, '/')
	if namespace == "" || slash < 1 || slash == len(rest)-1 {
		return AppID{}, fmt.Errorf("%q: must be <namespace>/<job>/<group>", name)
	}
	return AppID{Namespace: namespace, Job: rest[:slash], Group: rest[slash+1:]}, nil
}

// MarshalText writes the name as String does.
func (id AppID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads a name as [ParseAppID] does.
func (id *AppID) UnmarshalText(text []byte) (err error) {
	*id, err = ParseAppID(string(text))
	return err
}
