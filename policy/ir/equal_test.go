package ir_test

import (
	"net/netip"
	"reflect"
	"testing"

	"outrigger.dev/outrigger/policy/ir"
)

// leaves calls visit with every field below v that holds a single value, after giving empty lists one element and
// nil pointers a value.
func leaves(v reflect.Value, path string, visit func(path string, leaf reflect.Value)) {
	switch {
	case v.Type() == reflect.TypeFor[netip.Addr]() || v.Type() == reflect.TypeFor[netip.AddrPort]():
		visit(path, v)
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			leaves(v.Field(i), path+"."+v.Type().Field(i).Name, visit)
		}
	case v.Kind() == reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		leaves(v.Elem(), path, visit)
	case v.Kind() == reflect.Slice:
		if v.Len() == 0 {
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		}
		leaves(v.Index(0), path+"[0]", visit)
	default:
		visit(path, v)
	}
}

// alter gives a leaf another value and returns what undoes that.
func alter(t *testing.T, leaf reflect.Value) (undo func()) {
	t.Helper()
	old := reflect.ValueOf(leaf.Interface())
	switch leaf.Interface().(type) {
	case netip.Addr:
		leaf.Set(reflect.ValueOf(netip.MustParseAddr("10.0.0.1")))
		return func() { leaf.Set(old) }
	case netip.AddrPort:
		leaf.Set(reflect.ValueOf(netip.MustParseAddrPort("10.0.0.1:80")))
		return func() { leaf.Set(old) }
	}
	switch leaf.Kind() {
	case reflect.String:
		leaf.SetString(leaf.String() + "x")
	case reflect.Bool:
		leaf.SetBool(!leaf.Bool())
	case reflect.Int64:
		leaf.SetInt(leaf.Int() + 1)
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		leaf.SetUint(leaf.Uint() + 1)
	default:
		t.Fatalf("a field of type %s: teach the test", leaf.Type())
	}
	return func() { leaf.Set(old) }
}

// eachDifference checks that equal sees a difference in every single field: one that it
// forgot would leave proxies with what they had.
func eachDifference[T any](t *testing.T, equal func(a, b *T) bool) {
	t.Helper()
	var a, b T
	// Both get the elements that lists are given.
	leaves(reflect.ValueOf(&a).Elem(), "", func(string, reflect.Value) {})
	n := 0
	leaves(reflect.ValueOf(&b).Elem(), reflect.TypeFor[T]().Name(), func(path string, leaf reflect.Value) {
		undo := alter(t, leaf)
		defer undo()
		n++
		if equal(&a, &b) {
			t.Errorf("a difference in %s is not seen", path)
		}
	})
	if n == 0 || !equal(&a, &b) || equal(&a, nil) || !equal(nil, nil) {
		t.Errorf("%d fields; equal values are not equal, or nil is wrong", n)
	}
}

func TestEqualSeesEveryField(t *testing.T) {
	eachDifference(t, (*ir.Upstream).Equal)
	eachDifference(t, (*ir.Endpoints).Equal)
	eachDifference(t, (*ir.Inbound).Equal)
}

// TestKeySeesEveryField: workloads of one class share what is made of it.
func TestKeySeesEveryField(t *testing.T) {
	eachDifference(t, func(a, b *ir.Inbound) bool {
		if a == nil || b == nil {
			return a == b
		}
		return a.Key() == b.Key()
	})
}

func TestNames(t *testing.T) {
	v4, v6 := netip.MustParseAddrPort("10.96.0.7:80"), netip.MustParseAddrPort("[fd00::7]:80")
	for got, want := range map[string]string{
		ir.VIPName(v4):      "10.96.0.7_80",
		ir.VIPName(v6):      "fd00::7_80",
		ir.ExplicitName(v4): "explicit_10.96.0.7_80",
		ir.IngressName(v4):  "inbound_10.96.0.7_80",
		(&ir.Upstream{Port: 80, Subset: "v2"}).Name(): "outbound|80|v2|.",
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
