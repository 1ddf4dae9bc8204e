package kube

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
)

// sameLimit is how long the answer may take. The heartbeat is less patient: a server that is slow is told, and read all the same.
const sameLimit = 30 * time.Second

// errOtherCluster says that what answers is not the cluster that answered first.
var errOtherCluster = errors.New("another cluster answers")

// cluster knows which cluster answered first: one that lost everything, or that stands behind the same address by mistake, is
// another one.
type cluster struct {
	client dynamic.Interface
	mu     sync.Mutex
	id     types.UID
}

// same returns nil when the cluster answers that answered first.
func (c *cluster) same(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, sameLimit)
	defer cancel()
	namespaces := c.client.Resource(corev1.SchemeGroupVersion.WithResource("namespaces"))
	object, err := namespaces.Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("get namespace %s: %w", metav1.NamespaceSystem, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.id == "" {
		c.id = object.GetUID()
	}
	if c.id != object.GetUID() {
		return fmt.Errorf("%w: its namespace %s has the UID %s and had %s; restart the server if that is meant",
			errOtherCluster, metav1.NamespaceSystem, object.GetUID(), c.id)
	}
	return nil
}
