//go:build unix

package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// An upgrade that fails leaves the store as it was, so that the earlier version can be started again.
func TestFailedUpgrade(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, c := range []struct {
		name string
		fail func(t *testing.T, dir string) (args []string)
		want string // in the output
	}{
		{"the address is taken", func(*testing.T, string) []string {
			return []string{"--addr", taken.Addr().String()}
		}, "address already in use"},
		{"an administrator token that cannot be read", func(t *testing.T, dir string) []string {
			if err := os.Mkdir(filepath.Join(dir, "data.admin-token"), 0o700); err != nil {
				t.Fatal(err)
			}
			return nil
		}, "--admin-token-file"},
		{"a certificate that is missing", func(_ *testing.T, dir string) []string {
			return []string{"--tls-cert", dir + "/none", "--tls-key", dir + "/none"}
		}, "--tls-cert"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			unpack(t, "testdata/formats/2/data.tar.gz", dir)
			args := append([]string{"--store", "file:" + filepath.Join(dir, "data")}, c.fail(t, dir)...)
			files := filesOf(t, filepath.Join(dir, "data"))
			before := files()
			out, ok := run(t, dir, args...)
			if ok || !strings.Contains(out, c.want) {
				t.Fatalf("the server has started, or the error does not say %q: %s", c.want, out)
			}
			if diff := cmp.Diff(before, files()); diff != "" {
				t.Errorf("the store was changed (-before +after):\n%s", diff)
			}
		})
	}
}
