package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"
)

// The formats of output.
const (
	FormatTable = "table"
	FormatJSON  = "json"
	FormatYAML  = "yaml"
	FormatName  = "name"
)

// Output is the format that the user chose, of those that a command has.
type Output struct {
	Format  string
	formats []string
}

// OutputFlag adds -o; the first format is the default.
func OutputFlag(cmd *cobra.Command, formats ...string) *Output {
	o := &Output{formats: formats}
	cmd.Flags().StringVarP(&o.Format, "output", "o", formats[0], "format: "+strings.Join(formats, ", "))
	// The flag was just added, so that this cannot fail.
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	return o
}

// Check refuses a format that the command does not have.
func (o *Output) Check(cmd *cobra.Command) error {
	if slices.Contains(o.formats, o.Format) {
		return nil
	}
	return Usagef(cmd, "--output %q: want one of %s", o.Format, strings.Join(o.formats, ", "))
}

// Write prints a value as JSON or YAML, or leaves it to text.
func (o *Output) Write(w io.Writer, value any, text func(io.Writer) error) error {
	switch o.Format {
	case FormatJSON:
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(value)
	case FormatYAML:
		data, err := yaml.Marshal(value)
		if err != nil {
			return fmt.Errorf("print as YAML: %w", err)
		}
		_, err = w.Write(data)
		return err
	default:
		return text(w)
	}
}

// Table prints rows in columns, the first row being the heading.
func Table(w io.Writer, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	return t.Flush()
}

// Plain makes a text that somebody else wrote fit for a terminal: one line of printable characters.
func Plain(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r) || r == unicode.ReplacementChar
	}), " ")
}
