package provider

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// sentence makes a sentence of an error's text.
func sentence(err error) string {
	text := strings.TrimSpace(err.Error())
	first, size := utf8.DecodeRuneInString(text)
	text = string(unicode.ToUpper(first)) + text[size:]
	if !strings.HasSuffix(text, ".") {
		text += "."
	}
	return text
}

// reach says where Nomad is looked for, without the password that an address
// can hold.
func (c *connection) reach() string {
	address := c.client.Address()
	if u, err := url.Parse(address); err == nil {
		address = u.Redacted()
	}
	return "Nomad is looked for at " + address + ". Its address and token come from the provider's address and secret_id, or from " +
		"NOMAD_ADDR and NOMAD_TOKEN."
}
