package main

import (
	"net"
	"time"

	"github.com/spf13/cobra"

	"outrigger.dev/outrigger/cmd/internal/cli"
	"outrigger.dev/outrigger/cmd/outrigger/internal/serve"
	"outrigger.dev/outrigger/xds/replica"
	"outrigger.dev/outrigger/xds/server"
)

const serverLong = `Run the control plane: watch what the mesh is made of, issue identities from the
authority in the data folder, and stream configuration to every sidecar.

The mesh is made of a folder of YAML (--config-dir), a Kubernetes cluster
(--kubeconfig or --in-cluster), a Consul datacenter (--consul-address; more of
them in the MeshConfig), or several of these. Nothing is served before each has
told its whole state; what a registry told last stays in use while it cannot be
asked, and "outrigger sources" says what is held. With --last-good-file a
server that starts while a registry is away begins with what it wrote there.

The data folder holds the authority's key, the key of join tokens, roots.pem
(which proxies verify this server with) and the sockets that the other commands
ask. It is made when missing.

Several servers may run from one --config-dir and one --data-dir, each with a
--replica NAME and addresses of its own: proxies that know all of them move
between them. On other machines, with a copy of the data folder's keys, they
ask each other how far their proxies are over --peer, which only a server of
the same authority can answer.

--metrics-listen serves /healthz, /readyz (with the reasons when it is not
ready) and /metrics. Proxies are answered when every source has been read.

On SIGTERM or SIGINT the server is no longer ready, drains its streams for at
most --drain-time, and exits with 0. A second signal ends it at once.`

type serverFlags struct {
	config serve.Config
	log    logFlags
}

