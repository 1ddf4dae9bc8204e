package cli

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// BuildInfo says what binary this is.
type BuildInfo struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// ReadBuildInfo takes the version from the linker, else from the module.
func ReadBuildInfo(linked string) BuildInfo {
	info := BuildInfo{Version: linked, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return info.named()
	}
	for _, setting := range build.Settings {
		if setting.Key == "vcs.revision" {
			info.Revision = setting.Value
		}
	}
	if info.Version == "" && build.Main.Version != "(devel)" {
		info.Version = build.Main.Version
	}
	return info.named()
}

// named gives a build without a version a name.
func (b BuildInfo) named() BuildInfo {
	if b.Version == "" {
		b.Version = "dev"
	}
	return b
}

// NewVersion is the command `version` of the binary that name names. linked is the version that the linker set.
func NewVersion(name, linked string) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "version",
		Short:             "Say what binary this is",
		Example:           fmt.Sprintf("  %[1]s version\n  %[1]s version -o json", name),
		Args:              Arguments(),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	out := OutputFlag(cmd, FormatTable, FormatJSON, FormatYAML)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := out.Check(cmd); err != nil {
			return err
		}
		info := ReadBuildInfo(linked)
		return out.Write(cmd.OutOrStdout(), info, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "%s %s (%s, %s)\n", name, info.Version, info.Go, info.Platform)
			return err
		})
	}
	return cmd
}
