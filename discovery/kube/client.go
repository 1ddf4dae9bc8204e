package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"

	"outrigger.dev/outrigger/api/v1alpha1"
	"outrigger.dev/outrigger/internal/conns"
)

const (
	// requestTimeout is how long a small request may take. The heartbeat is less patient: a server that is slow is told, and read all the same.
	requestTimeout = 30 * time.Second
	// listTimeout is how long one page of a list may take, and a stream of a full state to begin.
	listTimeout = 30 * time.Second
	// watchTimeout is how long a watch may take to begin: some proxies tell of it with the first event only, and
	// a server sends one a minute at least.
	watchTimeout = 90 * time.Second
	// pageSize is how many objects a page of a list has.
	pageSize = 500
)

// client makes requests to one API server. It knows nothing of what they are for.
type client struct {
	http   *http.Client
	dialer *conns.Dialer
	// groups are the REST clients by group.
	groups map[string]rest.Interface
}

// newClient returns a client with connections of its own.
func newClient(config *rest.Config) (*client, error) {
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	base := rest.CopyConfig(config)
	c := &client{dialer: conns.New(base.Dial), groups: make(map[string]rest.Interface)}
	base.Dial = c.dialer.DialContext
	// A handful of watches needs no limit of its own: the API server has one.
	base.QPS = -1
	base.WarningHandler = rest.NoWarnings{}
	base.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	if c.http, err = rest.HTTPClientFor(base); err != nil {
		return nil, fmt.Errorf("kubernetes client: %w", err)
	}
	for _, group := range []schema.GroupVersion{corev1.SchemeGroupVersion, discoveryv1.SchemeGroupVersion, v1alpha1.GroupVersion(), crdVersion()} {
		if c.groups[group.Group], err = c.group(base, group); err != nil {
			return nil, fmt.Errorf("kubernetes client for %s: %w", group, err)
		}
	}
	return c, nil
}

// crdVersion is that of the definitions of kinds.
func crdVersion() schema.GroupVersion {
	return schema.GroupVersion{Group: "apiextensions.k8s.io", Version: "v1"}
}

func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	err := errors.Join(corev1.AddToScheme(scheme), discoveryv1.AddToScheme(scheme), v1alpha1.AddToScheme(scheme), metav1.AddMetaToScheme(scheme))
	return scheme, err
}

func (c *client) group(base *rest.Config, group schema.GroupVersion) (rest.Interface, error) {
	config := rest.CopyConfig(base)
	config.GroupVersion = &group
	config.APIPath = "/apis"
	if group.Group == "" {
		config.APIPath = "/api"
	}
	config.ContentType, config.AcceptContentTypes = runtime.ContentTypeProtobuf, runtime.ContentTypeProtobuf+","+runtime.ContentTypeJSON
	if group == v1alpha1.GroupVersion() || group == crdVersion() {
		config.ContentType, config.AcceptContentTypes = runtime.ContentTypeJSON, runtime.ContentTypeJSON
	}
	return rest.RESTClientForConfigAndClient(config, c.http)
}

// close ends every connection.
func (c *client) close() {
	c.http.CloseIdleConnections()
	c.dialer.Close()
}

// get starts a request that reads objects of a kind; answers that ask to come later are errors to the caller.
func (c *client) get(of resource) *rest.Request {
	return c.groups[of.group].Get().Resource(of.name).MaxRetries(0)
}

// clusterID returns the UID of the namespace kube-system, which is the nearest thing to a name that a cluster has.
func (c *client) clusterID(ctx context.Context) (types.UID, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	var namespace corev1.Namespace
	err := c.get(resource{name: "namespaces"}).Name(metav1.NamespaceSystem).Do(ctx).Into(&namespace)
	if err != nil {
		return "", fmt.Errorf("get namespace %s: %w", metav1.NamespaceSystem, err)
	}
	return namespace.UID, nil
}

// defined returns when the definition of a kind was made, and an error unless it stands and is not on its way out.
func (c *client) defined(ctx context.Context, of resource) (made time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	name := of.name + "." + of.group
	var definition metav1.PartialObjectMetadata
	err = c.get(resource{group: crdVersion().Group, name: "customresourcedefinitions"}).Name(name).
		SetHeader("Accept", "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1").Do(ctx).Into(&definition)
	switch {
	case err != nil:
		return made, fmt.Errorf("get CustomResourceDefinition %s: %w", name, err)
	case definition.DeletionTimestamp != nil:
		return made, fmt.Errorf("CustomResourceDefinition %s is being deleted: %w", name, ErrMissing)
	}
	return definition.CreationTimestamp.Time, nil
}

// page reads one page of a consistent list: the resource version is not set, so that etcd is asked.
func (c *client) page(ctx context.Context, of resource, list runtime.Object, options metav1.ListOptions) error {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	request := c.get(of).VersionedParams(&options, metav1.ParameterCodec)
	if err := request.Do(ctx).Into(list); err != nil {
		return fmt.Errorf("list %s: %w", of.name, err)
	}
	return nil
}

// openWatch is a watch and when the server is to end it.
type openWatch struct {
	watch.Interface
	until  time.Time
	cancel context.CancelFunc
}

// stop ends the watch, if there is one.
func (o openWatch) stop() {
	if o.Interface != nil {
		o.Stop()
		o.cancel()
	}
}

// watch opens a watch that the server ends after the given time.
func (c *client) watch(ctx context.Context, of resource, options metav1.ListOptions, limit time.Duration) (openWatch, error) {
	seconds := int64(limit / time.Second)
	options.TimeoutSeconds = &seconds
	options.AllowWatchBookmarks = true
	options.Watch = true
	patience := watchTimeout
	if options.SendInitialEvents != nil {
		patience = listTimeout
	}
	ctx, cancel := context.WithCancel(ctx)
	timer := time.AfterFunc(patience, cancel)
	stream, err := c.get(of).VersionedParams(&options, metav1.ParameterCodec).Watch(ctx)
	timer.Stop()
	if err != nil {
		cancel()
		return openWatch{}, fmt.Errorf("watch %s: %w", of.name, err)
	}
	return openWatch{Interface: stream, cancel: cancel}, nil
}
