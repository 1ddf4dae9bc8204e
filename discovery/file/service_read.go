package file

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"outrigger.dev/outrigger/api/v1alpha1"
	"outrigger.dev/outrigger/discovery"
)

// service reads and checks a Service.
func (d *decoder) service(root *yaml.Node, object *Object) {
	from := &corev1.Service{}
	from.Namespace = defaultNamespace
	d.read(root, object, from, &from.ObjectMeta)
	r := &serviceReader{from: from, root: root, service: &service{}}
	r.read()
	d.validate(root, r.errs)
	d.faults = append(d.faults, r.warnings...)
	object.service = r.service
	object.lines = map[string]int{}
	for _, path := range []string{"spec.selector", "spec.ports", "spec.clusterIP", "spec.clusterIPs"} {
		object.lines[path] = lineOf(root, path) - root.Line
	}
}

// serviceReader turns a Service into the form of the mesh.
type serviceReader struct {
	from     *corev1.Service
	root     *yaml.Node
	service  *service
	errs     field.ErrorList
	warnings []fault
}

func (r *serviceReader) read() {
	r.service.id = discovery.ServiceID{Namespace: r.from.Namespace, Name: r.from.Name}
	r.metadata()
	r.kind()
	r.addresses()
	r.ports()
	for _, key := range slices.Sorted(maps.Keys(r.from.Spec.Selector)) {
		r.service.selector = append(r.service.selector, label{key: key, value: r.from.Spec.Selector[key]})
	}
	r.unused()
}

func (r *serviceReader) invalid(at *field.Path, value any, message string) {
	r.errs = append(r.errs, field.Invalid(at, value, message))
}

func (r *serviceReader) warn(at *field.Path, reason, message string) {
	r.warnings = append(r.warnings, fault{
		line: lineOf(r.root, at.String()), field: at.String(), reason: reason, message: message, warning: true,
	})
}

// nameRule says in short what apimachinery says with a regular expression.
const nameRule = "must be a DNS label (RFC 1123): lower-case letters, digits and hyphens, at most 63, " +
	"with a letter or digit at both ends"

func (r *serviceReader) metadata() {
	at := field.NewPath("metadata")
	if r.from.Name == "" {
		r.errs = append(r.errs, field.Required(at.Child("name"), "name the service"))
	} else if len(validation.IsDNS1123Label(r.from.Name)) > 0 {
		r.invalid(at.Child("name"), r.from.Name, nameRule)
	}
	if len(validation.IsDNS1123Label(r.from.Namespace)) > 0 {
		r.invalid(at.Child("namespace"), r.from.Namespace, nameRule)
	}
}

// kind refuses the types that mean something only where a cluster stands behind them.
func (r *serviceReader) kind() {
	at := field.NewPath("spec", "type")
	switch r.from.Spec.Type {
	case "", corev1.ServiceTypeClusterIP:
	case corev1.ServiceTypeExternalName:
		r.invalid(at, r.from.Spec.Type, "a name outside the mesh has no endpoints here: call it by its own name")
	default:
		r.invalid(at, r.from.Spec.Type, "means nothing without a cluster's nodes: use ClusterIP, or remove the field")
	}
}

func (r *serviceReader) addresses() {
	spec := field.NewPath("spec")
	ips, at := r.from.Spec.ClusterIPs, func(i int) *field.Path { return spec.Child("clusterIPs").Index(i) }
	r.service.vipField = "spec.clusterIP"
	if len(ips) > 0 {
		r.service.vipField = "spec.clusterIPs"
	}
	if single := r.from.Spec.ClusterIP; single != "" {
		if len(ips) > 0 && ips[0] != single {
			r.invalid(spec.Child("clusterIP"), single, "must be the first of clusterIPs")
		}
		if len(ips) == 0 {
			ips, at = []string{single}, func(int) *field.Path { return spec.Child("clusterIP") }
		}
	}
	if len(ips) > 2 {
		r.errs = append(r.errs, field.TooMany(spec.Child("clusterIPs"), len(ips), 2))
	}
	if len(ips) == 1 && ips[0] == corev1.ClusterIPNone {
		return
	}
	for i, text := range ips {
		r.address(at(i), text)
	}
	slices.SortFunc(r.service.vips, netip.Addr.Compare)
}

func (r *serviceReader) address(at *field.Path, text string) {
	addr, ok := v1alpha1.IPAddress(text).Parse()
	switch {
	case !ok:
		r.invalid(at, text, "must be the IPv4 or IPv6 address of one host, or None")
	case slices.Contains(r.service.vips, addr):
		r.errs = append(r.errs, field.Duplicate(at, text))
	default:
		r.service.vips = append(r.service.vips, addr)
	}
}

