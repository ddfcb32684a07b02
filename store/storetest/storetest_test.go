package storetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

func TestBrokenStoresFail(t *testing.T) {
	for _, c := range []struct {
		fault string
		new   func() store.Store
		fails []string // the cases that must fail
	}{
		{"absence is an unknown error", unclear, []string{"absent"}},
		{"an absent record is a conflict", conflicting, []string{
			"absent", "one deletes", "one of two servers deletes",
		}},
		{"values are trimmed", trimming, []string{"round trip"}},
		{"Get returns the slice that is kept", sharing, []string{"copies"}},
		{"Put ignores its condition", ignoring, []string{"if absent", "if revision"}},
		{"revisions begin again after a Delete", counting, []string{"revisions"}},
		{"Delete ignores its condition", careless, []string{"delete"}},
		{"List yields another order", reversing, []string{"list"}},
		{"List ignores its context", uncanceled, []string{"canceled"}},
		{"ids fold case", func() store.Store { return renaming(strings.ToLower) }, []string{"odd keys"}},
		{"ids lose a trailing dot", func() store.Store {
			return renaming(func(id string) string { return strings.TrimRight(id, ".") + "!" })
		}, []string{"odd keys"}},
		{"ids are truncated", func() store.Store {
			return renaming(func(id string) string { return id[:min(len(id), 255)] })
		}, []string{"odd keys"}},
		{"keys are not checked", func() store.Store {
			return renaming(func(string) string { return "x" })
		}, []string{"invalid keys"}},
		{"Put checks first and writes later", checkThenPut, []string{
			"one creates", "one of two servers creates", "one changes", "one of two servers changes",
			"one changes or deletes", "one of two servers changes or deletes",
			"no lost update", "no lost update of two servers",
		}},
		{"Delete checks first and deletes later", checkThenDelete, []string{
			"one deletes", "one of two servers deletes",
			"one changes or deletes", "one of two servers changes or deletes",
		}},
		{"a value is written in two steps", tearing, []string{"list during writes"}},
		{"no change is yielded", func() store.Store { return deafStore{memstore.New()} }, []string{
			"watch", "watch others",
		}},
		{"changes of others are not yielded", func() store.Store {
			return &selfishStore{Store: memstore.New(), own: map[store.Revision]bool{}}
		}, []string{"watch others"}},
		{"changes are dropped in a burst", func() store.Store {
			return forgetfulStore{memstore.New()}
		}, []string{"watch others"}},
		{"heartbeats come before changes", func() store.Store {
			return hastyStore{memstore.New()}
		}, []string{"heartbeats"}},
		{"there are no heartbeats", func() store.Store { return numbStore{memstore.New()} }, []string{"heartbeats"}},
		{"a watch begins after its zero Key", func() store.Store {
			return earlyStore{memstore.New()}
		}, []string{"watch begins"}},
		{"revisions are outdated", func() store.Store {
			return outdatedStore{memstore.New()}
		}, []string{"list revisions"}},
		{"records do not survive", func() store.Store { return volatileStore{memstore.New()} }, []string{
			"durable", "load durable",
		}},
		{"a load ends early and ignores errors and conflicts", func() store.Store {
			return hurriedStore{memstore.New()}
		}, []string{"load", "load conflicts", "load errors"}},
	} {
		for _, name := range c.fails {
			t.Run(c.fault+"/"+name, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				err := caseNamed(t, name).check(ctx, &env{
					store:  c.new(),
					reopen: func(store.Store) store.Store { return c.new() },
					second: inside,
				})
				var skipped skip
				if err == nil || errors.As(err, &skipped) {
					t.Errorf("the store passes the case or skips it: %v", err)
				}
			})
		}
	}
}

// caseNamed returns a case by its name.
func caseNamed(t *testing.T, name string) testCase {
	t.Helper()
	i := slices.IndexFunc(cases, func(c testCase) bool { return c.name == name })
	if i < 0 {
		t.Fatalf("there is no case %q", name)
	}
	return cases[i]
}

// A store without a fault passes every case.
func TestSoundStorePasses(t *testing.T) {
	Run(t, Backend{
		New:    func(*testing.T) store.Store { return memstore.New() },
		Reopen: func(_ *testing.T, s store.Store) store.Store { return s },
		Second: func(_ *testing.T, s store.Store) store.Store { return s },
	})
}

// A case that cannot be tested is skipped with a reason.
func TestUntestableCasesAreSkipped(t *testing.T) {
	plain := struct{ store.Store }{memstore.New()} // no Watcher
	for _, c := range []struct {
		name string
		env  env
	}{
		{"durable", env{store: plain}},
		{"watch", env{store: plain}},
		{"watch others", env{store: plain, second: inside}},
		{"watch others", env{store: memstore.New()}},
		{"heartbeats", env{store: plain}},
		{"watch begins", env{store: plain, second: inside}},
		{"watch begins", env{store: memstore.New()}},
		{"list revisions", env{store: plain}},
		{"one of two servers changes or deletes", env{store: plain}},
		{"one of two servers creates", env{store: plain}},
		{"one of two servers changes", env{store: plain}},
		{"one of two servers deletes", env{store: plain}},
		{"no lost update of two servers", env{store: plain}},
	} {
		err := caseNamed(t, c.name).check(t.Context(), &c.env)
		var skipped skip
		if !errors.As(err, &skipped) || skipped == "" {
			t.Errorf("%s: %v, want a skip with a reason", c.name, err)
		}
	}
}
