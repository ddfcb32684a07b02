package app

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/patchsource/patchsource/examples/internal/cli"
	"github.com/patchsource/patchsource/examples/server/internal/admin"
)

// versionProgram describes patchsource version.
var versionProgram = cli.Program{
	Name:        "patchsource version",
	Description: "Print the version, the commit that it was built from, and the version of Go, as --version does.",
}

// runVersion runs patchsource version.
func runVersion(_ context.Context, args []string, p *admin.Program) int {
	if code, done := cli.ParseCommand(&struct{}{}, versionProgram, args, p.Stdout, p.Stderr, 2); done {
		return code
	}
	fmt.Fprintln(p.Stdout, "patchsource", version())
	return 0
}

// version describes this build.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown version)"
	}
	return describeBuild(info)
}

// describeBuild returns the version of the module, the commit with its date, whether it was modified, the version of
// Go, and the system. The go command records no commit for tests, and for builds outside of a repository.
func describeBuild(info *debug.BuildInfo) string {
	settings := map[string]string{"GOOS": runtime.GOOS, "GOARCH": runtime.GOARCH}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	parts := []string{info.Main.Version}
	if commit := settings["vcs.revision"]; commit != "" {
		text := "commit " + commit
		if at := settings["vcs.time"]; at != "" {
			text += " of " + at
		}
		parts = append(parts, text)
	}
	if settings["vcs.modified"] == "true" {
		parts = append(parts, "modified")
	}
	return strings.Join(append(parts, info.GoVersion, settings["GOOS"]+"/"+settings["GOARCH"]), ", ")
}
