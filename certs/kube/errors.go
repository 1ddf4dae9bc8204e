package kube

import "errors"

// Why a review gives no claims. No error's text quotes a token.
var (
	// ErrNotAuthenticated says that the API server does not know the token, with its own words why.
	ErrNotAuthenticated = errors.New("the API server does not accept the token")
	// ErrWrongAudience says that the token is good for somebody else.
	ErrWrongAudience = errors.New("the token is not meant for the mesh")
	// ErrNoPod says that the token is good and bound to no pod.
	ErrNoPod = errors.New("the token is bound to no pod")
	// ErrUnavailable says that the token could not be reviewed: the caller is to come again, and not to be refused.
	ErrUnavailable = errors.New("tokens cannot be reviewed now")
)
