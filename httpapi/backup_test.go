package httpapi_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/dump"
	"github.com/patchsource/patchsource/store/memstore"
)

// zipped makes a zip of names and contents, in turn.
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
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/zip" ||
		!strings.Contains(w.Header().Get("Content-Disposition"), "attachment") {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	all := unzipped(t, w.Body.Bytes())
	if got := slices.Sorted(maps.Keys(all)); fmt.Sprint(got) != "[patch_archive/A.json patch_archive/B.json]" {
		t.Errorf("%v", got)
	}
	if all["patch_archive/A.json"] != b.do("GET", "/jamf/v1/patch/A", "").Body.String() {
		t.Error("what is in it is not what is served")
	}
	if again := b.do("GET", "/api/v1/backup", ""); !bytes.Equal(again.Body.Bytes(), w.Body.Bytes()) {
		t.Error("the same titles make other bytes")
	}
	if w := b.do("HEAD", "/api/v1/backup", ""); w.Code != 200 || w.Body.Len() != 0 ||
		w.Header().Get("Content-Type") != "application/zip" {
		t.Errorf("HEAD: %d %v", w.Code, w.Header())
	}
	for token, want := range map[string]int{"": 401, b.token(auth.Grant{Kind: auth.Contributor, Contributor: "c"}): 403, b.admin: 403} { // this server has no store to copy
		var header []string
		if token != "" {
			header = []string{"Authorization", "Bearer " + token}
		}
		if w := b.do("GET", "/api/v1/backup?full=1", "", header...); w.Code != want {
			t.Errorf("full: %d %s", w.Code, w.Body)
		}
	}
}

// While titles change, a backup holds for each one a state that there was; and there
// are not many at once.
func TestBackupWhileTitlesChange(t *testing.T) {
	b := newBench(t, memstore.New())
	const titles = 8
	var states [titles]sync.Map // definitions that there were
	note := func(i int) {
		doc, err := b.cat.Definition(t.Context(), fmt.Sprint("T", i))
		if err != nil {
			t.Error(err)
			return
		}
		states[i].Store(string(doc.Bytes()), true)
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
				p, err := patch.ParsePatch([]byte(versionJSON(fmt.Sprint(v, ".0"))), nil)
				if err == nil {
					_, err = b.cat.AddVersions(
						t.Context(),
						fmt.Sprint("T", i),
						patch.Position{},
						[]patch.Patch{*p},
						nil,
					)
				}
				if err != nil {
					t.Error(err)
					return
				}
				note(i) // only this goroutine changes the title
			}
		})
	}
	var backups []map[string]string
	for range 20 {
		w := b.do("GET", "/api/v1/backup", "")
		if w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		backups = append(backups, unzipped(t, w.Body.Bytes()))
	}
	stop.Store(true)
	writers.Wait()
	for _, all := range backups {
		if len(all) != titles {
			t.Fatalf("%d members", len(all))
		}
		for i := range titles {
			if _, ok := states[i].Load(all[fmt.Sprintf("patch_archive/T%d.json", i)]); !ok {
				t.Errorf("T%d was never so", i)
			}
		}
	}
}

// A blocked writer waits until it is told to go on.
type blocked struct {
	http.ResponseWriter
	begun chan struct{}
	goOn  chan struct{}
	once  sync.Once
}

func (w *blocked) Write(p []byte) (int, error) {
	w.once.Do(func() { close(w.begun); <-w.goOn })
	return w.ResponseWriter.Write(p)
}

func TestBackupsAtOnce(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("A")
	goOn := make(chan struct{})
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
		w := &blocked{ResponseWriter: httptest.NewRecorder(), begun: make(chan struct{}), goOn: goOn}
		group.Go(func() { b.handler.ServeHTTP(w, from(address)) })
		<-w.begun
		if w := get(from(address)); w.Code != 503 || w.Header().Get("Retry-After") == "" {
			t.Errorf("a second one for an address: %d %s", w.Code, w.Body)
		}
	}
	if w := b.asAdmin("GET", "/api/v1/backup", ""); w.Code != 200 {
		t.Errorf("strangers keep a caller with a token out: %d %s", w.Code, w.Body)
	}
	if w := get(from("192.0.2.3:1")); w.Code != 503 {
		t.Errorf("a third one at once: %d %s", w.Code, w.Body)
	}
	close(goOn)
	group.Wait()
	if w := b.do("GET", "/api/v1/backup", ""); w.Code != 200 {
		t.Errorf("%d", w.Code)
	}
}

