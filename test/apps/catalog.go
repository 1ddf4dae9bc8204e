package apps

import (
	"context"
	"encoding/json"
	"fmt"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// priceMethod is the only method of the catalog: from the name of a product to
// what it costs. Its messages are well-known types, so that no code has to be
// generated for it.
const priceMethod = "/shop.Catalog/Price"

// CatalogConfig says what Catalog serves.
type CatalogConfig struct {
	// Listen is the address, such as "127.0.0.1:8080".
	Listen string
	// Instance is the name that it answers with.
	Instance string
}

// Catalog is a gRPC service with a single method. It runs until ctx ends and
// then lets the calls under way end.
func Catalog(ctx context.Context, cfg CatalogConfig) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return fmt.Errorf("serving gRPC: %w", err)
	}
	server := grpc.NewServer()
	server.RegisterService(&catalogService, prices(cfg.Instance))
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serving gRPC on %s: %w", cfg.Listen, err)
	case <-ctx.Done():
	}
	server.GracefulStop()
	return <-served
}

// prices is the catalog of the instance of that name.
type prices string

func (p prices) price(ctx context.Context, product *wrapperspb.StringValue) (*structpb.Struct, error) {
	headers, _ := metadata.FromIncomingContext(ctx)
	seen := answer(string(p), headers.Get(headerClientCert))
	return structpb.NewStruct(map[string]any{
		"product": product.GetValue(), "price": 42,
		"instance": seen.Instance, "caller": seen.Caller, "certificate": seen.Certificate,
	})
}

// pricer is what gRPC checks that a catalog can do.
type pricer interface {
	price(ctx context.Context, product *wrapperspb.StringValue) (*structpb.Struct, error)
}

var catalogService = grpc.ServiceDesc{
	ServiceName: "shop.Catalog",
	HandlerType: (*pricer)(nil),
	Methods:     []grpc.MethodDesc{{MethodName: "Price", Handler: handlePrice}},
}

//nolint:revive // gRPC has the order of the arguments
func handlePrice(service any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	product := new(wrapperspb.StringValue)
	if err := decode(product); err != nil {
		return nil, err
	}
	return service.(pricer).price(ctx, product)
}

// askPrice calls the catalog and returns what it saw.
func askPrice(ctx context.Context, conn grpc.ClientConnInterface) (Answer, error) {
	price := new(structpb.Struct)
	if err := conn.Invoke(ctx, priceMethod, wrapperspb.String("tea"), price); err != nil {
		return Answer{}, err
	}
	text, err := protojson.Marshal(price)
	if err != nil {
		return Answer{}, err
	}
	var seen Answer
	return seen, json.Unmarshal(text, &seen)
}
