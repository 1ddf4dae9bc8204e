package consul

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/consul/api"
)

// row is one instance in the answer to a query for a service. Of the checks only what decides is read: their output is
// most of the answer.
type row struct {
	Node    *api.Node
	Service *registered
	Checks  []check
}

// registered is the part of api.AgentService that is used. The rest, and what its newer versions hold, is skipped.
type registered struct {
	Kind            api.ServiceKind
	ID, Service     string
	Tags            []string
	Meta            map[string]string
	Port            int
	Address         string
	TaggedAddresses map[string]api.ServiceAddress
	Weights         *api.AgentWeights
	Locality        *api.Locality
}

// check is the part of api.HealthCheck that decides on health, and on what is to be read again.
type check struct {
	Node, CheckID, Status  string
	ServiceID, ServiceName string
	ModifyIndex            uint64
}

// decodeRows calls each for every instance of an answer. The row is valid during the call only.
func decodeRows(body []byte, each func(*row) error) error {
	return decodeList(body, func(decoder *json.Decoder) error {
		var r row
		if err := decoder.Decode(&r); err != nil {
			return err
		}
		if r.Node == nil || r.Service == nil {
			return errors.New("an instance without node or service")
		}
		return each(&r)
	})
}

// decodeChecks returns the checks of an answer, sorted.
func decodeChecks(body []byte) (checks, error) {
	var all checks
	texts := make(map[string]string)
	keep := func(text *string) {
		if kept, ok := texts[*text]; ok {
			*text = kept
		}
		texts[*text] = *text
	}
	err := decodeList(body, func(decoder *json.Decoder) error {
		var c check
		if err := decoder.Decode(&c); err != nil {
			return err
		}
		for _, text := range []*string{&c.Node, &c.CheckID, &c.Status, &c.ServiceID, &c.ServiceName} {
			keep(text)
		}
		all = append(all, c)
		return nil
	})
	slices.SortFunc(all, check.compare)
	return all, err
}

// checks are those of all nodes and instances, sorted by node and id.
type checks []check

func (checks) isPayload() {}

func (c check) compare(other check) int {
	return cmp.Or(strings.Compare(c.Node, other.Node), strings.Compare(c.CheckID, other.CheckID))
}

// diffChecks calls each for every check that is in one of two sorted lists only, or differs.
func diffChecks(before, next checks, each func(*check)) {
	merge(before, next, func(a, b *check) int { return a.compare(*b) }, func(was, is *check, _ int) {
		switch {
		case is == nil:
			each(was)
		case was == nil || *was != *is:
			each(is)
			if was != nil && was.ServiceName != is.ServiceName {
				each(was)
			}
		}
	})
}

// decodeList calls each for every element of a list, and demands that it is whole.
func decodeList(body []byte, each func(*json.Decoder) error) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	if opening, err := decoder.Token(); err != nil {
		return fmt.Errorf("the answer is no list: %w", err)
	} else if opening != json.Delim('[') {
		return fmt.Errorf("the answer is no list: it begins with %v", opening)
	}
	for decoder.More() {
		if err := each(decoder); err != nil {
			return err
		}
	}
	if _, err := decoder.Token(); err != nil {
		return fmt.Errorf("the list does not end: %w", err)
	}
	return nil
}

// decodeCatalog returns the names of the services and their tags.
func decodeCatalog(body []byte) (map[string][]string, error) {
	var names map[string][]string
	if err := json.Unmarshal(body, &names); err != nil {
		return nil, err
	}
	if names == nil {
		return nil, errors.New("the catalog is null")
	}
	delete(names, "")
	return names, nil
}
