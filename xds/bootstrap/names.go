package bootstrap

import (
	"fmt"
	"regexp"
)

var (
	label     = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)
	subdomain = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
)

func checkLabel(field, value string) error {
	if len(value) > 63 || !label.MatchString(value) {
		return fmt.Errorf("%s %.64q: want a DNS-1123 label: lower-case letters, digits and '-', at most 63 bytes", field, value)
	}
	return nil
}

func checkSubdomain(field, value string) error {
	if len(value) > 253 || !subdomain.MatchString(value) {
		return fmt.Errorf("%s %.64q: want a DNS-1123 subdomain: lower-case letters, digits, '-' and '.', at most 253 bytes", field, value)
	}
	return nil
}
