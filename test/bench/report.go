package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// row is one line of the table: what was measured, and how a result shows it.
type row struct {
	what string
	cell func(result) string
}

var rows = []row{
	{"first connection: CPU per stream", func(r result) string { return micros(r.firstCPU) }},
	{"first connection: until all have all", func(r result) string { return millis(r.firstTook) }},
	{"first connection: bytes per stream", func(r result) string { return fmt.Sprint(r.firstBytes) }},
	{"one endpoint change: CPU per stream", func(r result) string { return micros(r.changeCPU) }},
	{"one endpoint change: file to ACK, p50", func(r result) string { return millis(r.changeP50) }},
	{"one endpoint change: file to ACK, p99", func(r result) string { return millis(r.changeP99) }},
	{"one service added: CPU per stream", func(r result) string { return micros(r.addedCPU) }},
	{"one service added: bytes per stream", func(r result) string { return fmt.Sprint(r.addedBytes) }},
	{"reconnect, nothing changed: CPU per stream", func(r result) string { return micros(r.reconnectCPU) }},
	{"reconnect, nothing changed: resource bytes, all streams", func(r result) string { return fmt.Sprint(r.reconnectBody) }},
	{"reconnect, nothing changed: until all are back", func(r result) string { return millis(r.reconnectTook) }},
	{"killed and restarted: until all are back", func(r result) string { return r.ofRestart(millis(r.restartTook)) }},
	{"killed and restarted: CPU per stream", func(r result) string { return r.ofRestart(micros(r.restartCPU)) }},
	{"killed and restarted: resource bytes, all streams", func(r result) string { return r.ofRestart(fmt.Sprint(r.restartBody)) }},
	{"killed and restarted: most memory seen", func(r result) string { return r.ofRestart(mega(r.restartPeak)) }},
	{"memory before the first stream", func(r result) string { return mega(r.idleMemory) }},
	{"memory with all streams", func(r result) string { return mega(r.memory) }},
}

// ofRestart leaves a cell empty where no restart was measured.
func (r result) ofRestart(cell string) string {
	if !r.restarted {
		return ""
	}
	return cell
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
	fmt.Fprintf(w, "%d services of 2 endpoints, %d streams of %s proxies, full scope\n", o.services, o.streams, mode)
	var err error
	if len(all.servers) > 0 {
		err = reportServers(w, all.servers)
	}
	if len(all.floors) > 0 {
		err = errors.Join(err, reportFloors(w, o, all.floors))
	}
	if all.rude != nil {
		err = errors.Join(err, reportRude(w, *all.rude))
	}
	return err
}

func newTable(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 8, 2, ' ', 0) }

func reportServers(w io.Writer, results []result) error {
	table := newTable(w)
	names := make([]string, len(results))
	for i, r := range results {
		names[i] = r.server
	}
	fmt.Fprintf(table, "\t%s\n", strings.Join(names, "\t"))
	for _, row := range rows {
		cells := make([]string, len(results))
		for i, r := range results {
			cells[i] = row.cell(r)
		}
		fmt.Fprintf(table, "%s\t%s\n", row.what, strings.Join(cells, "\t"))
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
	return table.Flush()
}
