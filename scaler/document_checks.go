package scaler

import "strings"

func notEmpty(s string) bool { return s != "" }

func positive(n float64) bool { return n > 0 }

func notNegative(n float64) bool { return n >= 0 }

func validPath(s string) bool {
	if !strings.HasPrefix(s, "/") || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == '?' || r == '#' || r == 0x7f }) {
		return false
	}
	for i, part := range strings.Split(s, "/") {
		if part == "." || part == ".." || (part == "" && i > 0 && i < strings.Count(s, "/")) {
			return false
		}
	}
	return true
}

func validHost(host string) bool {
	host = strings.TrimPrefix(host, "*.")
	if host == "" || len(host) > 253 {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.ContainsFunc(label, func(r rune) bool {
				return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
			}) {
			return false
		}
	}
	return true
}

// hashClientAddress is the hash key for the address of the client.
const hashClientAddress = "client_address"

func validHashKey(s string) bool {
	if s == hashClientAddress {
		return true
	}
	kind, name, found := strings.Cut(s, ":")
	return found && (kind == "header" || kind == "cookie") && name != "" &&
		!strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r) })
}
