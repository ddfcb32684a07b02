//go:build linux

package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"howett.net/plist"

	"github.com/patchsource/patchsource/examples/internal/trial"
)

const label = "com.github.patchsource.patchsource"

// A daemon has the members of a property list of launchd that are checked.
type daemon struct {
	Label, UserName, GroupName, WorkingDirectory string
	StandardOutPath, StandardErrorPath           string
	ProgramArguments                             []string
	EnvironmentVariables                         map[string]string
	RunAtLoad                                    bool
	KeepAlive                                    map[string]bool
	ExitTimeOut, Umask                           int
}

// fakes are programs that a Linux machine does not have: they write their arguments to $CALLS. pkgbuild also keeps the
// files of the package, productbuild writes it, dscl knows nobody, and launchctl says twice that a service still runs.
var fakes = map[string]string{
	"dscl": `case "$2" in
		-list) echo root 0; echo _taken 300 ;;
		-read) grep -q -- "-create $3 $4" "$CALLS" && echo "$4: 301" ;;
	esac`,
	"launchctl":    `[ "$1" != print ] || [ "$(grep -c print "$CALLS")" -lt 3 ]`,
	"sleep":        ``,
	"chown":        ``,
	"codesign":     ``,
	"xcrun":        ``,
	"pkgbuild":     `cp -a "$2" "$KEEP"`,
	"productbuild": `for package; do :; done; echo pkg >"$package"`,
}

// A mac runs scripts for Macs with fakes.
type mac struct {
	t     *testing.T
	dir   string
	calls string // a file
}

