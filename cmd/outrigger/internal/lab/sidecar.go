//go:build linux

package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"outrigger.dev/outrigger/deploy/capture"
)

// startSidecar makes the folder of a pod's Envoy as a user would, and starts the Envoy from it.
func (l *lab) startSidecar(ctx context.Context, p pod) error {
	dir := l.folder.sidecar(p.name)
	err := outrigger(ctx, "bootstrap", "--out", dir, "--data-dir", l.folder.data(),
		"--server", l.network.Node().IPv4.String()+":"+xdsPort, "--ttl", tokenLife,
		"-n", namespace, "--service-account", p.service, "--workload", p.name,
		"--ready", "[::]:15021", "--metrics", "[::]:15090")
	if err != nil {
		return err
	}
	if err := give(dir, capture.DefaultProxyUser); err != nil {
		return err
	}
	l.launch(ctx, process{
		name: "the Envoy of " + p.name, pod: p.Pod, user: capture.DefaultProxyUser,
		log: l.folder.log(p.name + "-envoy"), path: l.Envoy,
		args: []string{"-c", filepath.Join(dir, "bootstrap.yaml"), "--disable-hot-restart", "--concurrency", "1", "--log-level", "warning"},
	})
	return nil
}

// give makes a user the owner of a folder and of what is in it.
func give(dir string, user int) error {
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, user, user))
	})
}

// awaitSidecar waits until an Envoy has its configuration.
func (l *lab) awaitSidecar(ctx context.Context, p pod) error {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(l.folder.sidecar(p.name), "admin.sock"))
	}
	return until(ctx, "the Envoy of "+p.name+" is ready", func(ctx context.Context) error {
		return ask(ctx, dial, "http://admin/ready", io.Discard)
	})
}

// prove makes the call that all of this is for, and shows its answer.
func (l *lab) prove(ctx context.Context) error {
	client := l.pods[0]
	var answer strings.Builder
	err := until(ctx, client.name+" reaches cart by mTLS", func(ctx context.Context) error {
		answer.Reset()
		err := ask(ctx, client.Dial, "http://"+vips["cart"][0]+"/", &answer)
		if err == nil && !strings.Contains(answer.String(), "by mTLS") {
			err = fmt.Errorf("the answer is %q", answer.String())
		}
		return err
	})
	if err == nil {
		fmt.Fprint(l.Progress, "  ", answer.String())
	}
	return err
}

const (
	// startLimit is how long one thing may take to be ready.
	startLimit = 30 * time.Second
	askLimit   = 2 * time.Second
	askEvery   = 20 * time.Millisecond
)

// until tries until it holds; the error says what did not, and why.
func until(ctx context.Context, what string, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting until %s: %w", what, err)
		}
	}
}

// ask sends one request over a connection of its own, and copies the answer.
func ask(ctx context.Context, dial func(ctx context.Context, network, address string) (net.Conn, error), url string, to io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	req.Close = true
	resp, err := (&http.Client{Transport: &http.Transport{DialContext: dial}}).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	_, err = io.Copy(to, resp.Body)
	return err
}
