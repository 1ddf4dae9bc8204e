package main

import (
	"errors"
	"fmt"
)

// verdict is what our server must not do, whatever it costs: send what a client has, and wake who is not concerned.
func (f figures) verdict() error {
	var errs []error
	for _, r := range f.servers {
		if r.ours {
			errs = append(errs, r.verdict())
		}
	}
	if f.rolling != nil {
		for i, r := range f.rolling.restarts {
			errs = append(errs, nothingSent(fmt.Sprintf("restart %d of a replica", i+1), r.sent))
		}
	}
	return errors.Join(errs...)
}

func (r result) verdict() error {
	errs := []error{nothingSent("reconnect", r.reconnect.sent)}
	if r.restart != nil {
		errs = append(errs, nothingSent("killed and restarted", r.restart.sent))
	}
	if r.view.sent.again > 0 {
		errs = append(errs, fmt.Errorf("all views change: %d resources were sent to clients that had them", r.view.sent.again))
	}
	if r.unseen != nil && r.unseen.woken > 0 {
		errs = append(errs, fmt.Errorf("services added that nobody sees: %d streams were woken", r.unseen.woken))
	}
	return errors.Join(errs...)
}

func nothingSent(when string, sent counts) error {
	if sent.bodies == 0 {
		return nil
	}
	return fmt.Errorf("%s: %d bytes of resources were sent to clients that had all", when, sent.bodies)
}
