package golden

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy/ir"
)

// Read decodes YAML into a struct of model or ir values. Fields have their Go names; durations and the words
// of enumerations are written as text. A field that does not exist fails the test.
func Read(t *testing.T, text []byte, into any) {
	t.Helper()
	var tree any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(convert(tree, "", toNumber))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(data, into); err != nil {
		t.Fatal(err)
	}
}

// Write encodes a struct as Read reads it, without fields that are zero.
func Write(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := json.Unmarshal(data, &tree); err != nil {
		t.Fatal(err)
	}
	text, err := yaml.Marshal(convert(tree, "", toText))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// durations are the fields that hold one.
var durations = []string{"ConnectTimeout", "IdleTimeout", "MaxConnectionDuration", "Interval", "BaseTime", "Refresh", "Retry", "RetryMax"}

// words are the values of the fields that hold an enumeration.
var words = map[string][]string{
	"Protocol":            list(func(i uint8) string { return discovery.Protocol(i).String() }),
	"Health":              list(func(i uint8) string { return discovery.Health(i).String() }),
	"Mode":                list(func(i uint8) string { return ir.MTLSMode(i).String() }),
	"Balance":             {ir.LeastRequests.String(), ir.ByWeight.String()},
	"DefaultMode":         list(func(i uint8) string { return ir.MTLSMode(i).String() }),
	"Unknown":             {ir.Allow.String(), ir.Deny.String()},
	"UnknownDestinations": {ir.Allow.String(), ir.Deny.String()},
}

func list(name func(uint8) string) []string {
	var out []string
	for i := uint8(0); name(i) != "unknown"; i++ {
		out = append(out, name(i))
	}
	return out
}

// convert applies leaf to every value below tree, with the name of its field, and drops what becomes nil.
func convert(tree any, field string, leaf func(field string, v any) any) any {
	switch v := tree.(type) {
	case map[string]any:
		for key, child := range v {
			if v[key] = convert(child, key, leaf); v[key] == nil {
				delete(v, key)
			}
		}
		if len(v) == 0 && field != "" {
			return nil
		}
		return v
	case []any:
		for i, child := range v {
			// An empty element stays: places in a list count.
			if v[i] = convert(child, field, leaf); v[i] == nil {
				v[i] = child
			}
		}
		if len(v) == 0 {
			return nil
		}
		return v
	default:
		return leaf(field, v)
	}
}

func toNumber(field string, v any) any {
	text, ok := v.(string)
	if !ok {
		return v
	}
	if slices.Contains(durations, field) {
		if d, err := time.ParseDuration(text); err == nil {
			return int64(d)
		}
	}
	if i := slices.Index(words[field], text); i >= 0 {
		return i
	}
	return v
}

func toText(field string, v any) any {
	if n, ok := v.(float64); ok && n != 0 && slices.Contains(durations, field) {
		return time.Duration(n).String()
	}
	if v == nil || v == "" || v == false || v == float64(0) {
		return nil
	}
	return v
}
