package main

import (
	"context"
)

// stay keeps everything up until ctx ends, and prints what to try.
func (d *demo) stay(ctx context.Context) error {
	// Certificates of a few seconds would end soon after the control plane is stopped.
	d.mesh.SetIdentityTTL(0)
	if err := d.mesh.StopServer(); err != nil {
		return err
	}
	if err := d.mesh.StartServer(ctx); err != nil {
		return err
	}
	binary, err := outrigger()
	if err != nil {
		return err
	}
	d.out.line(`
The mesh stays up until Ctrl-C. What to try:

  curl %[1]s
  curl http://%[2]s/            refused: the carts are strict
  %[3]s proxies --data-dir %[4]s
  %[3]s proxy shop/cart-1 --data-dir %[4]s
  %[3]s validate %[5]s
  curl http://%[6]s/metrics
  edit a file in %[5]s
  logs: %[7]s/*.log and %[7]s/*/*.log`,
		frontPage, cart1.sidecar(), binary, d.mesh.DataDir(), d.mesh.ConfigDir(), metricsAddress, d.dir)
	<-ctx.Done()
	d.out.line("\ncleaning up")
	return nil
}
