//go:build linux

package deploy_test

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/examples/internal/trial"
)

// snapshot is the environment variable with the folder that .ci/snapshot has written.
const snapshot = "PATCHSOURCE_PACKAGES"

// released returns the path of a file of the snapshot, by a pattern.
func released(t *testing.T, pattern string) string {
	t.Helper()
	dir := os.Getenv(snapshot)
	if dir == "" {
		trial.Missing(t, snapshot+" is not set: run .ci/snapshot FOLDER linux_amd64, and set it to the folder")
	}
	if testing.Short() {
		t.Skip("-short")
	}
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s has %q, want one file %s: %v", dir, found, pattern, err)
	}
	return found[0]
}

// The archive has what the user needs, and a binary that tells from which commit and modules it was built. The software
// bill of materials lists these modules. Everything has a checksum.
func TestSnapshot(t *testing.T) {
	archive, sbom := released(t, "*_linux_amd64.tar.gz"), released(t, "*_linux_amd64.cdx.json")
	binary := filepath.Join(t.TempDir(), "patchsource")
	names := unpackArchive(t, archive, binary)
	want := []string{"CHANGELOG.md", "LICENSE", "README.md", "patchsource", "patchsource.env", "patchsource.service"}
	if slices.Sort(names); !slices.Equal(names, want) {
		t.Errorf("the archive has %q, want %q", names, want)
	}
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	if settings["-trimpath"] != "true" || settings["CGO_ENABLED"] != "0" {
		t.Errorf("the binary was built with %v", settings)
	}
	// Go does not record the commit in a work tree, where .git is a file.
	if git, err := os.Stat("../../.git"); err == nil && git.IsDir() &&
		(len(settings["vcs.revision"]) != 40 || settings["vcs.time"] == "") {
		t.Errorf("the binary does not tell its commit: %v", settings)
	}
	checkModules(t, sbom, info.Deps)
	checkSums(t, sbom, archive, released(t, "*_amd64.deb"), released(t, "*.x86_64.rpm"))
}

// unpackArchive writes the binary of an archive to a file. It returns the names of all files in it.
func unpackArchive(t *testing.T, archive, binary string) (names []string) {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
		if h.Name != "patchsource" {
			continue
		}
		to, err := os.Create(binary)
		if err == nil {
			_, err = io.Copy(to, r)
		}
		if err = errors.Join(err, to.Close()); err != nil || h.Mode != 0o755 {
			t.Fatalf("mode %o, %v", h.Mode, err)
		}
	}
}

// checkModules checks that a software bill of materials lists the modules.
func checkModules(t *testing.T, file string, modules []*debug.Module) {
	t.Helper()
	var bom struct {
		BOMFormat  string
		Components []struct{ Name, Version string }
	}
	data, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(data, &bom)
	}
	if err != nil || bom.BOMFormat != "CycloneDX" || len(modules) < 10 {
		t.Fatalf("%s, for %d modules: %v", bom.BOMFormat, len(modules), err)
	}
	listed := map[string]bool{}
	for _, c := range bom.Components {
		listed[c.Name+" "+c.Version] = true
	}
	for _, m := range modules {
		if !listed[m.Path+" "+m.Version] {
			t.Errorf("the software bill of materials does not list %s %s", m.Path, m.Version)
		}
	}
}

// checkSums checks that the file with the checksums has those of the files.
func checkSums(t *testing.T, files ...string) {
	t.Helper()
	sums, err := os.ReadFile(released(t, "*_checksums.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(data)
		if line := hex.EncodeToString(sum[:]) + "  " + filepath.Base(file); !slices.Contains(
			strings.Split(string(sums), "\n"), line) {
			t.Errorf("the checksums do not have %s:\n%s", line, sums)
		}
	}
}