// digestOf is the digest of the id of a title that a restore deletes.
func digestOf(id string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(id)))[:12] }

// What is confirmed is what is deleted: not as many other titles, and none that came after the plan.
func TestRestoreConfirmsTitles(t *testing.T) {
	b := newBench(t, memstore.New())
	b.handler = newHandler(t, b.cat, &httpapi.Options{Tokens: b.auth})
	b.create("Kept", "Old")
	backup := zipped(t, "Kept.json", definition("Kept", "2"))
	post := func(query string) *httptest.ResponseRecorder {
		return b.asAdmin("POST", "/api/v1/restore?mode=replace"+query, backup, "Content-Type", "application/zip")
	}
	var plan struct {
		Delete  []string
		Confirm string
	}
	if w := post("&dry_run=1"); w.Code != 200 || json.Unmarshal(w.Body.Bytes(), &plan) != nil || len(plan.Delete) != 1 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	b.create("New")
	if w := b.asAdmin("DELETE", "/api/v1/title/Old", ""); w.Code != 204 {
		t.Fatalf("%d", w.Code)
	}
	if w := post("&confirm=" + plan.Confirm); w.Code != 400 || !strings.Contains(w.Body.String(), "New") {
		t.Errorf("another title in its place: %d %s", w.Code, w.Body)
	}
	// Also if the title comes between the look at the archive and the restore.
	deletes := []string{}
	_, err := b.cat.Restore(t.Context(), func(yield func(*patch.Definition, error) bool) {
		yield(parse(t, definition("Kept", "3")), nil)
	}, &catalog.RestoreOptions{Mode: catalog.RestoreReplace, Confirm: func(ids []string) error {
		deletes = ids
		return errors.New("no")
	}})
	if _, there := b.cat.Title("New"); err == nil || there != nil || !slices.Equal(deletes, []string{"New"}) {
		t.Errorf("%v, %v, asked about %v", err, there, deletes)
	}
}

func TestRestoreByHTTP(t *testing.T) {
	form := func(data string) (string, []string) {
		return "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"b.zip\"\r\n\r\n" + data + "\r\n--b--\r\n", []string{
			"Content-Type",
			"multipart/form-data; boundary=b",
		}
	}
	good := zipped(
		t,
		"patch_archive/",
		"",
		"patch_archive/A.json",
		definition("A", "2"),
		"__MACOSX/._A.json",
		"x",
		"C.json",
		definition("C", "1"),
	)
	for _, c := range []struct {
		name, query, body string
		form              bool
		status            int
		says, want        string
	}{
		{"onto titles", "", good, false, 400, "restore_failure", "A 1 B 1"},
		{"merge", "?mode=merge", good, false, 201, `[{"id":"A"},{"id":"C"}]`, "A 2 B 1 C 1"},
		{"merge, as a form", "?mode=merge", good, true, 201, `[{"id":"A"},{"id":"C"}]`, "A 2 B 1 C 1"},
		{"replace, not confirmed", "?mode=replace", good, false, 400, "B. To delete them, add &confirm=1-", "A 1 B 1"},
		{"replace, confirmed for another number", "?mode=replace&confirm=1-000000000000", good, false, 400, "confirm=1-", "A 1 B 1"},
		{"replace", "?mode=replace&confirm=1-" + digestOf("b"), good, false, 201, `[{"id":"A"},{"id":"C"}]`, "A 2 C 1"},
		{"what replace would do", "?mode=replace&dry_run=1", good, false, 200, `"create":["C"],"replace":["A"],"unchanged":[],"delete":["B"]`, "A 1 B 1"},
		{"another mode", "?mode=x", good, false, 400, "merge or replace", "A 1 B 1"},
		{"bad members", "?mode=merge", zipped(t, "A.json", definition("A", "2"), "x.json", "{}", "y.json", "{"), false, 400, `"path":"y.json"`, "A 1 B 1"},
		{"an id twice", "?mode=merge", zipped(t, "A.json", definition("A", "2"), "b/a.json", definition("a", "3")), false, 400, "same id as A.json", "A 1 B 1"},
		{"no zip", "?mode=merge", "no zip", false, 400, "restore_failure", "A 1 B 1"},
		{"half a zip", "?mode=replace", good[:len(good)/2], false, 400, "restore_failure", "A 1 B 1"},
		{"too large", "?mode=merge", good + strings.Repeat("x", 200_000), false, 413, "too_large", "A 1 B 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, memstore.New())
			b.handler = newHandler(t, b.cat, &httpapi.Options{Tokens: b.auth, MaxArchiveBytes: 100_000})
			b.create("A", "B")
			body, header := c.body, []string{"Content-Type", "application/zip"}
			if c.form {
				body, header = form(c.body)
			}
			if w := b.do("POST", "/api/v1/restore"+c.query, body, header...); w.Code != 401 {
				t.Errorf("without a token: %d", w.Code)
			}
			w := b.asAdmin("POST", "/api/v1/restore"+c.query, body, header...)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			var got []string
			for title := range b.cat.Find(catalog.Filter{}) {
				got = append(got, title.ID, title.CurrentVersion)
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("%v, want %s", got, c.want)
			}
		})
	}
}

