package httpapi_test

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
)

// digestOf returns the digest of the id of a title that a restore deletes.
func digestOf(id string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(id)))[:12] }

// A confirmation is for the titles that the plan deletes: neither for as many others, nor for one that came after the
// plan.
func TestRestoreConfirmsTitles(t *testing.T) {
	b := newBench(t, memstore.New())
	b.handler = newHandler(t, b.catalog, &httpapi.Options{Tokens: b.auth})
	b.create("Kept", "Old")
	backup := zipped(t, "Kept.json", definition("Kept", "2"))
	post := func(query string) *httptest.ResponseRecorder {
		return b.asAdmin("POST", "/api/v1/restore?mode=replace"+query, backup, "Content-Type", "application/zip")
	}
	var plan struct {
		Delete  []string
		Confirm string
	}
	w := post("&dry_run=1")
	require(t, w, 200)
	if err := json.Unmarshal(w.Body.Bytes(), &plan); err != nil || len(plan.Delete) != 1 {
		t.Fatalf("the plan is %s, %v", w.Body, err)
	}
	b.create("New")
	require(t, b.asAdmin("DELETE", "/api/v1/title/Old", ""), 204)
	expect(t, post("&confirm="+plan.Confirm), 400, "New")

	// The catalog asks again, for a title that comes between the check of the archive and the restore.
	var deleted []string
	definitions := func(yield func(*patch.Definition, error) bool) { yield(parse(t, definition("Kept", "3")), nil) }
	_, err := b.catalog.Restore(t.Context(), definitions, &catalog.RestoreOptions{
		Mode: catalog.RestoreReplace,
		Confirm: func(ids []string) error {
			deleted = ids
			return errors.New("no")
		},
	})
	if err == nil || !slices.Equal(deleted, []string{"New"}) {
		t.Errorf("got %v, after a confirmation of %v", err, deleted)
	}
	if _, err := b.catalog.Title("New"); err != nil {
		t.Errorf("a title that was not confirmed: %v", err)
	}
}

func TestRestoreByHTTP(t *testing.T) {
	good := zipped(t, "patch_archive/", "", "patch_archive/A.json", definition("A", "2"),
		"__MACOSX/._A.json", "x", "C.json", definition("C", "1"))
	badMembers := zipped(t, "A.json", definition("A", "2"), "x.json", "{}", "y.json", "{")
	twice := zipped(t, "A.json", definition("A", "2"), "b/a.json", definition("a", "3"))
	const (
		restored = `[{"id":"A"},{"id":"C"}]`
		before   = "A 1 B 1"
		plan     = `"create":["C"],"replace":["A"],"unchanged":[],"delete":["B"]`
		failure  = "restore_failure"
	)
	for _, c := range []struct {
		name, query, body string
		status            int
		says, want        string
	}{
		{"titles exist", "", good, 400, failure, before},
		{"merge", "?mode=merge", good, 201, restored, "A 2 B 1 C 1"},
		{
			"replace without confirmation", "?mode=replace", good, 400, "1 title that is not in the backup would be " +
				"deleted, with its history: B. To confirm that, add &confirm=1-", before,
		},
		{"replace with another confirmation", "?mode=replace&confirm=1-000000000000", good, 400, "confirm=1-", before},
		{"replace", "?mode=replace&confirm=1-" + digestOf("b"), good, 201, restored, "A 2 C 1"},
		{"plan of replace", "?mode=replace&dry_run=1", good, 200, plan, before},
		{"unknown mode", "?mode=x", good, 400, "merge or replace", before},
		{"invalid members", "?mode=merge", badMembers, 400, `"path":"y.json"`, before},
		{"duplicate id", "?mode=merge", twice, 400, "same id as A.json", before},
		{"no zip", "?mode=merge", "no zip", 400, failure, before},
		{"half a zip", "?mode=replace", good[:len(good)/2], 400, failure, before},
		{"too large", "?mode=merge", good + strings.Repeat("x", 200_000), 413, "too_large", before},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, memstore.New())
			b.handler = newHandler(t, b.catalog, &httpapi.Options{Tokens: b.auth, MaxArchiveBytes: 100_000})
			b.create("A", "B")
			header := []string{"Content-Type", "application/zip"}
			expect(t, b.do("POST", "/api/v1/restore"+c.query, c.body, header...), 401)
			expect(t, b.asAdmin("POST", "/api/v1/restore"+c.query, c.body, header...), c.status, c.says)
			if got := b.titles(); got != c.want {
				t.Errorf("got the titles %s, want %s", got, c.want)
			}
		})
	}
}

// titles returns the ids and current versions of all titles.
func (b *bench) titles() string {
	var all []string
	for title := range b.catalog.Find(catalog.Filter{}) {
		all = append(all, title.ID, title.CurrentVersion)
	}
	return strings.Join(all, " ")
}

func TestRestoreOfAForm(t *testing.T) {
	b := newBench(t, memstore.New())
	body, contentType := formOf(t, "file", []byte(zipped(t, "A.json", definition("A", "2"))))
	expect(t, b.asAdmin("POST", "/api/v1/restore", body, "Content-Type", contentType), 201, `[{"id":"A"}]`)
	if got := b.titles(); got != "A 2" {
		t.Errorf("got the titles %s, want A 2", got)
	}
}

// A folder for uploads that was removed is made again.
func TestUploadFolderIsMadeAgain(t *testing.T) {
	b := newBench(t, memstore.New())
	dir := filepath.Join(t.TempDir(), "uploads")
	b.handler = newHandler(t, b.catalog, &httpapi.Options{Tokens: b.auth, UploadDir: dir})
	expect(t, b.asAdmin("POST", "/api/v1/titles/import", definition("App", "1")), 200)
	if b.catalog.Len() != 1 {
		t.Errorf("got %d titles, want 1", b.catalog.Len())
	}
}
