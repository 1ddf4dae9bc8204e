package main

import (
	"fmt"
	"strings"
)

// groupOf is how many clients share one scope, as the replicas of one program do, unless there are too few services for that.
const groupOf = 10

// groups is how many different scopes there are.
func (m mesh) groups() int {
	if m.scope == 0 {
		return 1
	}
	return max(1, min((m.streams+groupOf-1)/groupOf, m.services/2))
}

// group returns whose scope a client has.
func (m mesh) group(client int) int { return client % m.groups() }

// app is the label by which a client's proxy is configured.
func (m mesh) app(client int) string { return groupName(m.group(client)) }

func groupName(group int) string { return fmt.Sprintf("client-of-%d", group) }

// spare is the service that is in no declared scope until the views change.
func (m mesh) spare() int { return m.services - 1 }

// scoped returns the services of a group: one that is its own, and others that several have.
func (m mesh) scoped(group int) []int {
	own, shared := m.groups(), m.services-1-m.groups()
	list := []int{group}
	for i := range m.scope - 1 {
		list = append(list, own+(group*(m.scope-1)+i)%shared)
	}
	return list
}

// seenBy returns how many of the first so many clients have the group's own service.
func (m mesh) seenBy(group, clients int) int {
	if m.scope == 0 {
		return clients
	}
	seen := clients / m.groups()
	if group < clients%m.groups() {
		seen++
	}
	return seen
}

// writeProxies says what the proxies know. Other views differ from the first ones by two bodies at most: with a declared
// scope one service in place of another, and with everything in scope the same services, told in another way, and one listener more.
func (m mesh) writeProxies(other bool) error {
	data := []byte("# What the proxies know.\n")
	for g := range m.groups() {
		data = fmt.Append(data, m.proxyConfig(g, other))
	}
	for i, l := range m.envoys {
		data = fmt.Appendf(data, proxyYAML, envoyName(i), namespace,
			fmt.Sprintf("    listeners: [{address: %s, port: %d, service: {name: %s, port: 80}}]\n    services: [%s]\n",
				l.address, l.port, serviceName(0), everything))
	}
	return m.put("proxies.yaml", data)
}

const (
	proxyYAML = `---
apiVersion: outrigger.dev/v1alpha1
kind: ProxyConfig
metadata: {name: %[1]s, namespace: %[2]s}
spec:
  selector: {matchLabels: {app: %[1]s}}
  egress:
%[3]s`
	everything  = `{namespace: "*", name: "*"}`
	allOfOurs   = `{name: "*"}`
	listenEntry = "{port: %d, service: {name: %s, port: 80}}"
)

// proxyConfig is empty for clients that capture and declare nothing.
func (m mesh) proxyConfig(group int, other bool) string {
	if m.capture && m.scope == 0 && !other {
		return ""
	}
	var egress strings.Builder
	if !m.capture {
		listeners := []string{fmt.Sprintf(listenEntry, 18000, serviceName(group))}
		if m.scope == 0 && other {
			listeners = append(listeners, fmt.Sprintf(listenEntry, 18001, serviceName(group)))
		}
		fmt.Fprintf(&egress, "    listeners: [%s]\n", strings.Join(listeners, ", "))
	}
	fmt.Fprintf(&egress, "    services: [%s]\n", strings.Join(m.declared(group, other), ", "))
	return fmt.Sprintf(proxyYAML, groupName(group), namespace, egress.String())
}

// declared are the entries of a group's scope.
func (m mesh) declared(group int, other bool) []string {
	switch {
	case m.scope == 0 && other:
		return []string{allOfOurs}
	case m.scope == 0:
		return []string{everything}
	}
	services := m.scoped(group)
	if other {
		services[len(services)-1] = m.spare()
	}
	list := make([]string, len(services))
	for i, s := range services {
		list[i] = fmt.Sprintf("{name: %s}", serviceName(s))
	}
	return list
}
