package app

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestItStopsWithAClearError(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	running := start(t, t.TempDir())
	dir := t.TempDir()
	t.Chdir(dir) // the default files of a store in memory
	file, data := filepath.Join(dir, "file"), filepath.Join(running.dir, "data")
	writeFile(t, file, "hunter2")
	on := func(store string, args ...string) []string {
		return append([]string{"--addr", "127.0.0.1:0", "--store", store}, args...)
	}
	free := "file:" + filepath.Join(dir, "data")
	for _, c := range []struct {
		name string
		args []string
		code int
		want []string // in the error
	}{
		{"unknown flag", []string{"--nope"}, 2, []string{"--nope", "--help"}},
		{"unknown store", []string{"--store", "ftp:x"}, 2, []string{"--store", "file:"}},
		{"store without folder", []string{"--store", "file:"}, 2, []string{"--store"}},
		{"no port", []string{"--addr", "localhost"}, 2, []string{"--addr", "HOST:PORT"}},
		{"a port too large", []string{"--addr", ":99999"}, 2, []string{"--addr", "99999"}},
		{"half of TLS", []string{"--tls-cert", "x"}, 2, []string{"--tls-key"}},
		{"log format", []string{"--log-format", "xml"}, 2, []string{"--log-format"}},
		{"TLS files missing", on("memory:", "--tls-cert", "x", "--tls-key", "y"), 1, []string{"--tls-cert"}},
		{
			"port taken", []string{"--addr", taken.Addr().String(), "--store", "memory:"}, 1,
			[]string{taken.Addr().String(), "in use", "--addr"},
		},
		{"folder taken", on("file:" + data), 1, []string{data, "in use", fmt.Sprint(os.Getpid())}},
		{"folder is a file", on("file:" + file), 1, []string{file}},
		{
			"no token in the token file",
			on("memory:", "--admin-token-file", file, "--secret-file", filepath.Join(dir, "s")), 1, []string{file},
		},
		{"no secret in the secret file", on("memory:", "--secret-file", file), 1, []string{file}},
		{"import from nowhere", on(free, "--import", filepath.Join(dir, "nope")), 1, []string{"--import", "nope"}},
		{"import of no zip", on(free, "--import", file), 1, []string{"--import", "zip"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, _, stderr := runOnce(t, nil, c.args...)
			if code != c.code {
				t.Errorf("got exit code %d, want %d", code, c.code)
			}
			for _, s := range c.want {
				if !strings.Contains(stderr, s) {
					t.Errorf("the error does not contain %q: %q", s, stderr)
				}
			}
			if strings.Contains(stderr, "hunter2") {
				t.Errorf("the error contains a secret: %q", stderr)
			}
		})
	}
}
