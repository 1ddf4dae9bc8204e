//go:build linux && (amd64 || arm64)

package transport

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// sendSome and recvSome are what write and read do for a socket, without what those have to look at because a descriptor could be that of a
// file: a twentieth of all that a message and its answer cost. p is not empty.
func sendSome(fd int, p []byte) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), unix.MSG_NOSIGNAL, 0, 0)
	return result(n, errno)
}

func recvSome(fd int, p []byte) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), 0, 0, 0)
	return result(n, errno)
}

func result(n uintptr, errno unix.Errno) (int, error) {
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
