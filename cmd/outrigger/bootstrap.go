package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"outrigger.dev/outrigger/certs"
	"outrigger.dev/outrigger/cmd/internal/cli"
	"outrigger.dev/outrigger/xds/bootstrap"
)

const bootstrapLong = `Write a folder that an unmodified Envoy starts from, with no further flag:
  envoy -c DIR/bootstrap.yaml
(Where several run on one machine, give each of them --disable-hot-restart.)

It holds bootstrap.yaml, the roots that the server is verified with, the join
token, and the two files that make Envoy look at them again when they change.

With --data-dir the roots come from there and, where its key of tokens can be
read, a token is made. On another machine give --roots FILE and --token-file
FILE. Without a token Envoy starts and waits until one is moved to DIR/token.

With --grpc it prints instead what a gRPC program without a proxy starts with:
  GRPC_XDS_BOOTSTRAP=FILE program`

type bootstrapFlags struct {
	workloadFlags
	dataDir, out, roots, tokenFile string
	ttl                            time.Duration
	grpc                           bool
	config                         bootstrap.Config
}

func newBootstrap() *cobra.Command {
	f := &bootstrapFlags{}
	cmd := &cobra.Command{
		Use:   "bootstrap --out DIR --workload NAME",
		Short: "Write the folder that a workload's Envoy starts from",
		Long:  bootstrapLong,
		Example: `  outrigger bootstrap --data-dir data/ -n shop --service-account cart --workload cart-1 --out cart-1/
  outrigger bootstrap --roots roots.pem --token-file token -n shop --service-account cart \
    --workload cart-1 --server xds.example.org:15010 --ready 0.0.0.0:15021 --out /etc/envoy
  outrigger bootstrap --data-dir data/ --workload web-1 --server 127.0.0.1:15010 --server 127.0.0.1:15020 --out web-1/
  outrigger bootstrap --grpc -n shop --service-account cart --workload cart-1 --out cart-1/ > grpc.json`,
		Args:              cli.Arguments(),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	f.source(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&f.grpc, "grpc", false, "print the bootstrap of a gRPC program instead, with the certificate that "+
		"outrigger certificate keeps in the folder of --out; nothing is written")
	flags.DurationVar(&f.ttl, "ttl", certs.DefaultTokenTTL, "life of the token that is made, 1s to 720h")
	flags.StringVar(&f.config.Admin, "admin", "", "Envoy's admin interface: path of a socket, or HOST:PORT of a loopback address (default: DIR/admin.sock)")
	flags.StringVar(&f.config.Ready, "ready", "", "HOST:PORT of GET /ready, such as 0.0.0.0:15021 (default: off)")
	flags.StringVar(&f.config.Metrics, "metrics", "", "HOST:PORT of Envoy's GET /metrics, such as 0.0.0.0:15090 (default: off)")
	return cmd
}

// source adds the flags that say whose credentials come from where and go where.
func (f *bootstrapFlags) source(cmd *cobra.Command) {
	dataDirFlag(cmd, &f.dataDir, "data folder of the server, for the roots and the token")
	f.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.out, "out", "", "folder to write")
	addServerFlag(cmd, &f.config)
	flags.StringVar(&f.roots, "roots", "", "file of the roots (default: that of the data folder)")
	flags.StringVar(&f.tokenFile, "token-file", "", "file of the join token (default: make one)")
	// The flag was just added, so that this cannot fail.
	_ = cmd.MarkFlagDirname("out")
}

