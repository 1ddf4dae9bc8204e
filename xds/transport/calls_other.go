//go:build !(linux && (amd64 || arm64))

package transport

import "golang.org/x/sys/unix"

func sendSome(fd int, p []byte) (int, error) { return unix.Write(fd, p) }

func recvSome(fd int, p []byte) (int, error) { return unix.Read(fd, p) }
