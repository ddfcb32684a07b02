package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/store"
)

var cases = slices.Concat(basicCases, raceCases, watchCases)

var basicCases = []testCase{
	{"absent", "A record that is not there is ErrNotFound, to Get and to Delete, whatever the condition, " +
		"also after it was deleted; and no error of a storage is.", absent},
	{
		"round trip",
		"Get returns the bytes that were put, whatever they are, under the revision that Put returned.",
		roundTrip,
	},
	{"copies", "A store keeps neither the slice handed to Put nor the one that Get or List returned.", copies},
	{
		"if absent",
		"Put with IfAbsent makes a record, and is ErrConflict, changing nothing, when there is one.",
		ifAbsent,
	},
	{
		"if revision",
		"Put with IfRevision succeeds for the current revision alone, and is ErrConflict, changing nothing, for any other and for no record.",
		ifRevision,
	},
	{
		"revisions",
		"Every Put gives a new revision, also of the same bytes, and also after a Delete: a revision never comes back.",
		revisions,
	},
	{
		"delete",
		"Delete removes the record if its condition holds, and is ErrConflict, changing nothing, if not.",
		deletes,
	},
	{"list", "List yields the records of one kind, each whole and once, in the order of their ids' bytes.", list},
	{
		"list ends early",
		"A List can be left at any point, and the store goes on working, also from within the loop.",
		listEndsEarly,
	},
	{"kinds", "The same id in two kinds names two records.", kinds},
	{
		"odd keys",
		"Any id of 1 to 512 bytes of UTF-8 without NUL names a record of its own: names that file systems forbid, that differ in case only, that climb, that look encoded.",
		oddKeys,
	},
	{"invalid keys", "A key that is none is an error, and neither ErrNotFound nor ErrConflict.", invalidKeys},
	{"cancelled", "Under a context that has ended, nothing is read or written, and the error says so.", cancelled},
	{"durable", "What Put and Delete have acknowledged is there after the store was closed and opened again.", durable},
}

func absent(ctx context.Context, e *env) error {
	if err := isAbsent(ctx, e.s, "1"); err != nil {
		return err
	}
	rev, err := put(ctx, e.s, "a", "1")
	if err != nil {
		return err
	}
	if err := e.s.Delete(ctx, key("a"), store.Condition{}); err != nil {
		return err
	}
	if err := isAbsent(ctx, e.s, rev); err != nil {
		return fmt.Errorf("after it was deleted: %w", err)
	}
	return nil
}

// isAbsent checks that the record a is not there. rev is a revision that it may
// have had.
func isAbsent(ctx context.Context, s store.Store, rev store.Revision) error {
	if _, err := s.Get(ctx, key("a")); !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("in Get: %v, want ErrNotFound", err)
	}
	for name, cond := range map[string]store.Condition{
		"no condition": {}, "IfRevision": store.IfRevision(rev), "IfAbsent": store.IfAbsent(),
	} {
		if err := s.Delete(ctx, key("a"), cond); !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("in Delete with %s: %v, want ErrNotFound", name, err)
		}
	}
	return nil
}

func roundTrip(ctx context.Context, e *env) error {
	for name, value := range map[string]string{
		"empty": "", "json": `{"a":1}`, "spaced": " { \"a\" : 1 }\n", "scalar": "1", "twice": "{}{}", "nul": "a\x00b", "no UTF-8": "\xff\xfe", "quote": `"`,
		"large": strings.Repeat("0123456789abcdef", 1<<17), "duplicate": `{"a":1,"a":2}`, "line": "a\nb",
	} {
		rev, err := put(ctx, e.s, "a", value)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		r, err := e.s.Get(ctx, key("a"))
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if string(r.Value) != value || r.Key != key("a") || r.Revision != rev || rev == "" {
			return fmt.Errorf(
				"%s: got %.60q of %v in revision %q, put %.60q in revision %q",
				name,
				r.Value,
				r.Key,
				r.Revision,
				value,
				rev,
			)
		}
	}
	return nil
}

