package httpapi_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/patchtest"
	"github.com/patchsource/patchsource/store/dump"
	"github.com/patchsource/patchsource/store/filestore"
	"github.com/patchsource/patchsource/store/memstore"
)

// Measure more titles with: TRANSFER_TITLES=10000 go test ./httpapi -run '^$' -bench Transfer -benchtime 1x
var transferTitles = 500

func init() {
	if n, err := strconv.Atoi(os.Getenv("TRANSFER_TITLES")); err == nil {
		transferTitles = n
	}
}

// transferDefinition is the size of the definitions that are transferred, about that of a title of 30 versions.
const transferDefinition = 6500

// BenchmarkTransfer measures backups, restores and imports of titles in a directory. "times" is the ratio of their time
// to that of the same bytes by simpler means, and "cpu-times" that of processor time: backups beside archive/zip, and
// the others beside copying the files and syncing them.
func BenchmarkTransfer(b *testing.B) {
	from := newTransfer(b, b.TempDir())
	defs := transferDefinitions(b)
	var lines bytes.Buffer
	for _, d := range defs {
		data, err := json.Marshal(d)
		if err != nil {
			b.Fatal(err)
		}
		if status, body := from.call("POST", "/api/v1/title", bytes.NewReader(data), io.Discard); status != 201 {
			b.Fatalf("status %d: %s", status, body)
		}
		lines.Write(append(data, '\n'))
	}
	if err := from.store.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	files := readFolder(b, from.folder)
	var definitions, full, zipped bytes.Buffer
	for _, c := range []struct {
		name, path string
		to         *bytes.Buffer
	}{
		{"backup", "/api/v1/backup", &definitions},
		{"full backup", "/api/v1/backup?full=1", &full},
	} {
		b.Run(c.name, func(b *testing.B) {
			compare(b, func() {
				c.to.Reset()
				if status, body := from.call("GET", c.path, nil, c.to); status != 200 {
					b.Fatalf("status %d: %s", status, body)
				}
			}, func() {
				zipped.Reset()
				zipFiles(b, &zipped, files)
			})
			b.ReportMetric(float64(c.to.Len())/float64(zipped.Len()), "size")
		})
	}
	if definitions.Len() == 0 || full.Len() == 0 {
		return
	}
	copied := func() { copyFiles(b, b.TempDir(), files) }
	b.Run("load of a full backup", func(b *testing.B) {
		compare(b, func() {
			s, err := filestore.Open(b.TempDir(), nil)
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			if _, err := dump.Load(b.Context(), s, bytes.NewReader(full.Bytes()), int64(full.Len()), nil); err != nil {
				b.Fatal(err)
			}
		}, copied)
	})
	for _, c := range []struct {
		name, path string
		body       []byte
	}{
		{"restore", "/api/v1/restore", definitions.Bytes()},
		{"import", "/api/v1/titles/import", lines.Bytes()},
		{"import of a zip", "/api/v1/titles/import", definitions.Bytes()},
	} {
		b.Run(c.name, func(b *testing.B) {
			compare(b, func() {
				to := newTransfer(b, b.TempDir())
				if status, body := to.call("POST", c.path, bytes.NewReader(c.body), io.Discard); status/100 != 2 {
					b.Fatalf("status %d: %s", status, body)
				}
				if to.catalog.Len() != len(defs) {
					b.Fatalf("%d titles, want %d", to.catalog.Len(), len(defs))
				}
				to.close()
			}, copied)
		})
	}
}

// compare measures ours, and reports the ratio of its costs to those of theirs.
func compare(b *testing.B, ours, theirs func()) {
	var oursTime, theirsTime, oursCPU, theirsCPU time.Duration
	measure := func(f func(), took, cpu *time.Duration) {
		begun, before := time.Now(), patchtest.ProcessorTime()
		f()
		*took += time.Since(begun)
		*cpu += patchtest.ProcessorTime() - before
	}
	for range b.N {
		b.StopTimer()
		measure(theirs, &theirsTime, &theirsCPU)
		b.StartTimer()
		measure(ours, &oursTime, &oursCPU)
	}
	b.ReportMetric(float64(oursTime)/float64(theirsTime), "times")
	b.ReportMetric(float64(oursCPU)/float64(theirsCPU), "cpu-times")
	b.ReportMetric(float64(oursCPU.Microseconds())/float64(b.N*transferTitles), "cpu-µs/title")
	b.ReportMetric(float64(oursTime.Microseconds())/float64(b.N*transferTitles), "µs/title")
}

