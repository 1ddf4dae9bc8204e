package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"outrigger.dev/outrigger/certs"
	"outrigger.dev/outrigger/cmd/internal/cli"
	"outrigger.dev/outrigger/cmd/outrigger/internal/certificate"
)

const certificateLong = `Fetch the certificate of a workload that has no proxy, a gRPC program, and keep it
in files that gRPC's file_watcher reads: certificate.pem, key.pem and roots.pem in
DIR, of mode 0600, always replaced all at once.

The control plane signs; this command shows it the join token, as a proxy does.
With --data-dir the roots come from there and tokens are made, where the key of
tokens can be read. On another machine give --roots FILE and --token-file FILE;
the file is read again for each new connection, so that outrigger token --renew
or a projected volume may keep it fresh.

--renew stays: a new certificate is written whenever 30 % of the life of the last
one has passed, give or take 10 %, and new roots when they change.`

var errNoToken = errors.New("no token: give --token-file FILE, or --data-dir of a folder whose key of tokens can be read")

type certificateFlags struct {
	bootstrapFlags
	log   logFlags
	renew bool
}

func newCertificate() *cobra.Command {
	f := &certificateFlags{}
	cmd := &cobra.Command{
		Use:   "certificate --out DIR --workload NAME",
		Short: "Keep the certificate of a gRPC program without a proxy in files",
		Long:  certificateLong,
		Example: `  outrigger certificate --data-dir data/ -n shop --service-account cart --workload cart-1 --out cart-1/
  outrigger certificate --roots roots.pem --token-file token -n shop --service-account cart \
    --workload cart-1 --server xds.example.org:15010 --out /etc/cart --renew`,
		Args:              cli.Arguments(),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	f.source(cmd)
	cmd.Flags().BoolVar(&f.renew, "renew", false, "stay and keep the files fresh")
	f.log.add(cmd)
	return cmd
}

func (f *certificateFlags) run(cmd *cobra.Command) error {
	if err := f.check(cmd); err != nil {
		return err
	}
	logger, err := f.log.logger(cmd, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	c := certificate.Config{
		Servers: append([]string{f.config.Server}, f.config.Further...), Namespace: f.namespace, ServiceAccount: f.serviceAccount, Workload: f.workload,
		Roots: f.readRoots, Token: f.freshToken, Dir: f.out, Logger: logger,
	}
	if f.renew {
		return certificate.Keep(cmd.Context(), c)
	}
	return certificate.Once(cmd.Context(), c)
}

// freshToken returns the token of the file, or one that is made for this connection alone.
func (f *certificateFlags) freshToken(ctx context.Context) (certs.Token, error) {
	if f.tokenFile == "" {
		f.ttl = time.Minute
	}
	token, err := f.token(ctx)
	if err == nil && token.IsZero() {
		return certs.Token{}, errNoToken
	}
	return token, err
}
