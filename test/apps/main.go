package apps

import (
	"context"
	"flag"
	"fmt"
)

// Main runs the program that args name, such as "cart -listen 127.0.0.1:8080
// -instance cart-1", until ctx ends.
func Main(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("which program: frontend, cart or catalog")
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	listen := flags.String("listen", "", "address to listen on")
	instance := flags.String("instance", args[0], "name to answer with")
	cart := flags.String("cart", "", "URL of the cart")
	payments := flags.String("payments", "", "URL of the payments")
	catalog := flags.String("catalog", "", "address of the catalog")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	switch args[0] {
	case "frontend":
		return Frontend(ctx, FrontendConfig{
			Listen: *listen, Instance: *instance, Cart: *cart, Payments: *payments, Catalog: *catalog,
		})
	case "cart":
		return Cart(ctx, CartConfig{Listen: *listen, Instance: *instance})
	case "catalog":
		return Catalog(ctx, CatalogConfig{Listen: *listen, Instance: *instance})
	default:
		return fmt.Errorf("no program is named %q: frontend, cart or catalog", args[0])
	}
}