// A full backup moves everything to an empty store, and is begun anew if it was
// stopped.
func TestFullBackup(t *testing.T) {
	ctx := t.Context()
	from := memstore.New()
	// over is a server whose tokens are in the store, too.
	over := func(s store.Store) *bench {
		b := newBench(t, s)
		var err error
		if b.auth, err = auth.Open(ctx, s, nil); err != nil {
			t.Fatal(err)
		}
		b.handler = newHandler(t, b.cat, &httpapi.Options{Tokens: b.auth, Store: s})
		return b
	}
	b := over(from)
	b.admin = b.token(auth.Grant{Kind: auth.Administrator})
	b.create("A", "B")
	if w := b.asAdmin("POST", "/api/v1/title/A/version", versionJSON("2")); w.Code != 201 {
		t.Fatalf("%d", w.Code)
	}
	w := b.asAdmin("GET", "/api/v1/backup?full=1", "")
	if w.Code != 200 || strings.Contains(w.Body.String(), "pst_") {
		t.Fatalf("%d", w.Code)
	}
	data := w.Body.Bytes()
	all := unzipped(t, data)
	if all["patch_archive/A.json"] == "" || !strings.Contains(all["patchsource/tokens.ndjson"], "hash") ||
		strings.Contains(fmt.Sprint(all), b.admin) {
		t.Errorf("%v", slices.Sorted(maps.Keys(all)))
	}
	to := memstore.New()
	// Cut off half way.
	if _, err := dump.Load(ctx, &stopping{Store: to, left: 3}, bytes.NewReader(data), int64(len(data))); err == nil {
		t.Fatal("no error")
	}
	if err := dump.CheckLoaded(ctx, to); !errors.Is(err, dump.ErrIncomplete) {
		t.Errorf("%v", err)
	}
	n, err := dump.Load(ctx, to, bytes.NewReader(data), int64(len(data)))
	if err != nil || n < 4 || dump.CheckLoaded(ctx, to) != nil {
		t.Fatalf("%d, %v", n, err)
	}
	moved := over(to)
	if w := moved.do("POST", "/api/v1/title/B/version", versionJSON("3"), "Authorization", "Bearer "+b.admin); w.Code != 201 {
		t.Errorf("a token of the old server: %d %s", w.Code, w.Body)
	}
	if h, err := moved.cat.History(ctx, "A"); err != nil || len(h) != 2 {
		t.Errorf("%v, %v", h, err)
	}
	if _, err := dump.Load(ctx, to, bytes.NewReader(data), int64(len(data))); !errors.Is(
		err,
		dump.ErrNotEmpty,
	) {
		t.Errorf("%v", err)
	}
	for name, data := range map[string]string{"no zip": "x", "a plain backup": zipped(t, "patch_archive/A.json", definition("A", "1"))} {
		if _, err := dump.Load(ctx, memstore.New(), strings.NewReader(data), int64(len(data))); !errors.Is(
			err,
			dump.ErrNoBackup,
		) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A stopping store takes a number of writes and no more.
type stopping struct {
	store.Store
	left int
}

// Put implements store.Store.
func (s *stopping) Put(ctx context.Context, k store.Key, v []byte, c store.Condition) (store.Revision, error) {
	if s.left--; s.left < 0 {
		return "", errDown
	}
	return s.Store.Put(ctx, k, v, c)
}

// A folder for uploads that was swept away is made again.
func TestUploadFolderIsMadeAgain(t *testing.T) {
	b := newBench(t, memstore.New())
	dir := filepath.Join(t.TempDir(), "uploads")
	b.handler = newHandler(t, b.cat, &httpapi.Options{Tokens: b.auth, UploadDir: dir})
	if w := b.asAdmin("POST", "/api/v1/titles/import", definition("App", "1")); w.Code != 200 || b.cat.Len() != 1 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