func copies(ctx context.Context, e *env) error {
	value := []byte("value")
	if _, err := e.s.Put(ctx, key("a"), value, store.Condition{}); err != nil {
		return err
	}
	value[0] = 'X'
	if err := holds(ctx, e.s, "a", "value"); err != nil {
		return fmt.Errorf("after the caller changed what it put: %w", err)
	}
	r, err := e.s.Get(ctx, key("a"))
	if err != nil {
		return err
	}
	r.Value[0] = 'Y'
	for r, err := range e.s.List(ctx, "things") {
		if err != nil {
			return err
		}
		r.Value[0] = 'Z'
	}
	if err := holds(ctx, e.s, "a", "value"); err != nil {
		return fmt.Errorf("after a reader changed what it got: %w", err)
	}
	return nil
}

func ifAbsent(ctx context.Context, e *env) error {
	if _, err := e.s.Put(ctx, key("a"), []byte("1"), store.IfAbsent()); err != nil {
		return fmt.Errorf("the first: %w", err)
	}
	if _, err := e.s.Put(ctx, key("a"), []byte("2"), store.IfAbsent()); !errors.Is(err, store.ErrConflict) {
		return fmt.Errorf("the second: %v, want ErrConflict", err)
	}
	if err := holds(ctx, e.s, "a", "1"); err != nil {
		return err
	}
	if err := e.s.Delete(ctx, key("a"), store.Condition{}); err != nil {
		return err
	}
	if _, err := e.s.Put(ctx, key("a"), []byte("3"), store.IfAbsent()); err != nil {
		return fmt.Errorf("after Delete: %w", err)
	}
	return holds(ctx, e.s, "a", "3")
}

func ifRevision(ctx context.Context, e *env) error {
	if _, err := e.s.Put(ctx, key("a"), []byte("0"), store.IfRevision("1")); !errors.Is(err, store.ErrConflict) {
		return fmt.Errorf("of no record: %v, want ErrConflict", err)
	}
	if _, err := e.s.Get(ctx, key("a")); !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("a failed Put made a record: %v", err)
	}
	first, err := put(ctx, e.s, "a", "1")
	if err != nil {
		return err
	}
	second, err := e.s.Put(ctx, key("a"), []byte("2"), store.IfRevision(first))
	if err != nil {
		return fmt.Errorf("of the current revision: %w", err)
	}
	for _, stale := range []store.Revision{first, "", second + "x", "no such revision"} {
		if _, err := e.s.Put(ctx, key("a"), []byte("3"), store.IfRevision(stale)); !errors.Is(err, store.ErrConflict) {
			return fmt.Errorf("of revision %q when %q is current: %v, want ErrConflict", stale, second, err)
		}
	}
	return holds(ctx, e.s, "a", "2")
}

func revisions(ctx context.Context, e *env) error {
	seen := map[store.Revision]bool{}
	for i := range 6 {
		if i%3 == 2 {
			if err := e.s.Delete(ctx, key("a"), store.Condition{}); err != nil {
				return err
			}
		}
		rev, err := put(ctx, e.s, "a", "same")
		if err != nil {
			return err
		}
		if rev == "" || seen[rev] {
			return fmt.Errorf("in Put %d: revision %q is empty or was there before", i, rev)
		}
		seen[rev] = true
	}
	return nil
}

func deletes(ctx context.Context, e *env) error {
	first, err := put(ctx, e.s, "a", "1")
	if err != nil {
		return err
	}
	second, err := put(ctx, e.s, "a", "2")
	if err != nil {
		return err
	}
	for _, cond := range []store.Condition{store.IfRevision(first), store.IfAbsent(), store.IfRevision("")} {
		if err := e.s.Delete(ctx, key("a"), cond); !errors.Is(err, store.ErrConflict) {
			return fmt.Errorf("under a condition that does not hold: %v, want ErrConflict", err)
		}
	}
	if err := holds(ctx, e.s, "a", "2"); err != nil {
		return err
	}
	if err := e.s.Delete(ctx, key("a"), store.IfRevision(second)); err != nil {
		return err
	}
	if err := e.s.Delete(ctx, key("a"), store.Condition{}); !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("in Delete again: %v, want ErrNotFound", err)
	}
	if ids, err := ids(ctx, e.s, "things"); err != nil || len(ids) != 0 {
		return fmt.Errorf("in List after Delete: %q, %v", ids, err)
	}
	return nil
}

