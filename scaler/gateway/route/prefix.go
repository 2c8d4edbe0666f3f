package route

// TrimPrefix removes the prefix that [Table.Find] returned from a path, and from
// its escaped form if it has one. Escaped characters of the prefix count as one
// byte of it.
func TrimPrefix(path, escaped, prefix string) (trimmedPath, trimmedEscaped string) {
	path = path[len(prefix):]
	if escaped != "" {
		escaped = cutDecoded(escaped, len(prefix))
	}
	if path == "" {
		return "/", ""
	}
	return path, escaped
}

// cutDecoded removes from an escaped path what n bytes of its decoded form are.
func cutDecoded(escaped string, n int) string {
	for ; n > 0; n-- {
		if escaped[0] == '%' {
			escaped = escaped[3:]
		} else {
			escaped = escaped[1:]
		}
	}
	return escaped
}