// A transfer is a handler over a directory.
type transfer struct {
	testing.TB
	folder  string
	handler http.Handler
	store   *filestore.Store
	catalog *catalog.Catalog
	admin   string
	close   func()
}

func newTransfer(b *testing.B, folder string) *transfer {
	s, err := filestore.Open(folder, nil)
	if err != nil {
		b.Fatal(err)
	}
	t := &transfer{TB: b, folder: folder, store: s}
	if t.catalog, err = catalog.Open(context.Background(), s, nil); err != nil {
		b.Fatal(err)
	}
	tokens, err := auth.Open(context.Background(), memstore.New(), nil)
	if err != nil {
		b.Fatal(err)
	}
	grant := auth.Grant{Kind: auth.Administrator}
	if t.admin, _, err = tokens.Issue(context.Background(), grant); err != nil {
		b.Fatal(err)
	}
	t.handler = newHandler(b, t.catalog, &httpapi.Options{Authenticate: httpapi.BearerTokens(tokens), Store: s})
	t.close = func() {
		_ = t.catalog.Close()
		_ = s.Close()
	}
	b.Cleanup(t.close)
	return t
}

// A bodyWriter is a ResponseWriter that writes the body to a Writer.
type bodyWriter struct {
	*httptest.ResponseRecorder
	to io.Writer
}

func (w bodyWriter) Write(p []byte) (int, error) {
	if w.Code >= 300 {
		return w.ResponseRecorder.Write(p)
	}
	return w.to.Write(p)
}

func (t *transfer) call(method, path string, body io.Reader, to io.Writer) (status int, failure string) {
	r := httptest.NewRequestWithContext(context.Background(), method, path, body)
	r.Header.Set("Authorization", "Bearer "+t.admin)
	w := bodyWriter{httptest.NewRecorder(), to}
	t.handler.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// transferDefinitions returns definitions of about transferDefinition bytes.
func transferDefinitions(b *testing.B) []*patch.Definition {
	z, err := zip.OpenReader("../patch/testdata/definitions.zip")
	if err != nil {
		b.Fatal(err)
	}
	defer z.Close()
	var real []*patch.Definition
	for _, f := range z.File {
		data, err := fs.ReadFile(z, f.Name)
		if err != nil {
			b.Fatal(err)
		}
		d, err := patch.Parse(data, nil)
		if err != nil {
			b.Fatal(err)
		}
		if len(data) < transferDefinition {
			continue
		}
		for n := len(d.Patches); n > 1 && len(data) > transferDefinition; n = len(d.Patches) {
			d.Patches = d.Patches[:n-max(1, n/10)]
			if data, err = json.Marshal(d); err != nil {
				b.Fatal(err)
			}
		}
		if len(data) > transferDefinition/2 && len(data) <= transferDefinition {
			real = append(real, d)
		}
	}
	var defs []*patch.Definition
	for i := range transferTitles {
		d := *real[i%len(real)]
		d.ID = fmt.Sprint(d.ID, "-", i)
		d.Name = fmt.Sprint(d.Name, " ", i)
		defs = append(defs, &d)
	}
	return defs
}

// readFolder returns the files of a folder by their names.
func readFolder(b *testing.B, folder string) map[string][]byte {
	files := map[string][]byte{}
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err == nil {
			files[name], err = os.ReadFile(path)
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return files
}

func zipFiles(b *testing.B, to io.Writer, files map[string][]byte) {
	z := zip.NewWriter(to)
	for name, data := range files {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write(data)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		b.Fatal(err)
	}
}

// copyFiles writes files, and then syncs them.
func copyFiles(b *testing.B, folder string, files map[string][]byte) {
	for name, data := range files {
		name = filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(name, data, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	for name := range files {
		f, err := os.Open(filepath.Join(folder, name))
		if err == nil {
			err = f.Sync()
			_ = f.Close()
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