func list(ctx context.Context, e *env) error {
	want := []string{"A", "B", "a", "a-", "a.b", "a/b", "a0", "b", "b ", "é"}
	revs := map[string]store.Revision{}
	for _, id := range []string{"b", "a/b", "A", "é", "a", "a-", "b ", "a.b", "B", "a0"} {
		rev, err := put(ctx, e.s, id, "value of "+id)
		if err != nil {
			return err
		}
		revs[id] = rev
	}
	var got []string
	for r, err := range e.s.List(ctx, "things") {
		if err != nil {
			return err
		}
		got = append(got, r.Key.ID)
		if r.Key.Kind != "things" || string(r.Value) != "value of "+r.Key.ID || r.Revision != revs[r.Key.ID] {
			return fmt.Errorf(
				"a List yields %v %q in revision %q, Put returned %q",
				r.Key,
				r.Value,
				r.Revision,
				revs[r.Key.ID],
			)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		return errors.New(diff)
	}
	if got, err := ids(ctx, e.s, "nothing"); err != nil || len(got) != 0 {
		return fmt.Errorf("in List of a kind without records: %q, %v", got, err)
	}
	return nil
}

func listEndsEarly(ctx context.Context, e *env) error {
	for _, id := range []string{"a", "b", "c"} {
		if _, err := put(ctx, e.s, id, "1"); err != nil {
			return err
		}
	}
	for r, err := range e.s.List(ctx, "things") {
		if err != nil {
			return err
		}
		if _, err := put(ctx, e.s, r.Key.ID, "2"); err != nil {
			return fmt.Errorf("within the loop: %w", err)
		}
		break
	}
	return holds(ctx, e.s, "a", "2")
}

func kinds(ctx context.Context, e *env) error {
	other := store.Key{Kind: "others", ID: "a"}
	if _, err := put(ctx, e.s, "a", "1"); err != nil {
		return err
	}
	if _, err := e.s.Get(ctx, other); !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("in Get of another kind: %v, want ErrNotFound", err)
	}
	if _, err := e.s.Put(ctx, other, []byte("2"), store.IfAbsent()); err != nil {
		return err
	}
	if err := e.s.Delete(ctx, other, store.Condition{}); err != nil {
		return err
	}
	return holds(ctx, e.s, "a", "1")
}

// oddIDs are ids that have broken storages. They are valid, and each names a
// record of its own.
var oddIDs = []string{
	"a", "A", "a.", "a..", ".a", ".", "..", "...", " ", " a", "a ", "~", "-", "_", "a/b", "/", "//", "../a", "../../etc/passwd", `a\b`, `..\a`, "a:b", "C:", "a*b?", `"`, "'", "a;b",
	"CON", "con", "con.json", "Con.", "nul", "COM1", "com1.txt", "LPT9", "aux.h", "PRN", "CONIN$",
	"%61", "%2e%2e", "%", "%%", "a%", "%00", "a b", "a+b", "a&b=c", "a#b", "a?b", "\n", "a\tb", "\x01", "\x7f",
	"é", "e\u0301", "É", "中文", "😀", "ß", "ı", "K", "\ufeff", "\u202e", "a.json", "a.json.json", ".tmp-1", "lock", "things", "things/a",
	strings.Repeat(
		"a",
		255,
	), strings.Repeat("A", 255), strings.Repeat(".", 255), strings.Repeat("a", 512), strings.Repeat("é", 256), strings.Repeat("a", 511) + "b", "$", "{}", "null", "0", "-1",
}

func oddKeys(ctx context.Context, e *env) error {
	for _, id := range oddIDs {
		if _, err := e.s.Put(ctx, key(id), []byte("value of "+id), store.IfAbsent()); err != nil {
			return fmt.Errorf("in Put(%q): %w", id, err)
		}
	}
	for _, id := range oddIDs {
		if err := holds(ctx, e.s, id, "value of "+id); err != nil {
			return err
		}
	}
	want := slices.Sorted(slices.Values(oddIDs))
	got, err := ids(ctx, e.s, "things")
	if err != nil {
		return err
	}
	if diff := cmp.Diff(want, got); diff != "" {
		return fmt.Errorf("in List: %s", diff)
	}
	for i, id := range oddIDs {
		if err := e.s.Delete(ctx, key(id), store.Condition{}); err != nil {
			return fmt.Errorf("in Delete(%q): %w", id, err)
		}
		if i+1 < len(oddIDs) {
			if err := holds(ctx, e.s, oddIDs[i+1], "value of "+oddIDs[i+1]); err != nil {
				return fmt.Errorf("after Delete(%q): %w", id, err)
			}
		}
	}
	return nil
}

