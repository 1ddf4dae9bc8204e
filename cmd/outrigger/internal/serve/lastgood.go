package serve

import (
	"errors"

	"outrigger.dev/outrigger/discovery/hold"
)

// openLastGood reads the file of --last-good-file; nil without one. One that cannot be used is told and left aside: the
// server starts without it.
func openLastGood(c Config) (*hold.File, error) {
	if c.LastGoodFile == "" {
		return nil, nil //nolint:nilnil // No file is configured, which is no error.
	}
	last, err := hold.NewFile(hold.FileConfig{Path: c.LastGoodFile, Mesh: c.TrustDomain, Logger: c.Logger})
	if err != nil {
		return nil, err
	}
	if err := last.Load(); errors.Is(err, hold.ErrRefused) {
		c.Logger.Error("the last-good file is not used, the server starts without it", "error", err)
	} else if err != nil {
		return nil, err
	}
	return last, nil
}
