//go:build !linux || !(amd64 || arm64)

package adsclient

import "net"

func quicken(conn net.Conn) (net.Conn, error) { return conn, nil }
