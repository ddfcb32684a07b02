//go:build linux

package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/examples/internal/acmetest"
	"github.com/patchsource/patchsource/examples/internal/trial"
)

const (
	settingsFile = "etc/patchsource.env"
	stateFolder  = "var/lib/patchsource"
)

// From a machine with Debian and nothing else to a feed over HTTPS, with what the manual says: the package is
// installed, configured, upgraded, removed and purged. Titles and settings survive what they have to. Then the package
// for rpm takes over.
func TestPackages(t *testing.T) {
	deb, rpm := released(t, "*_amd64.deb"), released(t, "*.x86_64.rpm")
	for _, name := range []string{"dpkg-deb", "rpm", "curl", "openssl"} {
		trial.Need(t, name, "which is needed to test packages")
	}
	ca := acmetest.Start(t)
	m := newMachine(t)
	m.install(deb)
	m.checkInstalled()
	settings := m.configure(ca)

	server := m.start()
	ca.TLS.To(strings.TrimPrefix(server.URL, "https://"))
	c := newClient(t, ca, m, server)
	c.createTitle()
	c.checkTLS()
	server.Stop()

	ca.Stop() // the certificate is kept
	m.install(newer(t, deb))
	if version := m.run("dpkg-query", "--show", "--showformat=${Version}", "patchsource"); version != "99.0.0" {
		t.Errorf("the version is %s", version)
	}
	server = m.start()
	c = newClient(t, ca, m, server)
	if feed := c.curl(c.site + "/jamf/v1/software"); !strings.Contains(feed, `"currentVersion":"10.2"`) {
		t.Errorf("after the upgrade, the feed is %s", feed)
	}
	m.checkSettings(settings)
	server.Stop()

	kept := m.state()
	m.run("dpkg", "-r", "patchsource")
	m.checkSettings(settings)
	if m.has("usr/bin/patchsource") || m.state() != kept {
		t.Errorf("after dpkg -r, the state is\n%s\nand was\n%s", m.state(), kept)
	}
	out := m.run("dpkg", "-P", "patchsource")
	if m.has(settingsFile) || m.state() != kept {
		t.Errorf("after dpkg -P, the state is\n%s\nand was\n%s", m.state(), kept)
	}
	if !strings.Contains(out, "still in /var/lib/patchsource") {
		t.Errorf("dpkg -P does not say where the titles are: %s", out)
	}
	m.tryRPM(rpm)
	if m.state() != kept {
		t.Errorf("after rpm -e, the state is\n%s\nand was\n%s", m.state(), kept)
	}
}

// install installs a package for Debian.
func (m *machine) install(deb string) {
	m.t.Helper()
	data, err := os.ReadFile(deb)
	if err != nil {
		m.t.Fatal(err)
	}
	m.write("tmp/package.deb", string(data))
	m.run("dpkg", "-i", "/tmp/package.deb")
}

// newer returns a package with the same files and a higher version.
func newer(t *testing.T, deb string) string {
	t.Helper()
	dir := t.TempDir()
	files, file := filepath.Join(dir, "files"), filepath.Join(dir, "newer.deb")
	if out, err := exec.Command("dpkg-deb", "-R", deb, files).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	control := filepath.Join(files, "DEBIAN/control")
	data, err := os.ReadFile(control)
	if err != nil {
		t.Fatal(err)
	}
	data = regexp.MustCompile(`(?m)^Version: .*$`).ReplaceAll(data, []byte("Version: 99.0.0"))
	if err := os.WriteFile(control, data, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("dpkg-deb", "-Znone", "-b", files, file).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return file
}

// checkInstalled checks what the installation has made.
func (m *machine) checkInstalled() {
	t := m.t
	t.Helper()
	if info, err := os.Stat(m.path(settingsFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the settings: %v, %v", info, err)
	}
	if !m.has("etc/systemd/system/multi-user.target.wants/patchsource.service") {
		t.Error("the unit does not start with the machine")
	}
	if user := m.run("getent", "passwd", "patchsource"); !strings.Contains(user, ":/usr/sbin/nologin\n") {
		t.Errorf("the user can log in: %s", user)
	}
	if m.has(stateFolder) {
		t.Error("the package has a state of its own")
	}
}

// configure writes the settings of a server with a certificate from a CA, and returns them.
func (m *machine) configure(ca *acmetest.CA) string {
	m.t.Helper()
	pem, err := os.ReadFile(ca.File)
	if err != nil {
		m.t.Fatal(err)
	}
	m.write("etc/ca.pem", string(pem))
	settings := "# Ours.\nPATCHSOURCE_ACME=" + host + "\nPATCHSOURCE_ADDR=127.0.0.1:0\nPATCHSOURCE_LOG_FORMAT=json\n" +
		"PATCHSOURCE_ACME_DIRECTORY=" + ca.Directory + "\nPATCHSOURCE_ACME_CA=/etc/ca.pem\n"
	m.write(settingsFile, settings)
	return settings
}

// checkSettings checks that the settings are as they were.
func (m *machine) checkSettings(want string) {
	m.t.Helper()
	info, err := os.Stat(m.path(settingsFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		m.t.Fatalf("the settings: %v, %v", info, err)
	}
	if got, err := os.ReadFile(m.path(settingsFile)); err != nil || string(got) != want {
		m.t.Errorf("the settings are %s, want %s: %v", got, want, err)
	}
}

// state returns the checksums of the files that the server has written, with their modes and owners.
func (m *machine) state() string {
	m.t.Helper()
	return m.run("sh", "-c", "cd /"+stateFolder+" && find . | sort | xargs stat -c '%n %U %a' && "+
		"find . -type f | sort | xargs sha256sum")
}

// tryRPM installs the package for rpm on the machine, without its dependencies, and removes it.
func (m *machine) tryRPM(file string) {
	t := m.t
	t.Helper()
	query := "[%{FILENAMES} %{FILEFLAGS:fflags} %{FILEMODES:perms} %{FILEUSERNAME}\n]"
	out, err := exec.Command("rpm", "-qp", "--queryformat", query, file).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "/etc/patchsource.env cn -rw------- root\n") {
		t.Errorf("rpm: %v: %s", err, out)
	}
	m.run("userdel", "patchsource")
	m.run("groupadd", "--system", "patchsource") // left of an earlier user
	run := func(args ...string) string {
		t.Helper()
		out, err := exec.Command("rpm", append([]string{"--root", m.root, "--nodeps", "--nosignature"}, args...)...).
			CombinedOutput()
		if err != nil {
			t.Fatalf("rpm %q: %v: %s", args, err, out)
		}
		return string(out)
	}
	run("-i", file)
	if !m.has("usr/bin/patchsource") || !m.has("usr/lib/systemd/system/patchsource.service") {
		t.Error("rpm has not installed the files")
	}
	m.ids("patchsource")
	m.write(settingsFile, "# Ours.\n")
	run("-U", "--force", file) // an upgrade to the same version
	m.checkSettings("# Ours.\n")
	if out := run("-e", "patchsource"); m.has("usr/bin/patchsource") || !m.has(settingsFile+".rpmsave") ||
		!strings.Contains(out, "still in /var/lib/patchsource") {
		t.Errorf("rpm -e: %s", out)
	}
}
