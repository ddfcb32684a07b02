package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/store"
)

// keyCases are about keys.
var keyCases = []testCase{
	{
		"odd keys",
		"Every id of 1 to 512 bytes of UTF-8 without NUL names a record of its own, including names that file " +
			"systems forbid, that differ in case only, that lead to a parent directory or that look encoded.",
		oddKeys,
	},
	{
		"invalid keys",
		"Calls with an invalid key return an error that is neither ErrNotFound nor ErrConflict.",
		invalidKeys,
	},
}

// oddIDs are valid ids that have confused storages.
var oddIDs = []string{
	"a", "A", "a.", "a..", ".a", ".", "..", "...", " ", " a", "a ", "~", "-", "_", "a/b", "/", "//", "../a",
	"../../etc/passwd", `a\b`, `..\a`, "a:b", "C:", "a*b?", `"`, "'", "a;b",
	"CON", "con", "con.json", "Con.", "nul", "COM1", "com1.txt", "LPT9", "aux.h", "PRN", "CONIN$",
	"%61", "%2e%2e", "%", "%%", "a%", "%00", "a b", "a+b", "a&b=c", "a#b", "a?b", "\n", "a\tb", "\x01", "\x7f",
	"é", "e\u0301", "É", "中文", "😀", "ß", "ı", "K", "\ufeff", "\u202e", "a.json", "a.json.json", ".tmp-1",
	"lock", "things", "things/a", "$", "{}", "null", "0", "-1",
	strings.Repeat("a", 255), strings.Repeat("A", 255), strings.Repeat(".", 255), strings.Repeat("a", 512),
	strings.Repeat("é", 256), strings.Repeat("a", 511) + "b",
}

// invalidKeyList are keys that are not valid.
var invalidKeyList = []store.Key{
	{},
	{Kind: "things"},
	{ID: "a"},
	{Kind: "Things", ID: "a"},
	{Kind: "../things", ID: "a"},
	{Kind: "a/b", ID: "a"},
	{Kind: strings.Repeat("a", 33), ID: "a"},
	{Kind: "things", ID: "\xff"},
	{Kind: "things", ID: "a\x00"},
	{Kind: "things", ID: strings.Repeat("a", 513)},
}

func oddKeys(ctx context.Context, e *env) error {
	for _, id := range oddIDs {
		if _, err := e.store.Put(ctx, key(id), []byte("value of "+id), store.IfAbsent()); err != nil {
			return fmt.Errorf("Put(%q): %w", id, err)
		}
	}
	for _, id := range oddIDs {
		if err := holds(ctx, e.store, id, "value of "+id); err != nil {
			return err
		}
	}
	want := slices.Sorted(slices.Values(oddIDs))
	got, err := ids(ctx, e.store, "things")
	if err != nil {
		return err
	}
	if diff := cmp.Diff(want, got); diff != "" {
		return fmt.Errorf("ids that List yields (-want +got):\n%s", diff)
	}
	for i, id := range oddIDs {
		if err := e.store.Delete(ctx, key(id), store.Condition{}); err != nil {
			return fmt.Errorf("Delete(%q): %w", id, err)
		}
		if i+1 < len(oddIDs) {
			if err := holds(ctx, e.store, oddIDs[i+1], "value of "+oddIDs[i+1]); err != nil {
				return fmt.Errorf("after Delete(%q): %w", id, err)
			}
		}
	}
	return nil
}

func invalidKeys(ctx context.Context, e *env) error {
	for _, k := range invalidKeyList {
		_, getErr := e.store.Get(ctx, k)
		_, putErr := e.store.Put(ctx, k, nil, store.Condition{})
		for _, err := range []error{getErr, putErr, e.store.Delete(ctx, k, store.Condition{})} {
			if err == nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict) {
				return fmt.Errorf("key %q: %v, want another error", k, err)
			}
		}
	}
	if _, err := ids(ctx, e.store, "../things"); err == nil {
		return errors.New("list of kind ../things: no error")
	}
	return nil
}
