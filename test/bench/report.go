package main

import (
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
	{"first connection: bytes per stream", func(r result) string { return fmt.Sprint(r.firstBytes) }},
	{"one endpoint change: CPU per stream", func(r result) string { return micros(r.changeCPU) }},
	{"one endpoint change: file to ACK, p50", func(r result) string { return millis(r.changeP50) }},
	{"one endpoint change: file to ACK, p99", func(r result) string { return millis(r.changeP99) }},
	{"one service added: CPU per stream", func(r result) string { return micros(r.addedCPU) }},
	{"one service added: bytes per stream", func(r result) string { return fmt.Sprint(r.addedBytes) }},
	{"reconnect, nothing changed: CPU per stream", func(r result) string { return micros(r.reconnectCPU) }},
	{"reconnect, nothing changed: resource bytes, all streams", func(r result) string { return fmt.Sprint(r.reconnectBody) }},
	{"memory before the first stream", func(r result) string { return mega(r.idleMemory) }},
	{"memory with all streams", func(r result) string { return mega(r.memory) }},
}

func micros(d time.Duration) string { return fmt.Sprintf("%.1f us", float64(d)/1e3) }
func millis(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d)/1e6) }
func mega(n int64) string           { return fmt.Sprintf("%.0f MB", float64(n)/1e6) }

// report prints one column a server.
func report(w io.Writer, o options, results []result) error {
	mode := "explicit"
	if o.capture {
		mode = "capturing"
	}
	fmt.Fprintf(w, "%d services of 2 endpoints, %d streams of %s proxies, full scope\n", o.services, o.streams, mode)
	table := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
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
