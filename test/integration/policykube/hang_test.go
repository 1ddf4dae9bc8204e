package policykube_test

import (
	"testing"
	"time"

	"outrigger.dev/outrigger/test/fault"
)

// A connection that hangs is noticed within ten seconds, and left for a new one; what is written meanwhile comes after.
func TestHang(t *testing.T) {
	clean(t)
	apply(t, strictText)
	proxy := fault.Start(t, kube.Host())
	r := read(t, outriggerAt(t, proxy.Addr()))
	r.until("the full state", func() bool { return r.synced == 1 && r.trouble == nil })
	begun := time.Now()
	must(t, proxy.Set(fault.Hang()))
	r.until("trouble", func() bool { return r.trouble != nil })
	// Half a second is for a busy machine.
	if took := time.Since(begun); took > 10500*time.Millisecond {
		t.Errorf("it took %s", took)
	}
	apply(t, otherText)
	r.watch(8 * time.Second)
	if r.trouble == nil || r.objects[strictID] == nil {
		t.Errorf("while it hangs: trouble %v, objects %v", r.trouble, r.places)
	}
	must(t, proxy.Set(fault.Pass()))
	r.until("its end", func() bool { return r.trouble == nil && r.objects[otherID] != nil })
}
