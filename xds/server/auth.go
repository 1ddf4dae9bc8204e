package server

import (
	"context"
	"errors"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// authenticate tells who the caller is, from the headers and the TLS connection alone. What it returns has to be left also
// where there is an error.
func (s *Server) authenticate(ctx context.Context, from caller, revoke func(error)) (Admission, error) {
	creds, err := credentialsOf(from)
	if err != nil {
		s.config.Observer.Refused(ReasonCredentials)
		return Admission{}, status.Error(codes.Unauthenticated, err.Error())
	}
	ctx, cancel := context.WithTimeout(ctx, s.config.Timing.Auth)
	defer cancel()
	admission, err := s.config.Auth.Authenticate(ctx, creds, revoke)
	switch {
	case err == nil && admission.Peer.Node != "":
		return admission, nil
	case errors.Is(err, ErrUnauthenticated):
		s.config.Observer.Refused(ReasonCredentials)
		return admission, status.Error(codes.Unauthenticated, err.Error())
	case err == nil, errors.Is(err, ErrPermissionDenied):
		s.config.Observer.Refused(ReasonDenied)
		return admission, status.Error(codes.PermissionDenied, deniedText(err))
	default:
		s.config.Observer.Refused(ReasonUnavailable)
		s.config.Logger.Error("authentication failed", "error", err)
		return admission, status.Error(codes.Unavailable, "credentials cannot be checked now")
	}
}

func deniedText(err error) string {
	if err == nil {
		return "the credentials name no workload"
	}
	return err.Error()
}

const bearerPrefix = "bearer "

// credentialsOf reads the bearer token and the verified client certificates of a call.
func credentialsOf(from caller) (Credentials, error) {
	c := Credentials{Remote: from.Remote(), PeerCertificates: from.VerifiedChain()}
	headers := from.Authorization()
	if len(headers) > 1 {
		return c, errors.New("several authorization headers: send one")
	}
	if len(headers) == 1 {
		header := headers[0]
		if len(header) < len(bearerPrefix) || !strings.EqualFold(header[:len(bearerPrefix)], bearerPrefix) {
			return c, errors.New(`the authorization header is not "Bearer <token>"`)
		}
		c.BearerToken = Redact([]byte(strings.TrimSpace(header[len(bearerPrefix):])))
	}
	return c, nil
}
