package server

import (
	"strings"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"

	"outrigger.dev/outrigger/xds/cache"
)

// parsePublication reads the lines below "publish".
func parsePublication(block []string) cache.Publication {
	var p cache.Publication
	for _, line := range block {
		words := strings.Fields(line)
		switch words[0] {
		case "view":
			p.Nodes = map[string]*cache.ViewSpec{"shop/web": viewOf(words[1:])}
		case "remove":
			p.Changes = append(p.Changes, cache.Change{
				Layer: layerOf(words), Ref: cache.Ref{Type: typeNamed(words[1]), Name: words[2]},
			})
		default:
			r := parseResource(words)
			p.Changes = append(p.Changes, cache.Change{
				Layer: layerOf(words), Ref: cache.Ref{Type: r.Type(), Name: r.Name()}, Resource: r,
			})
		}
	}
	return p
}

func viewOf(layers []string) *cache.ViewSpec {
	if layers[0] == "gone" {
		return nil
	}
	spec := &cache.ViewSpec{Scope: cache.All}
	for _, l := range layers {
		spec.Layers = append(spec.Layers, cache.LayerID(l))
	}
	return spec
}

func layerOf(words []string) cache.LayerID {
	if last := words[len(words)-1]; last[0] == '@' {
		return cache.LayerID(last[1:])
	}
	return "mesh"
}

func typeNamed(name string) cache.Type {
	for t := range cache.Type(cache.NumTypes) {
		if t.String() == name {
			return t
		}
	}
	panic("no type " + name)
}

func urlOf(name string) string {
	if strings.Contains(name, "/") {
		return name
	}
	return typeNamed(name).URL()
}

// parseResource reads "TYPE NAME VERSION [-> TYPE/NAME...] [in GROUP] [of OWNER] [@LAYER]".
func parseResource(words []string) *cache.Resource {
	c := cache.ResourceConfig{
		Type: typeNamed(words[0]), Name: words[1], Version: words[2], Body: []byte(strings.Join(words[:3], " ")),
	}
	for i := 3; i < len(words); i++ {
		switch {
		case words[i] == "in":
			i++
			c.Group = words[i]
		case words[i] == "of":
			i++
			c.Owner = words[i]
		case words[i] != "->" && words[i][0] != '@':
			kind, name, _ := strings.Cut(words[i], "/")
			c.Refs = append(c.Refs, cache.Ref{Type: typeNamed(kind), Name: name})
		}
	}
	return cache.NewResource(c)
}

func parseRequest(args []string) *discovery.DeltaDiscoveryRequest {
	r := &discovery.DeltaDiscoveryRequest{TypeUrl: urlOf(args[0])}
	for i, arg := range args[1:] {
		switch {
		case arg[0] == '+':
			r.ResourceNamesSubscribe = append(r.ResourceNamesSubscribe, arg[1:])
		case arg[0] == '-':
			r.ResourceNamesUnsubscribe = append(r.ResourceNamesUnsubscribe, arg[1:])
		case strings.HasPrefix(arg, "nonce="):
			r.ResponseNonce = strings.TrimPrefix(arg, "nonce=")
		case strings.HasPrefix(arg, "node="):
			r.Node = envoyNode(strings.TrimPrefix(arg, "node="), "shop/web")
		case strings.HasPrefix(arg, "error="):
			r.ErrorDetail = &rpcstatus.Status{Code: 3, Message: strings.TrimPrefix(strings.Join(args[i+1:], " "), "error=")}
			return r
		default:
			if r.InitialResourceVersions == nil {
				r.InitialResourceVersions = map[string]string{}
			}
			name, version, _ := strings.Cut(arg, "=")
			r.InitialResourceVersions[name] = version
		}
	}
	return r
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
