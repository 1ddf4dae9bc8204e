package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ProxyConfig says what the proxies of workloads do. With any listener the
// proxy is explicit: it binds the addresses and ports that are written here
// and captures nothing, so that it needs no rights and no network namespace.
// With egress.services only, the proxy captures as usual and knows just those
// services.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=pxc,categories=outrigger
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ProxyConfig struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec says which proxies do what.
	//
	// +required
	Spec ProxyConfigSpec `json:"spec"`
	// +optional
	Status Status `json:"status,omitempty"`
}

// ProxyConfigSpec says which proxies do what.
//
// +kubebuilder:validation:XValidation:rule="!has(self.egress) || !has(self.egress.listeners) || !has(self.ingress) || !has(self.ingress.listeners) || self.ingress.listeners.all(i, !self.egress.listeners.exists(e, (e.port == i.port && has(i.address) && e.address == i.address) || (e.address == i.targetAddress && e.port == (has(i.targetPort) ? i.targetPort : i.port))))",message="an egress listener cannot have the address and port of an ingress listener, nor those of its target: only one of them can bind there"
type ProxyConfigSpec struct {
	// Workloads whose proxies this is for. Default: all of the namespace.
	//
	// +optional
	Selector WorkloadSelector `json:"selector,omitempty,omitzero"`

	// What the application may call.
	//
	// +optional
	Egress ProxyEgress `json:"egress,omitempty,omitzero"`

	// What the proxy serves for the application.
	//
	// +optional
	Ingress ProxyIngress `json:"ingress,omitempty,omitzero"`
}

// ProxyEgress says what the application may call.
type ProxyEgress struct {
	// Local addresses on which the application reaches services, no address
	// and port twice. Default: none.
	//
	// +optional
	// +listType=map
	// +listMapKey=address
	// +listMapKey=port
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	Listeners []EgressListener `json:"listeners,omitempty"`

	// Services that the proxy knows: its declared scope. A proxy's memory
	// grows with the services that it knows, so this keeps it small. Default:
	// those of the listeners above; without listeners all services of the
	// mesh, so that nothing has to be declared to begin with.
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	Services []ScopedService `json:"services,omitempty"`
}

// EgressListener binds a local address for one port of a service.
type EgressListener struct {
	// Address to bind. Default: 127.0.0.1, so that only the machine itself can
	// use the workload's identity.
	//
	// +optional
	// +kubebuilder:default="127.0.0.1"
	Address IPAddress `json:"address,omitempty"`
	// Port to bind.
	//
	// +required
	Port PortNumber `json:"port"`
	// Service that is reached there.
	//
	// +required
	Service ServicePortRef `json:"service"`
}

// ServicePortRef names one port of a service.
type ServicePortRef struct {
	// Name of the service.
	//
	// +required
	Name Name `json:"name"`
	// Namespace of the service. Default: the object's own.
	//
	// +optional
	Namespace Name `json:"namespace,omitempty"`
	// Port of the service, as its clients use it.
	//
	// +required
	Port PortNumber `json:"port"`
}

// ScopedService names services that a proxy knows.
//
// +kubebuilder:validation:XValidation:rule="!has(self.namespace) || self.namespace != '*' || self.name == '*'",message="with namespace * the name must be * too"
type ScopedService struct {
	// Namespace of the services; * means all namespaces, and then the name is
	// * too. Default: the object's own.
	//
	// +optional
	Namespace NameOrAll `json:"namespace,omitempty"`
	// Name of the service; * means all services of the namespace.
	//
	// +required
	Name NameOrAll `json:"name"`
}

// ProxyIngress says what the proxy serves for the application.
type ProxyIngress struct {
	// Ports on which the proxy serves the application, no address and port
	// twice. Default: none; a proxy with egress listeners alone serves nothing.
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:XValidation:rule="self.all(a, self.filter(b, a.port == b.port && (!has(a.address) || !has(b.address) || a.address == b.address)).size() == 1)",message="address and port must be unique; a listener without an address has all addresses of the workload"
	Listeners []IngressListener `json:"listeners,omitempty"`
}

// IngressListener serves the application on a port.
//
// +kubebuilder:validation:XValidation:rule="!has(self.address) || self.address != self.targetAddress || (has(self.targetPort) && self.targetPort != self.port)",message="the target must differ from the listener: the proxy would call itself"
type IngressListener struct {
	// Address to bind. Default: all addresses of the workload.
	//
	// +optional
	Address IPAddress `json:"address,omitempty"`
	// Port to bind: the one at which services reach the workload.
	//
	// +required
	Port PortNumber `json:"port"`
	// Port of the application. Default: the same as port, which works as long
	// as the application listens on another address than the proxy.
	//
	// +optional
	TargetPort PortNumber `json:"targetPort,omitempty"`
	// Address of the application. Default: 127.0.0.1, so that nobody reaches
	// the application but through its proxy.
	//
	// +optional
	// +kubebuilder:default="127.0.0.1"
	TargetAddress IPAddress `json:"targetAddress,omitempty"`
	// What the application speaks; detect looks at each connection. Default:
	// what the port of the service that leads here says.
	//
	// +optional
	AppProtocol AppProtocol `json:"appProtocol,omitempty"`
}

// AppProtocol is what an application speaks: http (1.0, 1.1 and WebSocket),
// http2 (prior knowledge), grpc, tcp (anything), tls (the application's own,
// passed through), or detect (HTTP is told from the rest per connection).
//
// +kubebuilder:validation:Enum=http;http2;grpc;tcp;tls;detect
type AppProtocol string

// The protocols.
const (
	AppProtocolHTTP   AppProtocol = "http"
	AppProtocolHTTP2  AppProtocol = "http2"
	AppProtocolGRPC   AppProtocol = "grpc"
	AppProtocolTCP    AppProtocol = "tcp"
	AppProtocolTLS    AppProtocol = "tls"
	AppProtocolDetect AppProtocol = "detect"
)

// ProxyConfigList is a list of ProxyConfigs.
//
// +kubebuilder:object:root=true
type ProxyConfigList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []ProxyConfig `json:"items"`
}
