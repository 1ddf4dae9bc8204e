package capture

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// arrivedAt returns the port at which the connection of a client arrived in this namespace, by the kernel's table of
// sockets. That has connections that nobody has accepted yet, and such as are closed already.
func arrivedAt(client netip.AddrPort) (port uint16, found bool, err error) {
	for _, name := range []string{"tcp", "tcp6"} {
		port, found, err = search("/proc/thread-self/net/"+name, client)
		if found || err != nil {
			return port, found, err
		}
	}
	return 0, false, nil
}

func search(path string, client netip.AddrPort) (uint16, bool, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil // A kernel without the family.
	}
	if err != nil {
		return 0, false, err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Scan() // The heading.
	for lines.Scan() {
		local, remote, err := socketLine(lines.Text())
		if err != nil {
			return 0, false, fmt.Errorf("%s: %w", path, err)
		}
		if remote == client {
			return local.Port(), true, nil
		}
	}
	return 0, false, lines.Err()
}

// socketLine reads the two ends of a socket: "sl local remote ...", each as address:port in hex.
func socketLine(line string) (local, remote netip.AddrPort, err error) {
	fields := strings.Fields(line)
	if len(fields) < 3 {
		return local, remote, fmt.Errorf("line %q: too short", line)
	}
	local, errLocal := socketEnd(fields[1])
	remote, errRemote := socketEnd(fields[2])
	return local, remote, errors.Join(errLocal, errRemote)
}

// socketEnd reads an address in words of the machine's byte order, and a port.
func socketEnd(text string) (netip.AddrPort, error) {
	address, port, _ := strings.Cut(text, ":")
	words, err := hex.DecodeString(address)
	if err != nil || len(words) != 4 && len(words) != 16 {
		return netip.AddrPort{}, fmt.Errorf("address %q", text)
	}
	number, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("port %q", text)
	}
	for i := 0; i < len(words); i += 4 {
		binary.NativeEndian.PutUint32(words[i:], binary.BigEndian.Uint32(words[i:]))
	}
	addr, _ := netip.AddrFromSlice(words)
	return netip.AddrPortFrom(addr.Unmap(), uint16(number)), nil
}
