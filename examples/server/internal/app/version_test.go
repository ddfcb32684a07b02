package app

import (
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
)

// The version names the commit with its date, whether it was modified, Go and the system, as far as they are known.
func TestDescribeBuild(t *testing.T) {
	commit := debug.BuildSetting{Key: "vcs.revision", Value: "0123456789abcdef"}
	date := debug.BuildSetting{Key: "vcs.time", Value: "2026-02-03T04:05:06Z"}
	system := []debug.BuildSetting{{Key: "GOOS", Value: "darwin"}, {Key: "GOARCH", Value: "arm64"}}
	for _, c := range []struct {
		name     string
		settings []debug.BuildSetting
		want     string
	}{
		{"a release", append(system, commit, date, debug.BuildSetting{Key: "vcs.modified", Value: "false"}),
			"v1.2.3, commit 0123456789abcdef of 2026-02-03T04:05:06Z, go1.26, darwin/arm64"},
		{"modified", append(system, commit, date, debug.BuildSetting{Key: "vcs.modified", Value: "true"}),
			"v1.2.3, commit 0123456789abcdef of 2026-02-03T04:05:06Z, modified, go1.26, darwin/arm64"},
		{"without a date", append(system, commit), "v1.2.3, commit 0123456789abcdef, go1.26, darwin/arm64"},
		{"without a repository", system, "v1.2.3, go1.26, darwin/arm64"},
		{"without settings", nil, "v1.2.3, go1.26, " + runtime.GOOS + "/" + runtime.GOARCH},
	} {
		t.Run(c.name, func(t *testing.T) {
			info := &debug.BuildInfo{GoVersion: "go1.26", Settings: c.settings}
			info.Main.Version = "v1.2.3"
			if got := describeBuild(info); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// The command and the flag print the same line, which begins with the name of the program.
func TestVersionCommand(t *testing.T) {
	_, flag, _ := callCommand(t, "--version")
	code, stdout, stderr := callCommand(t, "version")
	if code != 0 || stdout != flag || stderr != "" || !strings.HasPrefix(stdout, "patchsource ") ||
		strings.Count(stdout, "\n") != 1 || !strings.Contains(stdout, runtime.Version()) ||
		!strings.Contains(stdout, runtime.GOOS+"/"+runtime.GOARCH) {
		t.Errorf("got exit code %d, %q and %q, and %q from --version", code, stdout, stderr, flag)
	}
	if code, _, stderr := callCommand(t, "version", "1"); code != 2 || stderr == "" {
		t.Errorf("with an argument: got exit code %d, want 2", code)
	}
}
