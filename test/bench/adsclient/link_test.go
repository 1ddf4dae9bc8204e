package adsclient

import (
	"errors"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
)

// TestLink: those who share a connection have the same one, which ends with the last of them; the next one makes another.
func TestLink(t *testing.T) {
	failed := errors.New("failed")
	made := 0
	dial := func() (*grpc.ClientConn, error) {
		if made++; made == 1 {
			return nil, failed
		}
		return grpc.NewClient("passthrough:///nowhere", grpc.WithTransportCredentials(insecure.NewCredentials()))
	}
	var l Link
	if _, err := l.take(dial); !errors.Is(err, failed) {
		t.Errorf("error %v", err)
	}
	take := func() *grpc.ClientConn {
		conn, err := l.take(dial)
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	leave := func() {
		if err := l.leave(); err != nil {
			t.Fatal(err)
		}
	}
	first, second := take(), take()
	if first != second || made != 2 {
		t.Errorf("%d connections were made", made)
	}
	leave()
	if first.GetState() == connectivity.Shutdown {
		t.Error("it is closed while somebody uses it")
	}
	leave()
	if first.GetState() != connectivity.Shutdown {
		t.Error("it is open while nobody uses it")
	}
	if third := take(); third == first || third.GetState() == connectivity.Shutdown {
		t.Error("a connection that was closed is used again")
	}
	leave()
}
