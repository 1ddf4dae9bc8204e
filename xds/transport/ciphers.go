package transport

import (
	"crypto/tls"
	"reflect"

	"outrigger.dev/outrigger/xds/internal/prefetch"
)

// ciphers are where TLS has what it encrypts the records of one direction with.
type ciphers struct{ nonce, keys prefetch.Place }

// ciphersOf finds them by the names that crypto/tls has for them, which it tells nobody: half is "in" or "out". What is not
// found is not asked for. TLS is at rest.
func ciphersOf(conn *tls.Conn, half string) ciphers {
	cipher := fieldOf(fieldOf(reflect.ValueOf(conn), half), "cipher")
	return ciphers{nonce: prefetch.Behind(cipher), keys: prefetch.Behind(fieldOf(cipher, "aead"))}
}

// ask has the processor fetch them.
func (c *ciphers) ask() {
	c.nonce.Ask()
	c.keys.Ask()
}

// fieldOf returns a field of a struct, or of what a pointer or an interface leads to; the zero Value where there is none.
func fieldOf(v reflect.Value, name string) reflect.Value {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		return reflect.Value{}
	}
	return v.FieldByName(name)
}
