package capture

import (
	"errors"
	"fmt"
	"os"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// ErrNoRights says that the caller may not configure the network namespace.
var ErrNoRights = errors.New("CAP_NET_ADMIN is needed in the network namespace: run it as root")

// Apply sets the rules. Those of an earlier call are replaced in one step, so that no connection
// falls between them; connections that are open stay as they are.
func Apply(config Config) error {
	config, err := config.checked()
	if err != nil {
		return fmt.Errorf("capture: %w", err)
	}
	if err := addLoopSource(); err != nil {
		return fmt.Errorf("capture: %s on loopback: %w", loopSourceV6, explain(err))
	}
	conn, err := open()
	if err != nil {
		return err
	}
	replaceTable(conn)
	table := conn.AddTable(ownTable())
	for _, c := range config.table() {
		added := conn.AddChain(c.nft(table))
		for _, r := range c.rules {
			conn.AddRule(&nftables.Rule{Table: table, Chain: added, Exprs: r.exprs})
		}
	}
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("capture: setting the rules: %w", explain(err))
	}
	return nil
}

// Remove takes everything away that Apply made. Where there is nothing it does nothing.
func Remove() error {
	conn, err := open()
	if err != nil {
		return err
	}
	replaceTable(conn)
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("capture: removing the rules: %w", explain(err))
	}
	if err := removeLoopSource(); err != nil {
		return fmt.Errorf("capture: removing %s from loopback: %w", loopSourceV6, explain(err))
	}
	return nil
}

// socketBytes is for all rules, which go to the kernel in one message, and for its answers.
const socketBytes = 8 << 20

// open speaks to the kernel's nf_tables in the namespace of the calling thread.
func open() (*nftables.Conn, error) {
	return nftables.New(nftables.WithSockOptions(func(c *netlink.Conn) error {
		return errors.Join(c.SetWriteBuffer(socketBytes), c.SetReadBuffer(socketBytes))
	}))
}

func ownTable() *nftables.Table {
	return &nftables.Table{Name: tableName, Family: nftables.TableFamilyINet}
}

// replaceTable deletes the table if it is there: what is added first can always be deleted.
func replaceTable(conn *nftables.Conn) {
	conn.DelTable(conn.AddTable(ownTable()))
}

func (c chain) nft(table *nftables.Table) *nftables.Chain {
	accept := nftables.ChainPolicyAccept
	return &nftables.Chain{
		Name: c.name, Table: table, Type: nftables.ChainTypeNAT, Hooknum: c.hook,
		Priority: nftables.ChainPriorityRef(hookPriority), Policy: &accept,
	}
}

// explain adds to an error of the kernel what is missing.
func explain(err error) error {
	switch {
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%w: %w", ErrNoRights, err)
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EPROTONOSUPPORT):
		return fmt.Errorf("the kernel lacks nf_tables with NAT (modules nf_tables, nft_chain_nat, nft_redir): %w", err)
	default:
		return err
	}
}
