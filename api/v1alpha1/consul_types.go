package v1alpha1

// ConsulSource is one Consul whose services belong to the mesh.
type ConsulSource struct {
	// Name of the source, which logs, metrics and joins call it by.
	//
	// +required
	Name Name `json:"name"`
	// URL of the HTTP API, such as https://consul.example.com:8501. With https
	// all watches share one connection; with http each takes one of its own,
	// of which Consul grants 200 to a client by default.
	//
	// +required
	// +kubebuilder:validation:MinLength=8
	// +kubebuilder:validation:MaxLength=300
	// +kubebuilder:validation:Pattern=`^https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?/?$`
	Address string `json:"address"`
	// File with the ACL token, on the machine of the control plane; it is read
	// again when it changes. The token needs service:read and node:read on
	// all that is to be seen: Consul leaves out the rest without a word.
	// Default: no token is sent.
	//
	// +optional
	TokenFile FilePath `json:"tokenFile,omitempty"`
	// File with the roots that the server's certificate is verified with, on
	// the machine of the control plane. Default: the roots of that machine.
	//
	// +optional
	CAFile FilePath `json:"caFile,omitempty"`
	// Datacenter to watch. Default: that of the server, which then needs not
	// ask another one for every answer.
	//
	// +optional
	Datacenter ConsulName `json:"datacenter,omitempty"`
	// Namespace to watch, of a server that has namespaces. Default: none is
	// asked for, because a server without them refuses the word.
	//
	// +optional
	Namespace ConsulName `json:"namespace,omitempty"`
	// Partition to watch, of a server that has partitions. Default: none is
	// asked for, as with namespaces.
	//
	// +optional
	Partition ConsulName `json:"partition,omitempty"`
	// Peers whose imported services belong to the mesh too. Default: none.
	//
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=32
	Peers []ConsulPeer `json:"peers,omitempty"`
	// Namespace that the services appear in, as <name>.<namespace>. Default:
	// consul, so that no service of Consul takes the name of another one by
	// chance.
	//
	// +optional
	// +kubebuilder:default=consul
	MeshNamespace Name `json:"meshNamespace,omitempty"`
}

// ConsulPeer is a peering of a Consul.
type ConsulPeer struct {
	// Name of the peering, as this Consul has it.
	//
	// +required
	Name ConsulName `json:"name"`
	// Names of the services that the peer exports and the mesh is to have.
	// They have to be named, because no catalog lists them.
	//
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	Services []ConsulServiceName `json:"services"`
}

// ConsulServiceName is what Consul calls a service.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=253
type ConsulServiceName string

// ServiceJoin says that a service and one of Consul's are one.
type ServiceJoin struct {
	// Service that clients call. It keeps its addresses and ports.
	//
	// +required
	Service ServiceRef `json:"service"`
	// Consul's service, whose endpoints serve it too. It stays reachable under
	// its own name.
	//
	// +required
	Consul ConsulServiceRef `json:"consul"`
	// Port of the service that Consul's endpoints serve. Default: the port of
	// the same number, else the first one; most services have one in both.
	//
	// +optional
	Port PortNumber `json:"port,omitempty"`
	// Percent of the traffic that goes to Consul's endpoints, whatever their
	// number. With 0 or 100 the others get none. While one side has no healthy
	// endpoint, the other gets all. Default: every endpoint of both counts by
	// its weight.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	Share *int32 `json:"share,omitempty"`
}

// ServiceRef names a service.
type ServiceRef struct {
	// Namespace of the service.
	//
	// +required
	Namespace Name `json:"namespace"`
	// Name of the service.
	//
	// +required
	Name Name `json:"name"`
}

// ConsulServiceRef names a service of Consul.
type ConsulServiceRef struct {
	// Name of the source that knows it. Default: every Consul that does.
	//
	// +optional
	Source Name `json:"source,omitempty"`
	// Name of the service as Consul has it.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

// ConsulName is the name of a datacenter, namespace, partition or peer of Consul.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=128
// +kubebuilder:validation:Pattern=`^[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?$`
type ConsulName string

// FilePath is an absolute path.
//
// +kubebuilder:validation:MinLength=2
// +kubebuilder:validation:MaxLength=1024
// +kubebuilder:validation:Pattern=`^/`
type FilePath string

// DefaultConsulNamespace is where the services of a Consul appear by default.
const DefaultConsulNamespace Name = "consul"
