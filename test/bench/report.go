package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// row is one line of the table: what was measured, and how a result shows it.
type row struct {
	what string
	cell func(result) string
}

// rowsOf are the rows for a mesh.
func rowsOf(m mesh) []row {
	rows := slices.Concat(firstRows, changeRows(m))
	if m.scope == 0 {
		rows = append(rows, addedRows...)
	} else {
		rows = append(rows, unseenRows...)
	}
	return slices.Concat(rows, returnedRows, memoryRows(m))
}

var firstRows = []row{
	{"first connection: CPU per stream", func(r result) string { return micros(r.firstCPU) }},
	{"first connection: until all have all", func(r result) string { return millis(r.firstTook) }},
	{"first connection: bytes per stream", func(r result) string { return fmt.Sprint(r.firstBytes) }},
	{"at rest: CPU a second, all streams", func(r result) string { return micros(r.idleCPU) }},
}

// changeRows tell the CPU per stream where all see a change, else that of all together.
func changeRows(m mesh) []row {
	const change = "one endpoint change: "
	cpu := row{change + "CPU per stream", func(r result) string { return micros(r.change.cpu / time.Duration(m.streams)) }}
	if m.scope > 0 {
		cpu = row{fmt.Sprintf("%sCPU in all, %d streams see it", change, m.seenBy(0, m.streams)), func(r result) string { return micros(r.change.cpu) }}
	}
	return []row{
		cpu,
		{change + "file to ACK, p50", func(r result) string { return millis(r.change.p50) }},
		{change + "file to ACK, p99", func(r result) string { return millis(r.change.p99) }},
		{change + "source read to last send, p50", func(r result) string { return toLast(r.change.toSend, 50) }},
		{change + "source read to last send, p99", func(r result) string { return toLast(r.change.toSend, 99) }},
		{change + "source read to last ACK, p50", func(r result) string { return toLast(r.change.toACK, 50) }},
		{change + "source read to last ACK, p99", func(r result) string { return toLast(r.change.toACK, 99) }},
	}
}

// toLast is empty where the server does not measure it, or had no last acknowledgement.
func toLast(toACK histogram, p int) string {
	if toACK.count == 0 {
		return ""
	}
	return millis(toACK.percentile(p))
}

var addedRows = []row{
	{"one service added: CPU per stream", cell(func(r result) *added { return r.added }, func(a added) string { return micros(a.cpu) })},
	{"one service added: bytes per stream", cell(func(r result) *added { return r.added }, func(a added) string { return fmt.Sprint(a.bytes) })},
}

var unseenRows = []row{
	{"one service added that nobody sees: CPU in all", cell(func(r result) *unseen { return r.unseen }, func(u unseen) string { return micros(u.cpu) })},
	{"services added that nobody sees: streams woken, by all", func(r result) string {
		if !r.ours || r.unseen == nil {
			return ""
		}
		return fmt.Sprint(r.unseen.woken)
	}},
}

var returnedRows = []row{
	{"all views change: CPU per stream", func(r result) string { return micros(r.view.cpu) }},
	{"all views change: until all have all", func(r result) string { return millis(r.view.took) }},
	{"all views change: resources, resource bytes, all streams", func(r result) string {
		return fmt.Sprintf("%d, %d", r.view.sent.resources, r.view.sent.bodies)
	}},
	{"all views change: resources sent that clients had", func(r result) string { return fmt.Sprint(r.view.sent.again) }},
	{"reconnect, nothing changed: CPU per stream", func(r result) string { return micros(r.reconnect.cpu) }},
	{"reconnect, nothing changed: resource bytes, all streams", func(r result) string { return fmt.Sprint(r.reconnect.sent.bodies) }},
	{"reconnect, nothing changed: until all are back", func(r result) string { return millis(r.reconnect.took) }},
	{"killed and restarted: until all are back", ofRestart(func(r returned) string { return millis(r.took) })},
	{"killed and restarted: CPU per stream", ofRestart(func(r returned) string { return micros(r.cpu) })},
	{"killed and restarted: resource bytes, all streams", ofRestart(func(r returned) string { return fmt.Sprint(r.sent.bodies) })},
	{"killed and restarted: most memory seen", ofRestart(func(r returned) string { return mega(r.peak) })},
}

func memoryRows(m mesh) []row {
	perStream := func(with, before int64) string { return fmt.Sprintf("%d KB", (with-before)/int64(m.streams)/1000) }
	return []row{
		{"memory before the first stream", func(r result) string { return mega(r.memory.before) }},
		{"memory with all streams", func(r result) string { return mega(r.memory.with) }},
		{"memory per stream", func(r result) string { return perStream(r.memory.with, r.memory.before) }},
		{"after the rest: memory per stream", func(r result) string { return perStream(r.memory.rested, r.memory.before) }},
	}
}

// cell leaves a cell empty where its part was not measured.
func cell[T any](part func(result) *T, show func(T) string) func(result) string {
	return func(r result) string {
		p := part(r)
		if p == nil {
			return ""
		}
		return show(*p)
	}
}

func ofRestart(show func(returned) string) func(result) string {
	return cell(func(r result) *returned { return r.restart }, show)
}

