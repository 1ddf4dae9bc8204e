package bootstrap

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
)

const (
	// grpcProvider is the name of the certificate provider: clusters and listeners for gRPC programs ask for it.
	grpcProvider = "default"
	// grpcServerListener is the name of a server's listener; %s is the address that the server has bound.
	grpcServerListener = "grpc/server?xds.resource.listening_address=%s"
	// grpcRefresh is how often the files are looked at: well within the time that a certificate has left when it is
	// replaced.
	grpcRefresh = "10s"
)

// GRPCConfig says what a gRPC program without a proxy starts with.
type GRPCConfig struct {
	// Namespace, Workload and ServiceAccount are as in Config; they must be those of the certificate.
	Namespace, Workload, ServiceAccount string
	// Server is the control plane, as in Config. Its certificate must have the host, as a name or an address.
	Server string
	// Further are other replicas, in the order in which they are turned to when those before cannot be reached.
	Further []string
	// Dir is the absolute path of the folder with certificate.pem, key.pem and roots.pem.
	Dir string
}

// grpcBootstrap is what gRPC reads from the file that GRPC_XDS_BOOTSTRAP names.
type grpcBootstrap struct {
	Servers          []grpcXDSServer         `json:"xds_servers"`
	Node             grpcNode                `json:"node"`
	Providers        map[string]grpcProvides `json:"certificate_providers"`
	ListenerTemplate string                  `json:"server_listener_resource_name_template"`
}

type grpcXDSServer struct {
	URI      string      `json:"server_uri"`
	Creds    []grpcCreds `json:"channel_creds"`
	Features []string    `json:"server_features"`
}

type grpcCreds struct {
	Type   string    `json:"type"`
	Config grpcFiles `json:"config"`
}

type grpcNode struct {
	ID      string `json:"id"`
	Cluster string `json:"cluster"`
}

type grpcProvides struct {
	Plugin string    `json:"plugin_name"`
	Config grpcFiles `json:"config"`
}

type grpcFiles struct {
	Certificate string `json:"certificate_file"`
	Key         string `json:"private_key_file"`
	Roots       string `json:"ca_certificate_file"`
	Refresh     string `json:"refresh_interval"`
}

// GRPC renders the bootstrap of a gRPC program, as JSON. The error names every field that is wrong.
func GRPC(c GRPCConfig) ([]byte, error) {
	servers, err := parseServers(append([]string{c.Server}, c.Further...))
	names := Config{Namespace: c.Namespace, Workload: c.Workload, ServiceAccount: c.ServiceAccount}
	if err := errors.Join(append(names.checkNames(), err, checkDir(c.Dir))...); err != nil {
		return nil, fmt.Errorf("bootstrap: %w", err)
	}
	files := grpcFiles{
		Certificate: filepath.Join(c.Dir, "certificate.pem"), Key: filepath.Join(c.Dir, "key.pem"),
		Roots: filepath.Join(c.Dir, "roots.pem"), Refresh: grpcRefresh,
	}
	b := grpcBootstrap{
		Node:             grpcNode{ID: c.Namespace + "/" + c.Workload, Cluster: c.Namespace + "/" + c.ServiceAccount},
		Providers:        map[string]grpcProvides{grpcProvider: {Plugin: "file_watcher", Config: files}},
		ListenerTemplate: grpcServerListener,
	}
	for _, server := range servers {
		b.Servers = append(b.Servers, grpcXDSServer{
			URI:   "dns:///" + net.JoinHostPort(server.host, strconv.Itoa(int(server.port))),
			Creds: []grpcCreds{{Type: "tls", Config: files}},
			// A service that seems to be gone is called where it was, until gRPC gives up by itself.
			Features: []string{"xds_v3", "ignore_resource_deletion"},
		})
	}
	out, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("bootstrap: %w", err)
	}
	return append(out, '\n'), nil
}
