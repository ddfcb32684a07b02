package httpapi

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/internal/upload"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
)

// anAdministrator authenticates every request as an administrator's.
func anAdministrator(*http.Request) (auth.Principal, error) {
	return auth.Principal{Grant: auth.Grant{Kind: auth.Administrator}}, nil
}

// setUploads has the calls of an api make their temporary files with create.
func setUploads(a *api, create func(dir string) (*upload.File, error)) {
	a.router.calls.restore.uploads.create = create
	a.router.calls.imports.uploads.create = create
}

// uploadAPI returns an api that keeps uploads in dir, and its log.
func uploadAPI(t *testing.T, dir string) (*api, *bytes.Buffer) {
	t.Helper()
	cat, err := catalog.Open(t.Context(), memstore.New(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cat.Close() })
	log := &bytes.Buffer{}
	a, err := newAPI(cat, &Options{
		Authenticate: anAdministrator,
		UploadDir:    dir,
		Logger:       slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return a, log
}

func zipOfOne(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create("App.json")
	if err == nil {
		_, err = io.WriteString(w, `{"id":"App"}`)
	}
	if err = errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// A brokenFile fails with the errors that it has.
type brokenFile struct {
	*os.File
	writeErr, readErr error
}

func (f brokenFile) Write(p []byte) (int, error) {
	if f.writeErr != nil {
		return 0, &os.PathError{Op: "write", Path: f.Name(), Err: f.writeErr}
	}
	return f.File.Write(p)
}

func (f brokenFile) Read(p []byte) (int, error) {
	if f.readErr != nil {
		return 0, &os.PathError{Op: "read", Path: f.Name(), Err: f.readErr}
	}
	return f.File.Read(p)
}

func (f brokenFile) ReadAt(p []byte, offset int64) (int, error) {
	if f.readErr != nil {
		return 0, &os.PathError{Op: "read", Path: f.Name(), Err: f.readErr}
	}
	return f.File.ReadAt(p, offset)
}

// A failure of the server's disk is an error of the server: the answer says so without the server's paths, and the log
// has the cause.
func TestUploadThatCannotBeKept(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		dir    string
		broken *brokenFile // nil: a real file
		status int
		code   string
		cause  string // in the log
	}{
		{"folder that cannot be made", filepath.Join(file, "missing"), nil, 503, "internal", "not a directory"},
		{"file in place of the folder", file, nil, 503, "internal", "not a directory"},
		{"full", dir, &brokenFile{writeErr: syscall.ENOSPC}, 507, "insufficient_storage", "no space left"},
		{"quota", dir, &brokenFile{writeErr: syscall.EDQUOT}, 507, "insufficient_storage", "quota exceeded"},
		{"not writable", dir, &brokenFile{writeErr: syscall.EIO}, 503, "internal", "input/output error"},
		{"not readable", dir, &brokenFile{readErr: syscall.EIO}, 503, "internal", "input/output error"},
	} {
		for _, path := range []string{"/api/v1/restore", "/api/v1/titles/import"} {
			t.Run(c.name+path, func(t *testing.T) {
				a, log := uploadAPI(t, c.dir)
				if c.broken != nil {
					setUploads(a, func(dir string) (*upload.File, error) {
						f, err := os.CreateTemp(dir, upload.Prefix)
						return upload.NewFile(brokenFile{f, c.broken.writeErr, c.broken.readErr}), err
					})
				}
				w := httptest.NewRecorder()
				a.router.handler().ServeHTTP(w, httptest.NewRequest("POST", path, strings.NewReader(zipOfOne(t))))
				if w.Code != c.status || !strings.Contains(w.Body.String(), `"`+c.code+`":"`) {
					t.Errorf("got status %d, want %d and %s: %s", w.Code, c.status, c.code, w.Body)
				}
				if strings.Contains(w.Body.String(), dir) || strings.Contains(w.Body.String(), upload.Prefix) {
					t.Errorf("the answer has the server's paths: %s", w.Body)
				}
				if !strings.Contains(log.String(), c.cause) || !strings.Contains(log.String(), dir) {
					t.Errorf("the log lacks the cause or the folder: %s", log)
				}
			})
		}
	}
}

// A failure in the middle of an import is reported in a line of its own.
func TestUploadThatFailsInTheMiddle(t *testing.T) {
	for name, body := range map[string]string{
		"array": `[{"id":"App"},`,
		"lines": "{\"id\":\"A\"}\n{\"id\":\"B\"}\n",
	} {
		t.Run(name, func(t *testing.T) {
			a, _ := uploadAPI(t, "")
			setUploads(a, func(dir string) (*upload.File, error) {
				f, err := os.CreateTemp(t.TempDir(), upload.Prefix)
				return upload.NewFile(&fadingFile{File: f, reads: 1}), err
			})
			w := httptest.NewRecorder()
			long := strings.NewReader(body + strings.Repeat(" ", 100_000))
			a.router.handler().ServeHTTP(w, httptest.NewRequest("POST", "/api/v1/titles/import", long))
			answer := w.Body.String()
			if !strings.Contains(answer, "cannot write what was sent") || strings.Contains(answer, upload.Prefix) {
				t.Errorf("got status %d: %s", w.Code, answer)
			}
		})
	}
}

// A fadingFile fails after a number of reads.
type fadingFile struct {
	*os.File
	reads int
}

func (f *fadingFile) Read(p []byte) (int, error) {
	if f.reads--; f.reads < 0 {
		return 0, &os.PathError{Op: "read", Path: f.Name(), Err: syscall.EIO}
	}
	return f.File.Read(p)
}

// names returns the names in a folder.
func names(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// A process that is killed during an upload leaves no file: the file has no name while the body arrives.
func TestUploadHasNoName(t *testing.T) {
	dir := t.TempDir()
	a, _ := uploadAPI(t, dir)
	looked := false
	body := io.MultiReader(strings.NewReader("PK"), callingReader(func() {
		looked = true
		if left := names(t, dir); len(left) > 0 {
			t.Errorf("during the upload, the folder has %q", left)
		}
	}))
	w := httptest.NewRecorder()
	a.router.handler().ServeHTTP(w, httptest.NewRequest("POST", "/api/v1/restore", body))
	if left := names(t, dir); w.Code != 400 || !looked || len(left) > 0 {
		t.Errorf("got status %d and the folder %q: %s", w.Code, left, w.Body)
	}
}

// A callingReader calls a function, and then is at its end.
type callingReader func()

func (f callingReader) Read([]byte) (int, error) {
	f()
	return 0, io.EOF
}
