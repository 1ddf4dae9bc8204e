//go:build linux

package lab

import (
	"fmt"
	"text/template"
)

// story is what a user reads when the lab is up.
var story = template.Must(template.New("story").Parse(`
The lab is up: {{len .Pods}} pods, each a network namespace of its own. Ctrl-C ends it.

{{range .Pods}}  {{printf "%-12s %-11s %-9s" .Name .IPv4 .IPv6}} {{if .Service}}service {{.Service}}, with an Envoy{{else}}no Envoy, not part of the mesh{{end}}
{{end}}
Try, in another terminal:

  {{.Shell}} frontend-1                              # a shell in a pod
  {{.Shell}} frontend-1 -- curl -sS http://cart/      # a call through both proxies
  {{.Shell}} frontend-1 -- curl -sS http://frontend/  # its own service; frontend calls cart
  {{.Shell}} cart-1 -- curl -sS http://outside:8080/  # unknown destinations pass through
  {{.Shell}} outside -- curl -sS http://frontend-1:8080/   # plain text, which frontend takes
  {{.Shell}} outside -- curl -sS http://cart-1:8080/       # and cart, being strict, refuses
  {{.Shell}} frontend-1 -- outrigger-node capture --check

  {{.Command}} proxies --data-dir {{.Data}}
  edit {{.Mesh}}/services.yaml, and call again

Logs are in {{.Logs}}.
`))

// told is a pod as the story has it.
type told struct {
	Name, IPv4, IPv6, Service string
}

func (l *lab) story() error {
	pods := make([]told, len(l.pods))
	for i, p := range l.pods {
		pods[i] = told{Name: p.name, IPv4: p.IPv4.String(), IPv6: p.IPv6.String(), Service: p.service}
	}
	shell := l.Command + " lab shell"
	if l.Dir != DefaultDir {
		shell += " --dir " + l.Dir
	}
	err := story.Execute(l.Out, map[string]any{
		"Pods": pods, "Command": l.Command, "Shell": shell,
		"Data": l.folder.data(), "Mesh": l.folder.mesh(), "Logs": l.folder.path("logs"),
	})
	if err != nil {
		return fmt.Errorf("saying what to try: %w", err)
	}
	return nil
}