func (f *bootstrapFlags) run(cmd *cobra.Command) error {
	if f.grpc {
		return f.printGRPC(cmd)
	}
	if err := errors.Join(f.check(cmd), checkTTL(cmd, f.ttl)); err != nil {
		return err
	}
	roots, err := f.readRoots()
	if err != nil {
		return err
	}
	token, err := f.token(cmd.Context())
	if err != nil {
		return err
	}
	c := f.config
	c.Namespace, c.Workload, c.ServiceAccount, c.Roots = f.namespace, f.workload, f.serviceAccount, roots
	if err := bootstrap.Write(f.out, c); err != nil {
		return err
	}
	if !token.IsZero() {
		if err := certs.WriteToken(filepath.Join(f.out, bootstrap.TokenFile), token); err != nil {
			return err
		}
	}
	f.explain(cmd, !token.IsZero())
	_, err = fmt.Fprintln(cmd.OutOrStdout(), filepath.Join(f.out, bootstrap.BootstrapFile))
	return err
}

// printGRPC prints the bootstrap of a gRPC program.
func (f *bootstrapFlags) printGRPC(cmd *cobra.Command) error {
	if f.out == "" {
		return cli.Usagef(cmd, "no folder: give --out DIR, the folder in which outrigger certificate keeps the files")
	}
	if err := f.workloadFlags.check(cmd); err != nil {
		return err
	}
	dir, err := filepath.Abs(f.out)
	if err != nil {
		return err
	}
	text, err := bootstrap.GRPC(bootstrap.GRPCConfig{
		Namespace: f.namespace, Workload: f.workload, ServiceAccount: f.serviceAccount, Server: f.config.Server, Further: f.config.Further, Dir: dir,
	})
	if err != nil {
		return err
	}
	_, err = cmd.OutOrStdout().Write(text)
	return err
}

func (f *bootstrapFlags) check(cmd *cobra.Command) error {
	if f.out == "" {
		return cli.Usagef(cmd, "no folder: give --out DIR, the folder to write")
	}
	if f.dataDir == "" && f.roots == "" {
		return cli.Usagef(cmd, "no roots: give --data-dir DIR of the server or --roots FILE")
	}
	return f.workloadFlags.check(cmd)
}

func (f *bootstrapFlags) readRoots() ([]byte, error) {
	if f.roots != "" {
		data, err := os.ReadFile(f.roots)
		if err != nil {
			return nil, fmt.Errorf("roots: %w", err)
		}
		return data, nil
	}
	roots, _, err := certs.ReadRoots(f.dataDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, cli.Hint(err, "outrigger server --data-dir %s ..., or give --roots", quoteArg(f.dataDir))
	}
	return roots, err
}

// token returns the one of the file, one that is made, or none where the key cannot be read.
func (f *bootstrapFlags) token(ctx context.Context) (certs.Token, error) {
	if f.tokenFile != "" {
		data, err := os.ReadFile(f.tokenFile)
		if err != nil {
			return certs.Token{}, fmt.Errorf("token: %w", err)
		}
		return certs.NewToken(strings.TrimSpace(string(data))), nil
	}
	if f.dataDir == "" {
		return certs.Token{}, nil
	}
	maker := tokenFlags{workloadFlags: f.workloadFlags, dataDir: f.dataDir, ttl: f.ttl}
	signer, err := maker.signer()
	if errors.Is(err, fs.ErrPermission) {
		return certs.Token{}, nil
	}
	if err != nil {
		return certs.Token{}, err
	}
	token, _, err := signer.Sign(ctx, maker.request())
	return token, err
}

// explain says on standard error what comes next.
func (f *bootstrapFlags) explain(cmd *cobra.Command, hasToken bool) {
	w := cmd.ErrOrStderr()
	fmt.Fprintf(w, "start it:              envoy -c %s\n", quoteArg(filepath.Join(f.out, bootstrap.BootstrapFile)))
	verb := "keep the token fresh:  "
	if !hasToken {
		verb = "it needs a token:      "
	}
	dataDir := f.dataDir
	if dataDir == "" {
		dataDir = "DIR"
	}
	fmt.Fprintf(w, "%soutrigger token --data-dir %s -n %s --service-account %s --workload %s --out %s --renew\n", verb,
		quoteArg(dataDir), quoteArg(f.namespace), quoteArg(f.serviceAccount), quoteArg(f.workload),
		quoteArg(filepath.Join(f.out, bootstrap.TokenFile)))
}
