package file

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"outrigger.dev/outrigger/discovery"
)

// disk is a folder with one file, and a clock.
type disk struct {
	t      *testing.T
	folder *folder
	now    time.Time
}

const settleTime = time.Minute

func newDisk(t *testing.T) *disk {
	t.Helper()
	dir := t.TempDir()
	return &disk{t: t, folder: newFolder(dir, newMesh(discovery.SourceID{Kind: "file"}), settleTime), now: time.Now()}
}

func (d *disk) write(address string) {
	d.t.Helper()
	text := "apiVersion: outrigger.dev/v1alpha1\nkind: Workload\nmetadata: {name: a}\nspec: {addresses: [" + address + "]}\n"
	name := filepath.Join(d.folder.dir, "a.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
	if err := os.Chtimes(name, d.now, d.now); err != nil {
		d.t.Fatal(err)
	}
}

// after lets time go by and has the folder judge what is due.
func (d *disk) after(passed time.Duration) {
	d.now = d.now.Add(passed)
	d.folder.due(d.now)
}

// holds compares the address that is believed.
func (d *disk) holds(want string) {
	d.t.Helper()
	got := ""
	if w := d.folder.mesh.workloads.Get(discovery.WorkloadID{Namespace: "default", Name: "a"}); w != nil {
		got = w.Addresses[0].String()
	}
	if got != want {
		d.t.Errorf("the address is %q, not %q", got, want)
	}
}

// TestWrittenWithoutEnd: as long as a file goes on changing, its last good content stays; no matter whether the kernel tells.
func TestWrittenWithoutEnd(t *testing.T) {
	for name, told := range map[string]bool{"told": true, "not told": false} {
		t.Run(name, func(t *testing.T) {
			d := newDisk(t)
			d.write("10.0.0.1")
			d.folder.scan(d.now, false)
			d.after(settleTime)
			d.holds("10.0.0.1")
			for i := range 40 {
				d.write([]string{"10.0.0.2", "10.0.0.3"}[i%2])
				if told {
					d.folder.touch("a.yaml", written)
				}
				d.folder.look("a.yaml", d.now)
				d.after(settleTime - time.Millisecond)
				d.holds("10.0.0.1")
			}
			d.after(time.Millisecond)
			d.holds("10.0.0.3")
			if len(d.folder.deferred)+len(d.folder.told) > 0 {
				t.Errorf("left are %v and %v", d.folder.deferred, d.folder.told)
			}
		})
	}
}

// TestFirstStateDoesNotWaitForWriters: a file that is written without end does not hold the others up for good.
func TestFirstStateDoesNotWaitForWriters(t *testing.T) {
	d := newDisk(t)
	d.write("10.0.0.1")
	d.folder.scan(d.now, false)
	step := settleTime / 2
	for i := range 2*maxFirstWait - 1 {
		d.write([]string{"10.0.0.2", "10.0.0.3"}[i%2])
		d.folder.touch("a.yaml", written)
		d.folder.look("a.yaml", d.now)
		if d.after(step); d.folder.complete {
			t.Fatalf("complete after %s", time.Duration(i+1)*step)
		}
	}
	d.after(step)
	if !d.folder.complete {
		t.Error("never complete")
	}
}

// TestOldFilesAreBelievedAtOnce: nothing waits for what was written long ago, or was there and went before it was judged.
func TestOldFilesAreBelievedAtOnce(t *testing.T) {
	d := newDisk(t)
	d.write("10.0.0.1")
	d.now = d.now.Add(2 * settleTime)
	d.folder.scan(d.now, false)
	d.after(0)
	d.holds("10.0.0.1")
	if !d.folder.complete {
		t.Error("the first state is not complete")
	}
	brief := filepath.Join(d.folder.dir, "b.yaml")
	if err := os.WriteFile(brief, []byte("kind: Bad\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.folder.scan(d.now, false)
	if err := os.Remove(brief); err != nil {
		t.Fatal(err)
	}
	if d.after(settleTime); len(d.folder.deferred) > 0 {
		t.Errorf("%v waits for ever", d.folder.deferred)
	}
}
