package kubesource_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"outrigger.dev/outrigger/discovery/kube"
)

// A token that is good no more while watches are open takes no endpoint away; the next one in its file is taken.
func TestTokenRevoked(t *testing.T) {
	const namespace, account = "outrigger-system", "revoked"
	r := open(t)
	file := filepath.Join(t.TempDir(), "token")
	renew := func() {
		t.Helper()
		access, err := r.kube.AddAccount(t.Context(), namespace, account, rules()...)
		must(t, err)
		must(t, os.WriteFile(file, []byte(access.Token), 0o600))
		r.access = access.Via(r.proxy.Addr())
		r.access.Token, r.access.TokenFile = "", file
	}
	renew()
	all := started(t, r)
	must(t, r.kube.Client().CoreV1().ServiceAccounts(namespace).Delete(t.Context(), account, metav1.DeleteOptions{}))
	all.await("the trouble", func() bool { return errors.Is(all.trouble, kube.ErrDenied) })
	r.proxy.Drop()
	all.quiet(5*time.Second, "trouble, and both endpoints", func() bool { return all.trouble != nil && all.has("web", first, second)() })
	addPod(t, r.kube, 3)
	renew()
	// client-go reads the file once a minute.
	all.within(2*time.Minute, "its end", func() bool { return all.inGoodOrder() && all.has("web", first, second, third)() })
}
