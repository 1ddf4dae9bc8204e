package file

import (
	"context"
	"time"

	"github.com/fsnotify/fsnotify"
)

// run is one Run; its goroutine owns everything in it.
type run struct {
	config Config
	watch  *watch
	mesh   *mesh
	folder *folder
	report *report
	// timer wakes the loop for verdicts that are due and for the rescan.
	timer    *time.Timer
	rescanAt time.Time
	// noticed is when the first change was noticed that is not sent yet.
	noticed time.Time
	// files are to be looked at; all says that everything is, and force that it is to be read again.
	files      map[string]bool
	all, force bool
	// syncedSent, troubleSent and revisionSent are what the reader knows.
	syncedSent   bool
	troubleSent  string
	revisionSent string
}

func (r *run) loop(ctx context.Context, out chan<- Update) error {
	r.look()
	for {
		update, ready := r.pending()
		var to chan<- Update
		if ready {
			to = out
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case to <- update:
			r.sent(update)
		case event := <-r.watch.Events:
			r.note(event)
			r.noteMore()
			if r.all || len(r.files) > 0 {
				r.look()
			}
		case err := <-r.watch.Errors:
			r.config.Logger.Warn("events were lost, the folder is read again", "folder", r.config.Dir, "error", err)
			r.all, r.force = true, true
			r.look()
		case <-r.timer.C:
			r.look()
		}
	}
}

// note remembers what an event asks for.
func (r *run) note(event fsnotify.Event) {
	if event.Name == r.watch.dir && (event.Has(fsnotify.Remove) || event.Has(fsnotify.Rename)) {
		r.folder.replaced = true
	}
	told := r.watch.told(event)
	verdict, name := r.watch.judge(event)
	if verdict == ignore {
		return
	}
	if r.noticed.IsZero() {
		r.noticed = r.config.Clock()
	}
	if verdict == lookAtAll {
		r.all = true
		return
	}
	r.files[name] = true
	r.folder.touch(name, told)
}

// noteMore takes the events that wait already: one write makes several.
func (r *run) noteMore() {
	for {
		select {
		case event := <-r.watch.Events:
			r.note(event)
		default:
			return
		}
	}
}

// look does what events and the time ask for.
func (r *run) look() {
	now := r.config.Clock()
	if r.noticed.IsZero() {
		r.noticed = now
	}
	if !now.Before(r.rescanAt) {
		r.all, r.rescanAt = true, now.Add(r.config.Rescan)
	}
	if r.all {
		r.watch.addParent()
		r.folder.scan(now, r.force)
	}
	for name := range r.files {
		r.folder.look(name, now)
	}
	r.all, r.force = false, false
	clear(r.files)
	next := r.folder.due(now)
	if next.IsZero() || r.rescanAt.Before(next) {
		next = r.rescanAt
	}
	r.timer.Reset(max(next.Sub(now), time.Millisecond))
	judged := r.mesh.settle()
	r.report.trouble(r.folder.trouble())
	r.report.problems(r.mesh, judged)
}

// pending returns what the reader does not know yet, and whether there is anything.
func (r *run) pending() (Update, bool) {
	update := r.mesh.pending()
	update.Trouble = r.folder.trouble()
	update.Synced = r.folder.complete && !r.syncedSent
	update.ReadAt = r.noticed
	update.Revision = r.folder.taken()
	ready := update.Revision != r.revisionSent || update.Synced || errorText(update.Trouble) != r.troubleSent || !update.empty()
	if !r.folder.complete && r.folder.lost == nil {
		ready = false
	}
	if !ready && len(r.folder.deferred) == 0 {
		r.noticed = time.Time{}
	}
	return update, ready
}

// sent remembers what the reader knows now.
func (r *run) sent(update Update) {
	r.mesh.commit()
	r.syncedSent = r.syncedSent || update.Synced
	r.troubleSent = errorText(update.Trouble)
	r.revisionSent = update.Revision
	r.noticed = time.Time{}
}
