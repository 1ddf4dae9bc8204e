package kube

import (
	"fmt"
	"strconv"
	"strings"

	"outrigger.dev/outrigger/discovery"
)

// The annotations of a Service.
const (
	// AnnotationConsulService names the service of Consul that belongs to a Service: [<source>/]<name>[:<port>].
	AnnotationConsulService = "outrigger.dev/consul-service"
	// AnnotationConsulShare is how many percent of the traffic go to Consul's endpoints, 0 to 100.
	AnnotationConsulShare = "outrigger.dev/consul-share"
)

// join reads which service of another registry belongs to this one. A bad rule is none.
func (r *serviceReader) join() {
	name, named := r.from.Annotations[AnnotationConsulService]
	share, shared := r.from.Annotations[AnnotationConsulShare]
	if !named {
		if shared {
			r.problem(annotation(AnnotationConsulShare), "Ignored", "shares with nothing: name the service of Consul in "+AnnotationConsulService)
		}
		return
	}
	join, err := parseJoin(name)
	if err == nil && join.Port != 0 {
		if _, known := r.service.model.Port(join.Port); !known {
			err = fmt.Errorf("the Service has no port %d", join.Port)
		}
	}
	if err != nil {
		r.problem(annotation(AnnotationConsulService), "Invalid",
			fmt.Sprintf("%q is not used, %v: write [<source>/]<name>[:<port of the Service>]", shorten(name), err))
		return
	}
	r.service.model.Join = join
	if !shared {
		return
	}
	percent, err := strconv.ParseUint(strings.TrimSpace(share), 10, 8)
	if err != nil || percent > 100 {
		r.problem(annotation(AnnotationConsulShare), "Invalid",
			fmt.Sprintf("%q is not used, every endpoint counts by its weight: give a whole number of 0 to 100", shorten(share)))
		return
	}
	part := uint8(percent)
	join.Share = &part
}

func parseJoin(text string) (*discovery.Join, error) {
	join := &discovery.Join{Kind: "consul", Name: strings.TrimSpace(text)}
	if source, name, found := strings.Cut(join.Name, "/"); found {
		if source == "" {
			return nil, fmt.Errorf("the source before the slash is empty")
		}
		join.Source, join.Name = strings.Clone(source), name
	}
	if i := strings.LastIndexByte(join.Name, ':'); i >= 0 {
		port, err := strconv.ParseUint(join.Name[i+1:], 10, 16)
		if err != nil || port == 0 {
			return nil, fmt.Errorf("%q is no port", shorten(join.Name[i+1:]))
		}
		join.Name, join.Port = join.Name[:i], uint16(port)
	}
	if join.Name == "" {
		return nil, fmt.Errorf("the name is empty")
	}
	join.Name = strings.Clone(join.Name)
	return join, nil
}

func annotation(name string) string { return "metadata.annotations[" + name + "]" }
