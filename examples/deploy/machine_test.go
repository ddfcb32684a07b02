//go:build linux

package deploy_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/patchsource/patchsource/examples/internal/trial"
)

// A machine is a root file system with Debian and nothing else, in which programs run by chroot. It has no systemd: the
// test does what the unit says.
type machine struct {
	t    *testing.T
	root string
}

// newMachine makes the file system, of the release of Debian that this machine has.
func newMachine(t *testing.T) *machine {
	t.Helper()
	program := trial.Need(t, "mmdebstrap", "which makes a machine for packages")
	if os.Geteuid() != 0 {
		trial.Missing(t, "only root can make a machine for packages")
	}
	release := settingsOf(t, "/etc/os-release")
	if release["ID"] != "debian" {
		trial.Missing(t, "packages are tested on Debian only, whose keys other systems may not have")
	}
	dir := t.TempDir()
	// dpkg syncs every file, which takes a minute on a busy disk. Not every machine lets root mount folders, though.
	if syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=755,size=1g") == nil {
		t.Cleanup(func() {
			if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
				t.Error(err)
			}
		})
	}
	m := &machine{t: t, root: filepath.Join(dir, "root")}
	args := append([]string{"--quiet", "--variant=essential", "--include=passwd",
		"--dpkgopt=path-exclude=/usr/share/locale/*", "--dpkgopt=path-exclude=/usr/share/man/*"}, mirrorOptions(t)...)
	ctx, cancel := context.WithTimeout(t.Context(), downloadTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, append(args, release["VERSION_CODENAME"], m.root)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // apt and dpkg end with it
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("mmdebstrap, which downloads packages from a mirror of Debian: %v, %v: %s", err, ctx.Err(), out)
	}
	return m
}

// downloadTimeout bounds the time that it takes to make a machine, nearly all of which is the download of packages.
const downloadTimeout = 4 * time.Minute

// mirrorOptions returns options for mmdebstrap: apt repeats downloads that fail, and uses the proxies that this machine
// uses, because mmdebstrap does not read its configuration.
func mirrorOptions(t *testing.T) []string {
	t.Helper()
	options := []string{`--aptopt=Acquire::Retries "3"`, `--aptopt=Acquire::http::Timeout "20"`}
	out, err := exec.Command("apt-config", "dump", "Acquire").Output()
	if err != nil {
		t.Fatalf("apt-config: %v", err)
	}
	proxies := regexp.MustCompile(`(?m)^Acquire::https?::Proxy(::\S+)? "\S+"`)
	for _, proxy := range proxies.FindAllString(string(out), -1) {
		options = append(options, "--aptopt="+proxy)
	}
	return options
}

// settingsOf reads the variables of a file in the way of EnvironmentFile.
func settingsOf(t *testing.T, file string) map[string]string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string]string{}
	for line := range strings.Lines(string(data)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(key, "#") {
			settings[key] = strings.Trim(value, `"`)
		}
	}
	return settings
}

// path returns the path of a file of the machine.
func (m *machine) path(name string) string { return filepath.Join(m.root, name) }

// has reports whether a file exists.
func (m *machine) has(name string) bool {
	_, err := os.Lstat(m.path(name))
	return err == nil
}

// write writes a file that it makes readable for everyone, or keeps its mode.
func (m *machine) write(name, text string) {
	m.t.Helper()
	if err := os.WriteFile(m.path(name), []byte(text), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

// run runs a program in the machine and returns its output.
func (m *machine) run(name string, args ...string) string {
	m.t.Helper()
	cmd := exec.Command("/usr/bin/env", append([]string{"-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
		"DEBIAN_FRONTEND=noninteractive", "LC_ALL=C", name}, args...)...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: m.root}
	out, err := cmd.CombinedOutput()
	if err != nil {
		m.t.Fatalf("%s %q: %v: %s", name, args, err, out)
	}
	return string(out)
}

// ids returns the ids of a user and of its group.
func (m *machine) ids(user string) (uid, gid int) {
	m.t.Helper()
	fields := strings.Split(strings.TrimSpace(m.run("getent", "passwd", user)), ":")
	uid, _ = strconv.Atoi(fields[2])
	gid, _ = strconv.Atoi(fields[3])
	if uid == 0 || gid == 0 {
		m.t.Fatalf("the user is %q", fields)
	}
	return uid, gid
}

// start starts the server in the way of systemd: with the command, the user, the folder and the environment of the unit
// that the package has installed. It needs no capability, because the port is not one of the first 1024.
func (m *machine) start() *trial.Server {
	t := m.t
	t.Helper()
	text, err := os.ReadFile(m.path("usr/lib/systemd/system/patchsource.service"))
	if err != nil {
		t.Fatal(err)
	}
	u := parseUnit(string(text))
	uid, gid := m.ids(u.one(t, "User"))
	state := filepath.Join("var/lib", u.one(t, "StateDirectory"))
	if err := os.MkdirAll(m.path(state), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(m.path(state), uid, gid); err != nil {
		t.Fatal(err)
	}
	command := strings.Fields(u.one(t, "ExecStart"))
	for _, folder := range []string{"/usr/bin", "/usr/local/bin"} {
		if m.has(filepath.Join(folder, command[0])) {
			command[0] = filepath.Join(folder, command[0])
		}
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = append([]string{"PATH=/usr/bin"}, u["Environment"]...)
	for key, value := range settingsOf(t, m.path(strings.TrimPrefix(u.one(t, "EnvironmentFile"), "-"))) {
		cmd.Env = append(cmd.Env, key+"="+value)
	}
	cmd.Dir = u.one(t, "WorkingDirectory")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Chroot:     m.root,
		Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)},
	}
	return trial.Start(t, cmd)
}
