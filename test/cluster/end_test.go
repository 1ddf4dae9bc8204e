package cluster_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"outrigger.dev/outrigger/test/cluster"
	"outrigger.dev/outrigger/test/cluster/binary"
)

// orphanEnv makes this test program one that starts Consul beside Kubernetes, says where, and waits for its death.
const orphanEnv = "CLUSTER_TEST_ORPHAN"

// No server outlives the program that started it, also when that is killed.
func TestNothingOutlivesItsStarter(t *testing.T) {
	if os.Getenv(orphanEnv) != "" {
		c := cluster.StartConsul(t, cluster.ConsulOptions{Plain: true})
		fmt.Println("at", c.Host(), shared.Host())
		<-t.Context().Done()
		return
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), orphanEnv+"=yes", "TMPDIR="+t.TempDir())
	out, err := child.StdoutPipe()
	must(t, err)
	must(t, child.Start())
	var hosts []string
	for lines := bufio.NewScanner(out); len(hosts) == 0 && lines.Scan(); {
		if at, found := strings.CutPrefix(lines.Text(), "at "); found {
			hosts = strings.Fields(at)
		}
	}
	if len(hosts) != 2 {
		t.Fatalf("it says that it listens at %q", hosts)
	}
	for _, host := range hosts {
		conn, err := net.Dial("tcp", host)
		must(t, err)
		conn.Close()
	}
	must(t, child.Process.Kill())
	_ = child.Wait()
	for _, host := range hosts {
		awaitRefused(t, host)
	}
}

func awaitRefused(t *testing.T, host string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := net.Dial("tcp", host)
		if errors.Is(err, syscall.ECONNREFUSED) {
			return
		}
		if err == nil {
			conn.Close()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("somebody still listens at %s: %v", host, err)
		}
	}
}

// Without the programs the error says how to get them, and nothing is left behind.
func TestMissingPrograms(t *testing.T) {
	root := t.TempDir()
	for recipe, line := range map[string]string{"etcd": "require go.etcd.io/etcd/server/v3 v3.0.0", "consul": "require github.com/hashicorp/consul v1.0.0"} {
		dir := filepath.Join(root, ".ci", "cluster", recipe)
		must(t, os.MkdirAll(dir, 0o755))
		must(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte(line+"\n"), 0o600))
	}
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	t.Chdir(root)
	_, kubeErr := cluster.OpenKube(t.Context(), cluster.KubeOptions{})
	_, consulErr := cluster.OpenConsul(t.Context(), cluster.ConsulOptions{})
	for _, err := range []error{kubeErr, consulErr} {
		if !errors.Is(err, binary.ErrMissing) || !strings.Contains(err.Error(), "`make cluster`") {
			t.Errorf("error %v, want %v and the command", err, binary.ErrMissing)
		}
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, error %v", left, err)
	}
}
