package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"outrigger.dev/outrigger/certs"
	"outrigger.dev/outrigger/cmd/internal/cli"
)

const tokenLong = `Make a join token: what a workload's proxy shows to prove who it is. It is bound
to one namespace, service account and workload, and signed with a key of the
server's data folder, which this command must be able to read.

Without --out the token goes to standard output. With --out it goes to a file of
mode 0600; --renew stays and keeps that file fresh, with a new token whenever
half of the life of the last one has passed. A proxy that is connected is not
cut off when its token ends; it needs a good one to connect again.`

type tokenFlags struct {
	workloadFlags
	log                  logFlags
	dataDir, trustDomain string
	ttl                  time.Duration
	out                  string
	renew                bool
}

func newToken() *cobra.Command {
	f := &tokenFlags{}
	cmd := &cobra.Command{
		Use:   "token --data-dir DIR --workload NAME",
		Short: "Make the join token of a workload",
		Long:  tokenLong,
		Example: `  outrigger token --data-dir data/ -n shop --service-account cart --workload cart-1
  outrigger token --data-dir data/ -n shop --service-account cart --workload cart-1 \
    --ttl 1h --out cart-1/token --renew`,
		Args:              cli.Arguments(),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	dataDirFlag(cmd, &f.dataDir, "data folder of the server")
	f.add(cmd)
	cmd.Flags().StringVar(&f.trustDomain, "trust-domain", "", "trust domain of the mesh (default: that of the data folder)")
	cmd.Flags().DurationVar(&f.ttl, "ttl", certs.DefaultTokenTTL, "life of the token, 1s to 720h")
	cmd.Flags().StringVar(&f.out, "out", "", "file to write instead of standard output")
	cmd.Flags().BoolVar(&f.renew, "renew", false, "stay and keep the file fresh")
	f.log.add(cmd)
	return cmd
}

func (f *tokenFlags) run(cmd *cobra.Command) error {
	if err := f.check(cmd); err != nil {
		return err
	}
	logger, err := f.log.logger(cmd, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	signer, err := f.signer()
	if err != nil {
		return err
	}
	if f.renew {
		renewer := &certs.Renewer{Signer: signer, Request: f.request(), Path: f.out, Logger: logger}
		return renewer.Renew(cmd.Context())
	}
	token, claims, err := signer.Sign(cmd.Context(), f.request())
	if err != nil {
		return err
	}
	if f.out == "" {
		_, err = fmt.Fprintln(cmd.OutOrStdout(), token.Reveal())
		return err
	}
	if err := certs.WriteToken(f.out, token); err != nil {
		return err
	}
	logger.InfoContext(cmd.Context(), "wrote join token", "file", f.out, "workload", claims.Workload,
		"identity", claims.Identity.String(), "id", claims.ID, "expires", claims.ExpiresAt)
	return nil
}

func (f *tokenFlags) check(cmd *cobra.Command) error {
	if err := needDataDir(cmd, f.dataDir); err != nil {
		return err
	}
	if err := f.workloadFlags.check(cmd); err != nil {
		return err
	}
	if f.renew && f.out == "" {
		return cli.Usagef(cmd, "--renew needs --out FILE: the file that it keeps fresh")
	}
	return checkTTL(cmd, f.ttl)
}

// checkTTL judges the life of a token that a flag names.
func checkTTL(cmd *cobra.Command, ttl time.Duration) error {
	if ttl < time.Second || ttl > certs.MaxTokenTTL {
		return cli.Usagef(cmd, "--ttl %s: want 1s to %s", ttl, certs.MaxTokenTTL)
	}
	return nil
}

func (f *tokenFlags) signer() (*certs.TokenSigner, error) {
	domain, err := trustDomainOf(f.dataDir, f.trustDomain)
	if err != nil {
		return nil, err
	}
	return certs.NewTokenSigner(certs.TokenConfig{Dir: f.dataDir, TrustDomain: domain})
}

func (f *tokenFlags) request() certs.TokenRequest {
	return certs.TokenRequest{
		Namespace: f.namespace, ServiceAccount: f.serviceAccount, Workload: f.workload, TTL: f.ttl,
	}
}
