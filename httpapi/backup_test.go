package httpapi_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/dump"
	"github.com/patchsource/patchsource/store/memstore"
)

// zipped returns a zip of names and contents in turn.
func zipped(t *testing.T, members ...string) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(members); i += 2 {
		w, err := z.Create(members[i])
		if err == nil {
			_, err = io.WriteString(w, members[i+1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// unzipped returns the contents of a zip by their names.
func unzipped(t *testing.T, data []byte) map[string]string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		all[f.Name] = string(text)
	}
	return all
}

func TestBackup(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("B", "A")
	w := b.do("GET", "/api/v1/backup", "")
	require(t, w, 200)
	if h := w.Header(); h.Get("Content-Type") != "application/zip" ||
		!strings.Contains(h.Get("Content-Disposition"), "attachment") {
		t.Errorf("the backup has the header %v", h)
	}
	all := unzipped(t, w.Body.Bytes())
	if got := slices.Sorted(maps.Keys(all)); fmt.Sprint(got) != "[patch_archive/A.json patch_archive/B.json]" {
		t.Errorf("the backup has the members %v", got)
	}
	if served := b.do("GET", "/jamf/v1/patch/A", "").Body.String(); all["patch_archive/A.json"] != served {
		t.Errorf("the backup has %s, and the feed %s", all["patch_archive/A.json"], served)
	}
	if again := b.do("GET", "/api/v1/backup", ""); !bytes.Equal(again.Body.Bytes(), w.Body.Bytes()) {
		t.Error("a second backup of the same titles has other bytes")
	}
	head := b.do("HEAD", "/api/v1/backup", "")
	expect(t, head, 200)
	if head.Body.Len() != 0 || head.Header().Get("Content-Type") != "application/zip" {
		t.Errorf("HEAD: got %d bytes and the header %v", head.Body.Len(), head.Header())
	}
}

// A full backup needs an administrator, and a server that has a store to copy.
func TestFullBackupIsRefused(t *testing.T) {
	b := newBench(t, memstore.New())
	contributor := b.token(auth.Grant{Kind: auth.Contributor, Contributor: "c"})
	expect(t, b.do("GET", "/api/v1/backup?full=1", ""), 401)
	expect(t, b.do("GET", "/api/v1/backup?full=1", "", "Authorization", "Bearer "+contributor), 403)
	expect(t, b.asAdmin("GET", "/api/v1/backup?full=1", ""), 403)
}

// A backup that is made while titles change has for each title a definition that it had.
func TestBackupWhileTitlesChange(t *testing.T) {
	b := newBench(t, memstore.New())
	const titles = 8
	var definitions [titles]sync.Map // that each title had
	note := func(i int) {
		doc, err := b.catalog.Definition(t.Context(), fmt.Sprint("T", i))
		if err != nil {
			t.Error(err)
			return
		}
		definitions[i].Store(string(doc.Bytes()), true)
	}
	for i := range titles {
		b.create(fmt.Sprint("T", i))
		note(i)
	}
	var stop atomic.Bool
	var writers sync.WaitGroup
	for i := range titles {
		writers.Go(func() {
			for v := 2; !stop.Load(); v++ {
				version := patch.Patch{}
				if p, err := patch.ParsePatch([]byte(versionJSON(fmt.Sprint(v, ".0"))), nil); err == nil {
					version = *p
				}
				_, err := b.catalog.AddVersions(
					t.Context(), fmt.Sprint("T", i), patch.Position{}, []patch.Patch{version}, nil,
				)
				if err != nil {
					t.Error(err)
					return
				}
				note(i) // no other goroutine changes the title
			}
		})
	}
	var backups []map[string]string
	for range 20 {
		w := b.do("GET", "/api/v1/backup", "")
		require(t, w, 200)
		backups = append(backups, unzipped(t, w.Body.Bytes()))
	}
	stop.Store(true)
	writers.Wait()
	for _, all := range backups {
		if len(all) != titles {
			t.Fatalf("got %d members, want %d", len(all), titles)
		}
		for i := range titles {
			if _, ok := definitions[i].Load(all[fmt.Sprintf("patch_archive/T%d.json", i)]); !ok {
				t.Errorf("the backup has a definition that T%d never had", i)
			}
		}
	}
}

// A blockedWriter blocks its first write until release is closed.
type blockedWriter struct {
	http.ResponseWriter
	begun   chan struct{}
	release chan struct{}
	once    sync.Once
}

func (w *blockedWriter) Write(p []byte) (int, error) {
	w.once.Do(func() { close(w.begun); <-w.release })
	return w.ResponseWriter.Write(p)
}

func TestBackupsAtOnce(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("A")
	release := make(chan struct{})
	var group sync.WaitGroup
	from := func(address string) *http.Request {
		r := httptest.NewRequest("GET", "/api/v1/backup", nil)
		r.RemoteAddr = address
		return r
	}
	get := func(r *http.Request) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		b.handler.ServeHTTP(w, r)
		return w
	}
	for _, address := range []string{"192.0.2.1:1", "192.0.2.2:1"} {
		w := &blockedWriter{ResponseWriter: httptest.NewRecorder(), begun: make(chan struct{}), release: release}
		group.Go(func() { b.handler.ServeHTTP(w, from(address)) })
		<-w.begun
		second := get(from(address))
		expect(t, second, 503)
		if second.Header().Get("Retry-After") == "" {
			t.Errorf("a second backup for an address has no Retry-After: %v", second.Header())
		}
	}
	expect(t, b.asAdmin("GET", "/api/v1/backup", ""), 200) // anonymous clients do not keep out others
	expect(t, get(from("192.0.2.3:1")), 503)
	close(release)
	group.Wait()
	expect(t, b.do("GET", "/api/v1/backup", ""), 200)
}

// A full backup moves everything to an empty store. A load that was interrupted is repeated.
func TestFullBackup(t *testing.T) {
	ctx := t.Context()
	from := memstore.New()
	b := newWhole(t, from)
	b.create("A", "B", "C")
	require(t, b.asAdmin("POST", "/api/v1/title/A/version", versionJSON("2")), 201)
	w := b.asAdmin("GET", "/api/v1/backup?full=1", "")
	require(t, w, 200)
	data := w.Body.Bytes()
	all := unzipped(t, data)
	if all["patch_archive/A.json"] == "" || !strings.Contains(all["patchsource/tokens.ndjson"], "hash") {
		t.Errorf("the backup has the members %v", slices.Sorted(maps.Keys(all)))
	}
	if strings.Contains(fmt.Sprint(all), b.admin) || bytes.Contains(data, []byte("pst_")) {
		t.Error("the backup has a token")
	}

	to := memstore.New()
	load := func(s store.Store) (int, error) {
		return dump.Load(ctx, s, bytes.NewReader(data), int64(len(data)), nil)
	}
	stopping := &stoppingStore{Store: to}
	stopping.left.Store(3)
	if _, err := load(stopping); err == nil {
		t.Fatal("a load into a store that fails reports no error")
	}
	if err := dump.CheckLoaded(ctx, to); !errors.Is(err, dump.ErrIncomplete) {
		t.Errorf("after a load that failed: got %v", err)
	}
	n, err := load(to)
	if err != nil || n < 4 || dump.CheckLoaded(ctx, to) != nil {
		t.Fatalf("the repeated load: got %d records, %v", n, err)
	}
	moved := newWhole(t, to)
	added := moved.do("POST", "/api/v1/title/B/version", versionJSON("3"), "Authorization", "Bearer "+b.admin)
	expect(t, added, 201) // a token of the old server
	if h, err := moved.catalog.History(ctx, "A"); err != nil || len(h) != 2 {
		t.Errorf("the history has %d revisions, %v; want 2", len(h), err)
	}
	if _, err := load(to); !errors.Is(err, dump.ErrNotEmpty) {
		t.Errorf("a load into a store with records: got %v", err)
	}
}

func TestLoadOfNoFullBackup(t *testing.T) {
	plain := zipped(t, "patch_archive/A.json", definition("A", "1"))
	for name, data := range map[string]string{"no zip": "x", "a plain backup": plain} {
		_, err := dump.Load(t.Context(), memstore.New(), strings.NewReader(data), int64(len(data)), nil)
		if !errors.Is(err, dump.ErrNoBackup) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// newWhole returns a bench that keeps its tokens in s as well, and makes full backups of it.
func newWhole(t *testing.T, s store.Store) *bench {
	t.Helper()
	b := newBench(t, s)
	var err error
	if b.auth, err = auth.Open(t.Context(), s, nil); err != nil {
		t.Fatal(err)
	}
	b.handler = newHandler(t, b.catalog, &httpapi.Options{Tokens: b.auth, Store: s})
	b.admin = b.token(auth.Grant{Kind: auth.Administrator})
	return b
}

// A stoppingStore fails after a number of writes.
type stoppingStore struct {
	store.Store
	left atomic.Int64
}

// Put implements store.Store.
func (s *stoppingStore) Put(ctx context.Context, k store.Key, v []byte, c store.Condition) (store.Revision, error) {
	if s.left.Add(-1) < 0 {
		return "", errDown
	}
	return s.Store.Put(ctx, k, v, c)
}

// TestFullBackupLogsProgress checks that a long full backup is logged, and that no other backup is.
func TestFullBackupLogsProgress(t *testing.T) {
	s := memstore.New()
	b := newBench(t, s)
	b.handler = newHandler(t, b.catalog, &httpapi.Options{Tokens: b.auth, Store: s, Logger: b.logger()})
	for i := range 1000 {
		if _, err := b.catalog.Create(t.Context(), parse(t, definition(fmt.Sprint("T", i), "1")), nil); err != nil {
			t.Fatal(err)
		}
	}
	require(t, b.asAdmin("GET", "/api/v1/backup", ""), 200)
	if strings.Contains(b.log.String(), "in progress") {
		t.Errorf("the log has the progress of a backup of definitions: %s", b.log.String())
	}
	require(t, b.asAdmin("GET", "/api/v1/backup?full=1", ""), 200)
	for _, want := range []string{
		`msg="full backup begins"`,
		`msg="full backup in progress" part=definitions titles=1000 done=1000`,
		`msg="full backup in progress" part=records titles=1000 done=1000`,
		`msg="full backup made"`,
	} {
		if n := strings.Count(b.log.String(), want); n != 1 {
			t.Errorf("the log has %s %d times, want once:\n%s", want, n, b.log.String())
		}
	}
}
