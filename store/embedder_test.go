package store_test

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// backendModules are prefixes of the modules that only the packages of shared backends and their tests import.
var backendModules = []string{
	"github.com/jackc/", "github.com/anishathalye/", "github.com/aws/", "github.com/johannesboyne/",
}

// embedderProgram is a program that uses the library without a shared backend.
const embedderProgram = `package main

import (
	"context"
	"fmt"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
)

func main() {
	c, err := catalog.Open(context.Background(), memstore.New(), nil)
	fmt.Println(c != nil, err)
}
`

// A program that imports no shared backend does not depend on the drivers of any: its go.sum and its binary are those
// that it would have if this module did not require them.
func TestBackendsCostAnEmbedderNothing(t *testing.T) {
	dir := t.TempDir()
	library, program := filepath.Join(dir, "library"), filepath.Join(dir, "program")
	copyModule(t, "..", library)
	if err := os.Mkdir(program, 0o777); err != nil {
		t.Fatal(err)
	}
	sum, binary := build(t, program)
	for _, prefix := range backendModules {
		if bytes.Contains(sum, []byte(prefix)) {
			t.Errorf("the go.sum has modules of %s:\n%s", prefix, sum)
		}
	}
	dropped := dropBackends(t, library)
	if dropped == 0 {
		t.Fatal("go.mod requires none of the modules of backends")
	}
	sumWithout, binaryWithout := build(t, program)
	if diff := cmp.Diff(string(sumWithout), string(sum)); diff != "" {
		t.Errorf("what the backends add to the go.sum:\n%s", diff)
	}
	if !bytes.Equal(binary, binaryWithout) {
		t.Errorf("the binary differs: it has %d bytes with the backends, %d without", len(binary), len(binaryWithout))
	}
	t.Logf("the go.sum has %d lines, the binary %d bytes", bytes.Count(sum, []byte("\n")), len(binary))
}

// copyModule copies the files of a module, without those of version control.
func copyModule(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == ".git":
			return fs.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, name), 0o777)
		case !d.Type().IsRegular() || d.Name() == ".git":
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), content, 0o666)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// build makes the program a module anew, and returns its go.sum and binary.
func build(t *testing.T, program string) (sum, binary []byte) {
	t.Helper()
	for name, text := range map[string]string{
		"go.mod": "module example.com/program\n\ngo 1.26.0\n\n" +
			"require github.com/patchsource/patchsource v0.0.0\n\n" +
			"replace github.com/patchsource/patchsource => ../library\n",
		"go.sum":  "",
		"main.go": embedderProgram,
	} {
		if err := os.WriteFile(filepath.Join(program, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	run(t, program, "mod", "tidy")
	run(t, program, "build", "-trimpath", "-buildvcs=false", "-ldflags=-buildid=", "-o", "binary", ".")
	return read(t, program, "go.sum"), read(t, program, "binary")
}

// run runs the go command in a directory.
func run(t *testing.T, dir string, args ...string) (out string) {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off", "CGO_ENABLED=0")
	text, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, text)
	}
	return string(text)
}

// read reads a file of a directory.
func read(t *testing.T, dir, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// dropBackends removes the modules of backends from the go.mod of the library, and returns their number.
func dropBackends(t *testing.T, library string) (dropped int) {
	t.Helper()
	for line := range strings.Lines(string(read(t, library, "go.mod"))) {
		for _, prefix := range backendModules {
			if module := strings.Fields(line); len(module) > 1 && strings.HasPrefix(module[0], prefix) {
				run(t, library, "mod", "edit", "-droprequire="+module[0])
				dropped++
			}
		}
	}
	return dropped
}
