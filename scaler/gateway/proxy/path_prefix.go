package proxy

// trimPrefix takes a prefix off a path, and off its escaped form if it has one.
func trimPrefix(path, escaped, prefix string) (string, string) {
	path = path[len(prefix):]
	if path == "" {
		return "/", ""
	}
	if escaped != "" {
		escaped = trimEscaped(escaped, len(prefix))
	}
	return path, escaped
}

// trimEscaped takes n bytes of the decoded path off the front of an escaped one.
func trimEscaped(escaped string, n int) string {
	for ; n > 0; n-- {
		if escaped[0] == '%' {
			escaped = escaped[3:]
		} else {
			escaped = escaped[1:]
		}
	}
	return escaped
}