func micros(d time.Duration) string { return fmt.Sprintf("%.1f us", float64(d)/1e3) }
func millis(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d)/1e6) }
func mega(n int64) string           { return fmt.Sprintf("%.0f MB", float64(n)/1e6) }

// report prints a table with one column a server, and one of the floors.
func report(w io.Writer, o options, all figures) error {
	mode := "explicit"
	if o.capture {
		mode = "capturing"
	}
	scope := "full scope"
	if o.scope > 0 {
		scope = fmt.Sprintf("%d services in scope", o.scope)
	}
	if o.perConnection > 1 {
		scope += fmt.Sprintf(", %d streams a connection", o.perConnection)
	}
	fmt.Fprintf(w, "%d services of 2 endpoints, %d streams of %s proxies, %s\n", o.services, o.streams, mode, scope)
	var err error
	if len(all.servers) > 0 {
		err = reportServers(w, o, all.servers)
	}
	if len(all.floors) > 0 {
		err = errors.Join(err, reportFloors(w, o, all.floors))
	}
	if all.rude != nil {
		err = errors.Join(err, reportRude(w, *all.rude))
	}
	if all.rolling != nil {
		err = errors.Join(err, reportRolling(w, *all.rolling))
	}
	for _, r := range all.registries {
		err = errors.Join(err, reportRegistry(w, r))
	}
	return err
}

// reportRegistry prints what was measured with a real registry.
func reportRegistry(w io.Writer, r *registryResult) error {
	table := newTable(w)
	if s := r.scale; s.services > 0 {
		fmt.Fprintf(table, "%s with %d services of %d endpoints, no proxies\n", r.kind, s.services, s.endpoints)
		fmt.Fprintf(table, "cold start to ready\t%.1f s\n", s.ready.Seconds())
		fmt.Fprintf(table, "anonymous memory when ready\t%s\n", mega(s.memory))
		fmt.Fprintf(table, "CPU at %d endpoint changes a second\t%.1f %% of a core\n", changeRate, 100*s.changeCPU)
	}
	fmt.Fprintf(table, "%s with %d services of 2 endpoints, %d streams, full scope\n", r.kind, r.services, r.streams)
	fmt.Fprintf(table, "write to ACK, p50\t%s\n", millis(r.toACK[len(r.toACK)/2]))
	fmt.Fprintf(table, "write to ACK, p99\t%s\n", millis(r.toACK[len(r.toACK)*99/100]))
	fmt.Fprintf(table, "connections to the registry\t%.0f\n", r.connections)
	fmt.Fprintf(table, "CPU at rest\t%.2f %% of a core\n", 100*r.idleCPU)
	fmt.Fprintf(table, "CPU at %d writes a second that change nothing\t%.1f %% of a core\n", churnRate, 100*r.churnCPU)
	fmt.Fprintf(table, "pushes for them\t%.0f\n", r.churnPushes)
	return table.Flush()
}

func newTable(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 8, 2, ' ', 0) }

// reportServers leaves out what was measured of none.
func reportServers(w io.Writer, o options, results []result) error {
	table := newTable(w)
	names := make([]string, len(results))
	for i, r := range results {
		names[i] = r.server
	}
	fmt.Fprintf(table, "\t%s\n", strings.Join(names, "\t"))
	rows := rowsOf(o.mesh(""))
	if o.idle > 0 {
		rows = slices.Concat(firstRows, memoryRows(o.mesh("")))
	}
	for _, row := range rows {
		cells := make([]string, len(results))
		for i, r := range results {
			cells[i] = row.cell(r)
		}
		if strings.Join(cells, "") != "" {
			fmt.Fprintf(table, "%s\t%s\n", row.what, strings.Join(cells, "\t"))
		}
	}
	return table.Flush()
}

// reportFloors prints one row a kind; its figures are for one connection.
func reportFloors(w io.Writer, o options, floors []floor) error {
	table := newTable(w)
	what := map[string]string{floorTLS: "TLS write and read", floorGRPC: "gRPC send and receive"}
	size, number := o.firstPushes()
	fmt.Fprintf(table, "per connection\tconnecting\t%d bytes, answer\t%d bytes in %d, answers\n", floorChange, size*number, number)
	for _, f := range floors {
		fmt.Fprintf(table, "floor: %s, CPU\t%s\t%s\t%s\n", what[f.kind], micros(f.connect), micros(f.change), micros(f.first))
	}
	return errors.Join(table.Flush(), reportFloorTimes(w, what, floors))
}

// reportFloorTimes prints one row a kind; its figures are for all connections.
func reportFloorTimes(w io.Writer, what map[string]string, floors []floor) error {
	table := newTable(w)
	fmt.Fprintf(table, "all connections\tto last write, p50\tp99\tto last answer, p50\tp99\n")
	for _, f := range floors {
		fmt.Fprintf(table, "floor: %s of %d bytes", what[f.kind], floorChange)
		for _, took := range [][]time.Duration{f.times.Sent, f.times.Answered} {
			fmt.Fprintf(table, "\t%s\t%s", millis(percentile(took, 50)), millis(percentile(took, 99)))
		}
		fmt.Fprintln(table)
	}
	return table.Flush()
}
