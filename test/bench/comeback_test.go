package main

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// TestComeback: who lost the server comes back soon, who was told when comes back then, and who was refused does not.
func TestComeback(t *testing.T) {
	told, err := status.New(codes.Unavailable, "too many").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(7 * time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		err         error
		least, most time.Duration
		comes       bool
	}{
		{status.Error(codes.Unavailable, "gone"), time.Second / 2, time.Second, true},
		{fmt.Errorf("client: %w", status.Error(codes.DeadlineExceeded, "not heard")), time.Second / 2, time.Second, true},
		{fmt.Errorf("client: %w", told.Err()), 7 * time.Second, 7 * time.Second, true},
		{status.Error(codes.PermissionDenied, "no"), 0, 0, false},
		{errors.New("a fault"), 0, 0, false},
	} {
		if after, comes := comeback(test.err); comes != test.comes || after < test.least || after > test.most {
			t.Errorf("%v: after %s, %t", test.err, after, comes)
		}
	}
}
