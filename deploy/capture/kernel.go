package capture

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// compareRules says how the kernel's rules differ from the wanted ones; empty: they do not.
func (c Config) compareRules() ([]string, error) {
	conn, err := open()
	if err != nil {
		return nil, err
	}
	table, err := conn.ListTableOfFamily(tableName, nftables.TableFamilyINet)
	if errors.Is(err, unix.ENOENT) || err == nil && table == nil {
		return []string{"there is no table inet " + tableName}, nil
	}
	if err != nil {
		return nil, explain(err)
	}
	all, err := conn.ListChainsOfTableFamily(nftables.TableFamilyINet)
	if err != nil {
		return nil, explain(err)
	}
	found := map[string]*nftables.Chain{}
	for _, chain := range all {
		if chain.Table.Name == tableName {
			found[chain.Name] = chain
		}
	}
	var diffs []string
	for _, want := range c.table() {
		more, err := want.compare(conn, found[want.name])
		if err != nil {
			return nil, explain(err)
		}
		diffs = append(diffs, more...)
		delete(found, want.name)
	}
	for name := range found {
		diffs = append(diffs, fmt.Sprintf("chain %s is not ours", name))
	}
	return diffs, nil
}

// compare says how a chain of the kernel differs from c.
func (c chain) compare(conn *nftables.Conn, got *nftables.Chain) ([]string, error) {
	if got == nil {
		return []string{fmt.Sprintf("chain %s is missing", c.name)}, nil
	}
	var diffs []string
	if !c.attached(got) {
		diffs = append(diffs, fmt.Sprintf("chain %s is not attached as it should be", c.name))
	}
	rules, err := conn.GetRules(ownTable(), got)
	if err != nil {
		return nil, err
	}
	for i, want := range c.rules {
		switch {
		case i >= len(rules):
			diffs = append(diffs, fmt.Sprintf("chain %s, rule %d is missing: %s", c.name, i+1, want.text))
		case !equal(want.exprs, rules[i].Exprs):
			diffs = append(diffs, fmt.Sprintf("chain %s, rule %d is another one than: %s", c.name, i+1, want.text))
		}
	}
	if extra := len(rules) - len(c.rules); extra > 0 {
		diffs = append(diffs, fmt.Sprintf("chain %s has %d rules too many", c.name, extra))
	}
	return diffs, nil
}

// attached reports whether the kernel runs the chain where and when it should.
func (c chain) attached(got *nftables.Chain) bool {
	return got.Type == nftables.ChainTypeNAT && got.Hooknum != nil && *got.Hooknum == *c.hook &&
		got.Priority != nil && *got.Priority == hookPriority && got.Policy != nil && *got.Policy == nftables.ChainPolicyAccept
}

// equal compares expressions in the form in which they travel to the kernel.
func equal(want, got []expr.Any) bool {
	if len(want) != len(got) {
		return false
	}
	for i := range want {
		w, errW := expr.Marshal(unix.NFPROTO_INET, want[i])
		g, errG := expr.Marshal(unix.NFPROTO_INET, got[i])
		if errW != nil || errG != nil || !bytes.Equal(w, g) {
			return false
		}
	}
	return true
}