func (r *serviceReader) ports() {
	at := field.NewPath("spec", "ports")
	headless := r.from.Spec.ClusterIP == corev1.ClusterIPNone
	if len(r.from.Spec.Ports) == 0 && !headless {
		r.errs = append(r.errs, field.Required(at, "a service needs one port at least"))
	}
	type entry struct {
		port   discovery.ServicePort
		target target
	}
	var entries []entry
	for i := range r.from.Spec.Ports {
		if port, behind, ok := r.port(at.Index(i), &r.from.Spec.Ports[i]); ok {
			entries = append(entries, entry{port: port, target: behind})
		}
	}
	slices.SortStableFunc(entries, func(a, b entry) int { return cmp.Compare(a.port.Port, b.port.Port) })
	for _, e := range entries {
		r.service.ports = append(r.service.ports, e.port)
		r.service.targets = append(r.service.targets, e.target)
	}
	r.uniquePorts(at)
}

// port reads one port; false means that it is left out.
func (r *serviceReader) port(at *field.Path, from *corev1.ServicePort) (discovery.ServicePort, target, bool) {
	switch from.Protocol {
	case "", corev1.ProtocolTCP:
	case corev1.ProtocolUDP, corev1.ProtocolSCTP:
		r.warn(at.Child("protocol"), "Unsupported", fmt.Sprintf("the mesh does not carry %s: the port is left out", from.Protocol))
		return discovery.ServicePort{}, target{}, false
	default:
		r.errs = append(r.errs, field.NotSupported(at.Child("protocol"), from.Protocol, []corev1.Protocol{corev1.ProtocolTCP}))
	}
	if validation.IsValidPortNum(int(from.Port)) != nil {
		r.invalid(at.Child("port"), from.Port, "must be a port, 1 to 65535")
		return discovery.ServicePort{}, target{}, false
	}
	behind := r.target(at.Child("targetPort"), from)
	port := discovery.ServicePort{Port: uint16(from.Port), Name: from.Name, Protocol: r.protocol(at, from, behind)}
	return port, behind, true
}

func (r *serviceReader) target(at *field.Path, from *corev1.ServicePort) target {
	if from.TargetPort.Type == intstr.String {
		if name := from.TargetPort.StrVal; validation.IsValidPortName(name) != nil {
			r.invalid(at, name, "must be a port, 1 to 65535, or the name of one: at most 15 lower-case letters, "+
				"digits and hyphens, with a letter at least")
		}
		return target{name: from.TargetPort.StrVal}
	}
	number := from.TargetPort.IntVal
	if number == 0 {
		number = from.Port
	}
	if validation.IsValidPortNum(int(number)) != nil {
		r.invalid(at, number, "must be a port, 1 to 65535")
		return target{}
	}
	return target{number: uint16(number)}
}

func (r *serviceReader) protocol(at *field.Path, from *corev1.ServicePort, behind target) discovery.Protocol {
	var app string
	if from.AppProtocol != nil {
		app = *from.AppProtocol
	}
	protocol, known := discovery.ProtocolOf(app, from.Name, uint16(from.Port), behind.number)
	if !known {
		r.warn(at.Child("appProtocol"), "Unsupported",
			fmt.Sprintf("%q is not known here: each connection is looked at; declare http, http2, grpc, tls or tcp", shorten(app)))
	}
	return protocol
}

func (r *serviceReader) uniquePorts(at *field.Path) {
	numbers, names := make(map[int32]bool), make(map[string]bool)
	for i := range r.from.Spec.Ports {
		port, at := &r.from.Spec.Ports[i], at.Index(i)
		if port.Protocol == "" || port.Protocol == corev1.ProtocolTCP {
			if numbers[port.Port] {
				r.errs = append(r.errs, field.Duplicate(at.Child("port"), port.Port))
			}
			numbers[port.Port] = true
		}
		if port.Name == "" && len(r.from.Spec.Ports) > 1 {
			r.errs = append(r.errs, field.Required(at.Child("name"), "name the ports when there are several"))
		} else if names[port.Name] {
			r.errs = append(r.errs, field.Duplicate(at.Child("name"), port.Name))
		}
		if port.Name != "" && len(validation.IsDNS1123Label(port.Name)) > 0 {
			r.invalid(at.Child("name"), port.Name, nameRule)
		}
		names[port.Name] = true
	}
}

// unused warns of fields that change what a cluster does and change nothing here.
func (r *serviceReader) unused() {
	spec := field.NewPath("spec")
	if r.from.Spec.SessionAffinity == corev1.ServiceAffinityClientIP {
		r.warn(spec.Child("sessionAffinity"), "Ignored", "is not kept here: requests go to all endpoints")
	}
	if len(r.from.Spec.ExternalIPs) > 0 {
		r.warn(spec.Child("externalIPs"), "Ignored", "are not served here: put the addresses into clusterIPs")
	}
	if r.from.Spec.TrafficDistribution != nil {
		r.warn(spec.Child("trafficDistribution"), "Ignored", "is not kept here: requests go to all endpoints")
	}
}