func invalidKeys(ctx context.Context, e *env) error {
	for _, k := range []store.Key{{}, {Kind: "things"}, {ID: "a"}, {Kind: "Things", ID: "a"}, {Kind: "../things", ID: "a"}, {Kind: "a/b", ID: "a"},
		{Kind: strings.Repeat("a", 33), ID: "a"}, {Kind: "things", ID: "\xff"}, {Kind: "things", ID: "a\x00"}, {Kind: "things", ID: strings.Repeat("a", 513)}} {
		_, getErr := e.s.Get(ctx, k)
		_, putErr := e.s.Put(ctx, k, nil, store.Condition{})
		for _, err := range []error{getErr, putErr, e.s.Delete(ctx, k, store.Condition{})} {
			if err == nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict) {
				return fmt.Errorf("%q: %v, want an error of another kind", k, err)
			}
		}
	}
	if _, err := ids(ctx, e.s, "../things"); err == nil {
		return errors.New("in List of kind ../things: no error")
	}
	return nil
}

func cancelled(ctx context.Context, e *env) error {
	rev, err := put(ctx, e.s, "a", "1")
	if err != nil {
		return err
	}
	over, cancel := context.WithCancel(ctx)
	cancel()
	_, getErr := e.s.Get(over, key("a"))
	_, putErr := e.s.Put(over, key("a"), []byte("2"), store.IfRevision(rev))
	_, newErr := e.s.Put(over, key("b"), []byte("2"), store.Condition{})
	_, listErr := ids(over, e.s, "things")
	for i, err := range []error{getErr, putErr, newErr, listErr, e.s.Delete(over, key("a"), store.Condition{})} {
		if !errors.Is(err, context.Canceled) {
			return fmt.Errorf("call %d: %v, want context.Canceled", i, err)
		}
	}
	if got, err := ids(ctx, e.s, "things"); err != nil || !slices.Equal(got, []string{"a"}) {
		return fmt.Errorf("the store now holds %q, %v", got, err)
	}
	return holds(ctx, e.s, "a", "1")
}

func durable(ctx context.Context, e *env) error {
	if e.reopen == nil {
		return skip("Backend.Reopen is nil: nothing says that the backend keeps records when it is closed")
	}
	var want []store.Record
	for _, id := range slices.Sorted(slices.Values(oddIDs)) {
		rev, err := put(ctx, e.s, id, "value of "+id)
		if err != nil {
			return err
		}
		want = append(want, store.Record{Key: key(id), Value: []byte("value of " + id), Revision: rev})
	}
	if err := e.s.Delete(ctx, want[0].Key, store.Condition{}); err != nil {
		return err
	}
	e.s = e.reopen(e.s)
	var got []store.Record
	for r, err := range e.s.List(ctx, "things") {
		if err != nil {
			return err
		}
		got = append(got, r)
	}
	if diff := cmp.Diff(want[1:], got); diff != "" {
		return errors.New(diff)
	}
	rev, err := e.s.Put(ctx, want[1].Key, []byte("new"), store.IfRevision(want[1].Revision))
	if err != nil || rev == want[1].Revision {
		return fmt.Errorf("in Put of a revision from before: %q, %v", rev, err)
	}
	return nil
}

// ids lists the ids of a kind.
func ids(ctx context.Context, s store.Store, kind string) (ids []string, err error) {
	for r, err := range s.List(ctx, kind) {
		if err != nil {
			return nil, err
		}
		ids = append(ids, r.Key.ID)
	}
	return ids, nil
}

// whole reports whether a value is one that repeated made.
func whole(value []byte) bool {
	return len(value) > 0 && len(value)%1000 == 0 && bytes.Count(value, value[:1]) == len(value)
}

// repeated makes a value of which a part is recognised.
func repeated(i int) []byte {
	return bytes.Repeat([]byte{'a' + byte(i%26)}, 1000*(1+i%26))
}
