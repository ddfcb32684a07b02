package s3storetest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// install returns the path of a program, which it installs into the user's cache directory if it is not there.
func install(pkg, version string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	dir := filepath.Join(cache, "patchsource-test", filepath.Base(pkg)+"-"+version+"-"+runtime.Version())
	path := filepath.Join(dir, filepath.Base(pkg))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	// Other tests may install it at the same time, so that it is moved to its place when it is complete.
	building, err := os.MkdirTemp(dir, "building-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(building) }()
	cmd := exec.Command("go", "install", "-p", "1", pkg+"@"+version)
	cmd.Dir = building // outside of this module
	cmd.Env = append(os.Environ(), "GOBIN="+building, "GOFLAGS=", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: go install %s@%s: %w: %s", ErrMissing, pkg, version, err, bytes.TrimSpace(out))
	}
	return path, os.Rename(filepath.Join(building, filepath.Base(pkg)), path)
}
