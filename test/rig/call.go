package rig

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// Get sends one request of HTTP/1.1, or of another version, over a connection, and returns the body of the answer, which
// must be 200.
func Get(conn net.Conn, path, version string) (string, error) {
	if _, err := fmt.Fprintf(conn, "GET %s %s\r\nHost: somewhere\r\nConnection: close\r\n\r\n", path, version); err != nil {
		return "", err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	return Body(resp)
}

// Body reads an answer, which must be 200. The caller closes it.
func Body(resp *http.Response) (string, error) {
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, body)
	}
	return strings.TrimSpace(string(body)), err
}
