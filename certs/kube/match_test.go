package kube

import (
	"errors"
	"strings"
	"testing"

	"outrigger.dev/outrigger/discovery"
)

func TestMatch(t *testing.T) {
	workload := func(change func(*discovery.Workload)) *discovery.Workload {
		w := &discovery.Workload{
			ID: discovery.WorkloadID{Namespace: "shop", Name: "cart-1"}, ServiceAccount: "cart", UID: "uid-1", Node: "node-a",
		}
		change(w)
		return w
	}
	same := workload(func(*discovery.Workload) {})
	for _, claims := range []Claims{cart, {Namespace: "shop", ServiceAccount: "cart", Pod: "cart-1", PodUID: "uid-1"}} {
		if err := Match(claims, same); err != nil {
			t.Errorf("%+v: %v", claims, err)
		}
	}
	for text, other := range map[string]*discovery.Workload{
		"knows no such pod": nil,
		"shop/cart-2":       workload(func(w *discovery.Workload) { w.ID.Name = "cart-2" }),
		"bank/cart-1":       workload(func(w *discovery.Workload) { w.ID.Namespace = "bank" }),
		`UID is "uid-2"`:    workload(func(w *discovery.Workload) { w.UID = "uid-2" }),
		`UID is ""`:         workload(func(w *discovery.Workload) { w.UID = "" }),
		`account "admin"`:   workload(func(w *discovery.Workload) { w.ServiceAccount = "admin" }),
		`on node "node-b"`:  workload(func(w *discovery.Workload) { w.Node = "node-b" }),
		`on node ""`:        workload(func(w *discovery.Workload) { w.Node = "" }),
	} {
		if err := Match(cart, other); !errors.Is(err, ErrMismatch) || !strings.Contains(err.Error(), text) {
			t.Errorf("want %q, got %v", text, err)
		}
	}
	nobody := workload(func(w *discovery.Workload) { w.UID = "" })
	unbound := cart
	unbound.PodUID = ""
	if err := Match(unbound, nobody); !errors.Is(err, ErrMismatch) {
		t.Errorf("two empty UIDs match: %v", err)
	}
}
