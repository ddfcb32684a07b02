package catalog

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// someRecord returns a record of a title in a state.
func someRecord(t testing.TB, id string, st state) *record {
	t.Helper()
	yes := true
	d := &patch.Definition{ID: id, Name: "N", Publisher: "P", LastModified: "2018-02-02T17:39:58Z", CurrentVersion: "1",
		Requirements: []patch.Criterion{
			{And: &yes},
		}, Patches: []patch.Patch{{Version: "1", ReleaseDate: "2018-02-02T17:39:58Z"}}}
	data, err := d.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	h := head{headStart: headStart{UID: "U", State: st, Since: now}, headEnd: headEnd{Changed: now}}
	return &record{head: h, definition: data}
}

// A record is the same after it is encoded and decoded.
func TestRecordRoundTrip(t *testing.T) {
	r := someRecord(t, "App", live)
	r.Owner = owner{Author: `"definition":`, Contributor: "c", Mailbox: json.RawMessage(`{"hash":"x"}`)}
	r.Follows = &source{URL: "https://example.com/"}
	r.Undelivered = []undelivered{{Number: 3, Event: json.RawMessage(`{"definition":{}}`)}}
	r.Events = 3
	r.Number, r.Oldest, r.Revisions = 12, 1, []revisionHead{{Number: 9, Version: "<", In: 9}}
	for n := range uint64(2) {
		r.Recent = append(r.Recent, earlierRevision{
			Number: 10 + n, At: r.Changed, By: "t<\xff", Version: "\"é", Difference: difference(`[[0,1],"<\u0000"]`),
		})
	}
	r.Staged = &staged{Batch: "b", Definition: json.RawMessage(`{"id":"Other"}`)}
	value, err := r.encode()
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(value) {
		t.Fatalf("the record is not JSON: %s", value)
	}
	got, err := decodeRecord(value)
	if err != nil {
		t.Fatal(err)
	}
	again, err := got.encode()
	if err != nil || !bytes.Equal(value, again) || !bytes.Equal(got.definition, r.definition) {
		t.Errorf("decoded and encoded again (error %v):\n%s\nwant\n%s", err, again, value)
	}
}

// decodeRecord rejects corrupt records and those in a newer format.
func TestDecodeRecordRejects(t *testing.T) {
	for _, value := range []string{
		"", "x", "null", "[]", "{}", `{"format":1}`, `{"format":1,"definition"`, `{"format":1,"definition":`,
		`{"format":5,"definition":{}}`, `{"format":5}`, `{"definition":{}}`, `{"format":"1","definition":{}}`,
	} {
		if _, err := decodeRecord([]byte(value)); err == nil {
			t.Errorf("%q is accepted", value)
		}
	}
}

// FuzzDecodeRecord checks that decodeRecord and the parts of a record do not panic.
func FuzzDecodeRecord(f *testing.F) {
	value, err := someRecord(f, "App", live).encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(value)
	f.Add([]byte(`{"format":1,"definition":{}}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		if r, err := decodeRecord(value); err == nil {
			_, _ = r.entry("k")
			_, _ = r.parse()
		}
	})
}

// Titles that are not live are not listed. A corrupt record is logged and left out.
func TestStates(t *testing.T) {
	ctx := t.Context()
	s := memstore.New()
	put := func(id string, value []byte) {
		if _, err := s.Put(ctx, storeKey(titleKey(id)), value, store.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
	for id, st := range map[string]state{"Live": live, "Pending": pending, "Gone": gone} {
		r := someRecord(t, id, st)
		r.Undelivered = []undelivered{{Number: 7, Event: json.RawMessage(`1`)}}
		r.Events = 7
		value, err := r.encode()
		if err != nil {
			t.Fatal(err)
		}
		put(id, value)
	}
	put("Damaged", []byte(`{"format":1`))
	var log syncBuffer
	c, err := Open(ctx, s, &Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.Len() != 1 || c.Damaged() != 1 || !strings.Contains(log.String(), "titles/damaged") {
		t.Errorf("%d titles, %d of them corrupt; the log: %s", c.Len(), c.Damaged(), log.String())
	}
	for _, id := range []string{"Pending", "Gone"} {
		if _, err := c.Definition(ctx, id); !isNotFound(err) {
			t.Errorf("Definition of %s: error %v, want ErrNotFound", id, err)
		}
		if err := c.Delete(ctx, id, nil); !isNotFound(err) {
			t.Errorf("Delete of %s: error %v, want ErrNotFound", id, err)
		}
	}
	d := &patch.Definition{}
	if err := json.Unmarshal(someRecord(t, "pending", live).definition, d); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Create(ctx, d, nil); err == nil {
		t.Error("a title was created with a reserved id")
	}
	d.ID = "gone"
	if _, err := c.Create(ctx, d, nil); err != nil {
		t.Fatalf("Create with the id of a deleted title: %v", err)
	}
	if r, err := c.titles.read(ctx, "gone"); err != nil || r.Events != 7 || len(r.Undelivered) != 1 {
		t.Errorf("the notices of the deleted title are lost: %+v, %v", r, err)
	}
}

// isNotFound reports whether an error is a TitleError with ErrNotFound.
func isNotFound(err error) bool {
	te, ok := err.(*TitleError)
	return ok && te.Err == ErrNotFound
}

// compress returns nil if the compressed form is not smaller.
func TestCompress(t *testing.T) {
	if z := compress([]byte("[]")); z != nil {
		t.Errorf("two bytes became %d", len(z))
	}
	if z := compress(bytes.Repeat([]byte("a"), 1000)); z == nil || len(z) > 100 {
		t.Errorf("a thousand equal bytes became %d", len(z))
	}
}

// A catalog does not keep anything of the restores and backups that have ended.
func TestEndedBatchesAreForgotten(t *testing.T) {
	c, err := Open(t.Context(), memstore.New(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	none := func(func(*patch.Definition, error) bool) {}
	failing := func(yield func(*patch.Definition, error) bool) { yield(nil, errors.New("broken")) }
	for range 3 {
		if err := c.WithoutRestore(func() error { return nil }); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Restore(t.Context(), none, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Restore(t.Context(), failing, nil); err == nil {
			t.Fatal("a broken restore succeeded")
		}
	}
	w := &c.titles.restores
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.mine) != 0 {
		t.Errorf("%d batches are remembered, want none", len(w.mine))
	}
}

// A backup or restore whose functions panic does not lock out later restores.
func TestBatchesEndAfterAPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := Open(t.Context(), memstore.New(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		none := func(func(*patch.Definition, error) bool) {}
		def := func() *patch.Definition {
			d := &patch.Definition{}
			if err := json.Unmarshal(someRecord(t, "App", live).definition, d); err != nil {
				t.Fatal(err)
			}
			return d
		}
		for name, f := range map[string]func(){
			"backup": func() { _ = c.WithoutRestore(func() error { panic("broken") }) },
			"restore": func() {
				_, _ = c.Restore(t.Context(), func(yield func(*patch.Definition, error) bool) {
					yield(def(), nil)
					panic("broken")
				}, nil)
			},
		} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("the %s did not panic", name)
					}
				}()
				f()
			}()
			time.Sleep(time.Hour)
			if _, err := c.Restore(t.Context(), none, nil); err != nil {
				t.Errorf("a restore after the %s: %v", name, err)
			}
			if n := c.Len(); n != 0 {
				t.Errorf("%d titles after the %s, want none", n, name)
			}
		}
	})
}
