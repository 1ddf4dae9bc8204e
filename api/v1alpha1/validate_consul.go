package v1alpha1

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// The limits of the lists and texts of a MeshConfig; the markers beside the types say the same.
const (
	maxConsul       = 16
	maxPeers        = 32
	maxPeerServices = 256
	maxJoins        = 128
	maxURL          = 300
	maxPath         = 1024
	maxConsulName   = 128
	maxServiceName  = 253
	maxShare        = 100
)

// The patterns of the markers.
var (
	consulURL  = regexp.MustCompile(`^https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?/?$`)
	consulName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?$`)
)

func validateConsul(at *field.Path, sources []ConsulSource) field.ErrorList {
	errs := validateLength(at, len(sources), maxConsul)
	seen := make(map[Name]*field.Path, len(sources))
	for i := range sources {
		at := at.Index(i)
		errs = append(errs, sources[i].validate(at)...)
		if first := seen[sources[i].Name]; first != nil {
			errs = append(errs, duplicate(at.Child("name"), string(sources[i].Name), first))
			continue
		}
		seen[sources[i].Name] = at
	}
	return errs
}

func (c *ConsulSource) validate(at *field.Path) field.ErrorList {
	errs := validateRequiredName(at.Child("name"), c.Name, "name the source")
	errs = append(errs, validateURL(at.Child("address"), c.Address)...)
	errs = append(errs, validatePath(at.Child("tokenFile"), c.TokenFile)...)
	errs = append(errs, validatePath(at.Child("caFile"), c.CAFile)...)
	errs = append(errs, validateConsulName(at.Child("datacenter"), c.Datacenter)...)
	errs = append(errs, validateConsulName(at.Child("namespace"), c.Namespace)...)
	errs = append(errs, validateConsulName(at.Child("partition"), c.Partition)...)
	errs = append(errs, validatePeers(at.Child("peers"), c.Peers)...)
	return append(errs, validateOptionalName(at.Child("meshNamespace"), c.MeshNamespace)...)
}

func validatePeers(at *field.Path, peers []ConsulPeer) field.ErrorList {
	errs := validateLength(at, len(peers), maxPeers)
	seen := make(map[ConsulName]*field.Path, len(peers))
	for i, peer := range peers {
		at := at.Index(i)
		if peer.Name == "" {
			errs = append(errs, field.Required(at.Child("name"), "name the peering"))
		}
		errs = append(errs, validateConsulName(at.Child("name"), peer.Name)...)
		errs = append(errs, validatePeerServices(at.Child("services"), peer.Services)...)
		if first := seen[peer.Name]; first != nil {
			errs = append(errs, duplicate(at, string(peer.Name), first))
			continue
		}
		seen[peer.Name] = at
	}
	return errs
}

func validatePeerServices(at *field.Path, services []ConsulServiceName) field.ErrorList {
	errs := validateLength(at, len(services), maxPeerServices)
	if len(services) == 0 {
		errs = append(errs, field.Required(at, "name the services of the peer that the mesh is to have"))
	}
	seen := make(map[ConsulServiceName]*field.Path, len(services))
	for i, service := range services {
		at := at.Index(i)
		switch first := seen[service]; {
		case service == "":
			errs = append(errs, field.Required(at, "name the service of Consul"))
		case utf8.RuneCountInString(string(service)) > maxServiceName:
			errs = append(errs, field.TooLong(at, string(service), maxServiceName))
		case first != nil:
			errs = append(errs, duplicate(at, string(service), first))
		}
		seen[service] = at
	}
	return errs
}

func validateJoins(at *field.Path, joins []ServiceJoin) field.ErrorList {
	errs := validateLength(at, len(joins), maxJoins)
	seen := make(map[ServiceRef]*field.Path, len(joins))
	for i := range joins {
		at, join := at.Index(i), &joins[i]
		errs = append(errs, join.validate(at)...)
		if first := seen[join.Service]; first != nil {
			name := string(join.Service.Namespace + "/" + join.Service.Name)
			errs = append(errs, duplicate(at.Child("service"), name, first))
			continue
		}
		seen[join.Service] = at
	}
	return errs
}

func (j *ServiceJoin) validate(at *field.Path) field.ErrorList {
	errs := validateRequiredName(at.Child("service", "namespace"), j.Service.Namespace, "name the namespace")
	errs = append(errs, validateName(at.Child("service", "name"), j.Service.Name)...)
	errs = append(errs, validateOptionalName(at.Child("consul", "source"), j.Consul.Source)...)
	name := at.Child("consul", "name")
	if j.Consul.Name == "" {
		errs = append(errs, field.Required(name, "name the service of Consul"))
	} else if utf8.RuneCountInString(j.Consul.Name) > maxServiceName {
		errs = append(errs, field.TooLong(name, j.Consul.Name, maxServiceName))
	}
	if j.Port != 0 {
		errs = append(errs, validatePort(at.Child("port"), j.Port)...)
	}
	if j.Share != nil && (*j.Share < 0 || *j.Share > maxShare) {
		errs = append(errs, field.Invalid(at.Child("share"), *j.Share, "must be a percentage, 0 to 100"))
	}
	return errs
}

func validateRequiredName(at *field.Path, name Name, missing string) field.ErrorList {
	if name == "" {
		return field.ErrorList{field.Required(at, missing)}
	}
	return validateName(at, name)
}

func validateOptionalName(at *field.Path, name Name) field.ErrorList {
	if name == "" {
		return nil
	}
	return validateName(at, name)
}

func validateURL(at *field.Path, url string) field.ErrorList {
	switch {
	case url == "":
		return field.ErrorList{field.Required(at, "must be the URL of Consul's HTTP API")}
	case utf8.RuneCountInString(url) > maxURL:
		return field.ErrorList{field.TooLong(at, url, maxURL)}
	case !consulURL.MatchString(url):
		return field.ErrorList{field.Invalid(at, url, "must be a URL of scheme, host and port, such as https://consul.example.com:8501")}
	}
	return nil
}

func validatePath(at *field.Path, path FilePath) field.ErrorList {
	switch {
	case path == "":
		return nil
	case utf8.RuneCountInString(string(path)) > maxPath:
		return field.ErrorList{field.TooLong(at, string(path), maxPath)}
	case !strings.HasPrefix(string(path), "/") || path == "/":
		return field.ErrorList{field.Invalid(at, string(path), "must be the absolute path of a file")}
	}
	return nil
}

func validateConsulName(at *field.Path, name ConsulName) field.ErrorList {
	switch {
	case name == "":
		return nil
	case len(name) > maxConsulName:
		return field.ErrorList{field.TooLong(at, string(name), maxConsulName)}
	case !consulName.MatchString(string(name)):
		return field.ErrorList{field.Invalid(at, string(name), "must be of letters, digits, hyphens and underscores, and begin and end with a letter or digit")}
	}
	return nil
}