func newServer() *cobra.Command {
	f := &serverFlags{}
	cmd := &cobra.Command{
		Use:   "server --config-dir DIR|--kubeconfig FILE|--in-cluster|--consul-address URL --data-dir DIR",
		Short: "Run the control plane",
		Long:  serverLong,
		Example: `  outrigger server --config-dir mesh/ --data-dir data/
  outrigger server --config-dir mesh/ --data-dir /var/lib/outrigger \
    --xds-listen 0.0.0.0:15010 --server-name xds.example.org --log-format json
  outrigger server --kubeconfig ~/.kube/config --data-dir data/
  outrigger server --in-cluster --data-dir /var/lib/outrigger --consul-address https://consul:8501 \
    --consul-token-file /etc/consul/token --consul-ca-file /etc/consul/ca.pem
  outrigger server --config-dir mesh/ --data-dir data/ --replica b \
    --xds-listen 127.0.0.1:15020 --metrics-listen 127.0.0.1:15024`,
		Args:              cli.Arguments(),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	f.add(cmd)
	return cmd
}

func (f *serverFlags) add(cmd *cobra.Command) {
	c, flags := &f.config, cmd.Flags()
	flags.StringVar(&c.ConfigDir, "config-dir", "", "folder of YAML that describes the mesh")
	dataDirFlag(cmd, &c.DataDir, "folder of keys and sockets")
	flags.StringVar(&c.XDSListen, "xds-listen", "127.0.0.1:15010", "address for proxies")
	flags.StringVar(&c.MetricsListen, "metrics-listen", "127.0.0.1:15014", "address for health, readiness and metrics")
	flags.StringVar(&c.TrustDomain, "trust-domain", defaultTrustDomain, "trust domain of every identity")
	flags.StringSliceVar(&c.ServerNames, "server-name", nil, "further name or address in the server's certificate, beside outrigger (repeatable)")
	flags.DurationVar(&c.IdentityTTL, "identity-ttl", 24*time.Hour, "life of a proxy's certificate, 10s to 720h")
	flags.DurationVar(&c.DrainTime, "drain-time", 20*time.Second, "longest time that draining streams may take")
	flags.DurationVar(&c.ProxyDrainTime, "proxy-drain-time", 10*time.Minute,
		"how long proxies drain a listener, Envoy's --drain-time-s: clusters and identities that went are kept as long")
	flags.DurationVar(&c.MaxConnectionAge, "max-connection-age", 0,
		"end proxies' connections at that age, give or take 10 %, so that they spread over several servers; 0s: never, as one server has nothing to spread")
	flags.IntVar(&c.MaxStreams, "max-streams", server.DefaultStreams, "open streams of proxies at most: who comes then is told to come again later")
	flags.StringVar(&c.Replica, "replica", replica.Main, "name of this server among those of the data folder")
	flags.StringVar(&c.PeerListen, "peer-listen", "", "address for servers on other machines, such as 0.0.0.0:15012 (default: off)")
	flags.StringSliceVar(&c.Peers, "peer", nil, "HOST:PORT of the --peer-listen of a server on another machine (repeatable)")
	f.addRegistries(cmd)
	f.log.add(cmd)
	// The flag was just added, so that this cannot fail.
	_ = cmd.MarkFlagDirname("config-dir")
}

func (f *serverFlags) addRegistries(cmd *cobra.Command) {
	c, flags := &f.config, cmd.Flags()
	flags.StringVar(&c.Kubernetes.Kubeconfig, "kubeconfig", "", "file with the access to a Kubernetes cluster, whose current context is used")
	flags.BoolVar(&c.Kubernetes.InCluster, "in-cluster", false, "watch the Kubernetes cluster that the server runs in")
	flags.StringVar(&c.Kubernetes.ClusterID, "cluster-id", "kubernetes", "name of the Kubernetes cluster in logs, metrics and messages")
	flags.StringVar(&c.Kubernetes.LeaseNamespace, "lease-namespace", "outrigger-system", "namespace of the lease of the server that writes conditions")
	flags.StringVar(&c.Consul.Address, "consul-address", "", "URL of a Consul agent or server, such as https://consul.example.org:8501")
	flags.StringVar(&c.Consul.Name, "consul-name", "default", "name of that Consul in logs, metrics and joins")
	flags.StringVar(&c.Consul.MeshNamespace, "consul-mesh-namespace", "consul", "namespace that the services of that Consul appear in")
	flags.StringVar(&c.Consul.TokenFile, "consul-token-file", "", "file with the token for Consul; it may be rotated")
	flags.StringVar(&c.Consul.CAFile, "consul-ca-file", "", "file with the roots of Consul's certificate (default: those of the machine)")
	flags.StringVar(&c.LastGoodFile, "last-good-file", "", "file that keeps the last good state of registries for the next start (default: off)")
}

// checkSources refuses a server that has nothing to watch, and what contradicts itself.
func (f *serverFlags) checkSources(cmd *cobra.Command) error {
	c := f.config
	switch {
	case c.Kubernetes.Kubeconfig != "" && c.Kubernetes.InCluster:
		return cli.Usagef(cmd, "--kubeconfig and --in-cluster exclude each other: give one of them")
	case c.Consul.Address == "" && (c.Consul.TokenFile != "" || c.Consul.CAFile != ""):
		return cli.Usagef(cmd, "--consul-token-file and --consul-ca-file need --consul-address URL")
	case c.ConfigDir == "" && c.Kubernetes.Kubeconfig == "" && !c.Kubernetes.InCluster && c.Consul.Address == "":
		return cli.Usagef(cmd, "no configuration: give --config-dir DIR, a folder of YAML, or --kubeconfig FILE, --in-cluster or --consul-address URL")
	}
	return nil
}

func (f *serverFlags) run(cmd *cobra.Command) error {
	if err := f.checkSources(cmd); err != nil {
		return err
	}
	if err := needDataDir(cmd, f.config.DataDir); err != nil {
		return err
	}
	if err := f.checkReplica(cmd); err != nil {
		return err
	}
	if err := f.checkListen(cmd); err != nil {
		return err
	}
	if f.config.IdentityTTL == 0 {
		return cli.Usagef(cmd, "--identity-ttl 0s: want 10s to 720h")
	}
	if f.config.DrainTime < 0 {
		return cli.Usagef(cmd, "--drain-time %s: want 0s or more", f.config.DrainTime)
	}
	if f.config.ProxyDrainTime < time.Second {
		return cli.Usagef(cmd, "--proxy-drain-time %s: want 1s or more", f.config.ProxyDrainTime)
	}
	if c := f.config.MaxConnectionAge; c != 0 && c < time.Second {
		return cli.Usagef(cmd, "--max-connection-age %s: want 0s (never) or 1s and more", c)
	}
	if f.config.MaxStreams < 1 {
		return cli.Usagef(cmd, "--max-streams %d: want 1 or more", f.config.MaxStreams)
	}
	logger, err := f.log.logger(cmd, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	build := cli.ReadBuildInfo(version)
	f.config.Logger = logger
	f.config.Version, f.config.Revision = build.Version, build.Revision
	return serve.Run(cmd.Context(), f.config)
}

// checkListen refuses what names no port: an empty address, such as that of a variable that is not set, would be any
// port of all of the machine's addresses.
func (f *serverFlags) checkListen(cmd *cobra.Command) error {
	for _, l := range []struct{ flag, address string }{
		{"xds-listen", f.config.XDSListen}, {"metrics-listen", f.config.MetricsListen},
	} {
		if _, port, err := net.SplitHostPort(l.address); err != nil || port == "" {
			return cli.Usagef(cmd, "--%s %q: want HOST:PORT, such as 127.0.0.1:15010", l.flag, l.address)
		}
	}
	return nil
}

// checkReplica refuses what can be no name and no address of a server.
func (f *serverFlags) checkReplica(cmd *cobra.Command) error {
	if _, err := replica.PlaceOf(f.config.DataDir, f.config.Replica); err != nil {
		return cli.Usagef(cmd, "--%w", err)
	}
	for _, address := range f.config.Peers {
		if host, port, err := net.SplitHostPort(address); err != nil || host == "" || port == "" {
			return cli.Usagef(cmd, "--peer %q: want HOST:PORT, the --peer-listen of another server", address)
		}
	}
	return nil
}