// newMac makes the fakes.
func newMac(t *testing.T) *mac {
	t.Helper()
	m := &mac{t: t, dir: t.TempDir()}
	m.calls = filepath.Join(m.dir, "calls")
	for name, script := range fakes {
		text := "#!/bin/sh\necho \"" + name + " $*\" >>\"$CALLS\"\n" + script + "\n"
		if err := os.WriteFile(filepath.Join(m.dir, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// run runs a script and returns the calls of fakes.
func (m *mac) run(variables []string, name string, args ...string) string {
	m.t.Helper()
	if err := os.WriteFile(m.calls, nil, 0o600); err != nil {
		m.t.Fatal(err)
	}
	cmd := exec.Command(name, args...)
	cmd.Env = append(append(trial.Environ(), "PATH="+m.dir+":"+os.Getenv("PATH"), "CALLS="+m.calls,
		"KEEP="+filepath.Join(m.dir, "volume")), variables...)
	if out, err := cmd.CombinedOutput(); err != nil {
		m.t.Fatalf("%s: %v: %s", name, err, out)
	}
	calls, err := os.ReadFile(m.calls)
	if err != nil {
		m.t.Fatal(err)
	}
	return string(calls)
}

// The package for Macs has the files that the daemon needs, its scripts make the user and the folders, and it is signed
// and notarized on demand. An upgrade keeps the settings.
func TestMac(t *testing.T) {
	m := newMac(t)
	binary, pkg := filepath.Join(m.dir, "binary"), filepath.Join(m.dir, "patchsource.pkg")
	// A server that prints its settings.
	if err := os.WriteFile(binary, []byte("#!/bin/sh\nexec env\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	calls := m.run([]string{"APPLICATION_IDENTITY=A", "INSTALLER_IDENTITY=I", "NOTARY_PROFILE=P"},
		"macos/build-pkg", "v1.2.3", binary, pkg)
	for _, want := range []string{
		"--options runtime --timestamp --sign A ", "--identifier " + label + " --version 1.2.3 --ownership recommended",
		"--sign I --timestamp " + pkg, "submit " + pkg + " --keychain-profile P --wait", "stapler staple " + pkg,
	} {
		if !strings.Contains(calls, want) {
			t.Errorf("the package is made without %s: %s", want, calls)
		}
	}
	volume := filepath.Join(m.dir, "volume")
	calls = m.run(nil, "macos/scripts/postinstall", "package", "location", volume)
	for _, want := range []string{
		"-create /Groups/_patchsource PrimaryGroupID 301\n", "-create /Users/_patchsource UniqueID 301\n",
		"-create /Users/_patchsource PrimaryGroupID 301\n", "-create /Users/_patchsource UserShell /usr/bin/false\n",
	} {
		if !strings.Contains(calls, want) {
			t.Errorf("the user is made without %s: %s", want, calls)
		}
	}
	settings := filepath.Join(volume, "usr/local/etc/patchsource.env")
	if info, err := os.Stat(settings); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the settings: %v, %v", info, err)
	}
	checkDaemon(t, volume)
	m.checkUpgrade(volume, settings)
}

// checkUpgrade checks that an upgrade keeps the settings, for the server only, and that the server gets them.
func (m *mac) checkUpgrade(volume, settings string) {
	t := m.t
	t.Helper()
	const site = "PATCHSOURCE_BASE_URL='https://patches.example.com/a b'\n"
	err := os.WriteFile(settings, []byte(site), 0o600)
	if err == nil {
		err = os.Chmod(settings, 0o644) // by an administrator, whose file only has to be kept
	}
	if err != nil {
		t.Fatal(err)
	}
	calls := m.run(nil, "macos/scripts/postinstall", "package", "location", volume)
	if info, err := os.Stat(settings); err != nil || info.Mode().Perm() != 0o600 ||
		!strings.Contains(calls, "chown -h _patchsource:_patchsource "+settings+"\n") {
		t.Errorf("after an upgrade, the settings: %v, %v: %s", info, err, calls)
	}
	start := filepath.Join(volume, "usr/local/libexec/patchsource/start")
	text := strings.ReplaceAll(adapt(t, "macos/start"), "/usr/local", volume+"/usr/local")
	if err := os.WriteFile(start, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(start).Output(); err != nil || !strings.Contains("\n"+string(out),
		"\nPATCHSOURCE_BASE_URL=https://patches.example.com/a b\n") {
		t.Errorf("the server has the settings %v: %s", err, out)
	}
}

// Before an upgrade, the script waits until the server has ended: until then, launchd refuses to start it again.
func TestMacUpgradeWaits(t *testing.T) {
	m := newMac(t)
	const service = " system/" + label + "\n"
	want := "launchctl bootout" + service + strings.Repeat("launchctl print"+service+"sleep 1\n", 2) +
		"launchctl print" + service
	if calls := m.run(nil, "macos/scripts/preinstall", "package", "location", "/"); calls != want {
		t.Errorf("got the calls\n%s, want\n%s", calls, want)
	}
	if calls := m.run(nil, "macos/scripts/preinstall", "package", "location", "/Volumes/Other"); calls != "" {
		t.Errorf("an installation on another volume: %s", calls)
	}
}

// checkDaemon checks the property list of the daemon in a volume.
func checkDaemon(t *testing.T, volume string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(volume, "Library/LaunchDaemons", label+".plist"))
	if err != nil {
		t.Fatal(err)
	}
	var d daemon
	if _, err := plist.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	always, restarts := d.KeepAlive["SuccessfulExit"]
	if d.Label != label || !d.RunAtLoad || !restarts || always || d.ExitTimeOut < 45 || d.Umask != 0o077 {
		t.Errorf("the daemon is %+v", d)
	}
	if d.UserName != "_patchsource" || d.GroupName != d.UserName {
		t.Errorf("the daemon runs as %s:%s", d.UserName, d.GroupName)
	}
	d.checkFiles(t, volume)
	store := "file:" + d.WorkingDirectory + "/data"
	if len(d.EnvironmentVariables) != 1 || d.EnvironmentVariables["PATCHSOURCE_STORE"] != store {
		t.Errorf("the server has the settings %v, want the store %s", d.EnvironmentVariables, store)
	}
}

// checkFiles checks that the programs and folders of the daemon exist in a volume.
func (d daemon) checkFiles(t *testing.T, volume string) {
	t.Helper()
	if len(d.ProgramArguments) != 1 {
		t.Fatalf("the daemon runs %q", d.ProgramArguments)
	}
	for _, program := range []string{d.ProgramArguments[0], "/usr/local/bin/patchsource"} {
		if info, err := os.Stat(filepath.Join(volume, program)); err != nil || info.Mode().Perm() != 0o755 {
			t.Errorf("%s: %v, %v", program, info, err)
		}
	}
	for _, folder := range []string{
		d.WorkingDirectory, filepath.Dir(d.StandardOutPath), filepath.Dir(d.StandardErrorPath),
	} {
		if info, err := os.Stat(filepath.Join(volume, folder)); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", folder, info, err)
		}
	}
}
