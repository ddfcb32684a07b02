package catalog

import (
	"context"
	"iter"
	"maps"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// slowWatch is a shared store whose watch is late while late is set.
type slowWatch struct {
	store.Store
	late *atomic.Bool
}

func (s *slowWatch) Unwrap() store.Store { return s.Store }

func (s *slowWatch) Watch(ctx context.Context, kind string) iter.Seq2[store.Change, error] {
	w, _ := store.As[store.Watcher](s.Store)
	return func(yield func(store.Change, error) bool) {
		for c, err := range w.Watch(ctx, kind) {
			for s.late.Load() && ctx.Err() == nil {
				time.Sleep(time.Second)
			}
			if !yield(c, err) {
				return
			}
		}
	}
}

// gatedCourier takes notices once open is set.
type gatedCourier struct{ open *atomic.Bool }

func (c gatedCourier) Wants(string, EventKind) (bool, bool) { return true, false }

func (c gatedCourier) Take(context.Context, Notice) error {
	if !c.open.Load() {
		return context.DeadlineExceeded
	}
	return nil
}

// Another server deletes a title that follows a source and creates it again with the same definition. This server
// delivers the notices of both changes before its watch reports them, and FollowChanges must return them.
func TestFollowedAgainOnAnotherServer(t *testing.T) {
	for name, second := range map[string]string{
		"the same source": "https://example.com/a",
		"another":         "https://example.com/b",
		"none":            "",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testFollowedAgain(t, "https://example.com/a", second) })
		})
	}
}

func testFollowedAgain(t *testing.T, first, second string) {
	ctx := t.Context()
	shared := memstore.New()
	var late, take atomic.Bool
	opts := &Options{Couriers: []Courier{gatedCourier{&take}}}
	a, err := Open(ctx, &slowWatch{shared, &late}, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	time.Sleep(time.Second) // a becomes the leader
	b, err := Open(ctx, shared, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	yes := true
	def := &patch.Definition{
		ID:           "App",
		Name:         "App",
		LastModified: "2026-01-01T00:00:00Z",
		Requirements: []patch.Criterion{{Name: "n", Operator: "is", Value: "v", Type: "recon", And: &yes}},
		Patches:      []patch.Patch{{Version: "1", ReleaseDate: "2018-02-02T17:39:58Z"}},
	}
	if _, err := b.Create(ctx, def.Clone(), &CreateOptions{Follows: first}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(5 * time.Second)
	since := a.Generation()
	old, err := a.Title("App")
	if err != nil {
		t.Fatal(err)
	}
	late.Store(true)
	if err := b.Delete(ctx, "App", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Create(ctx, def.Clone(), &CreateOptions{Follows: second}); err != nil {
		t.Fatal(err)
	}
	take.Store(true)
	time.Sleep(5 * time.Second)
	late.Store(false)
	time.Sleep(5 * time.Second)
	now, err := a.Title("App")
	if err != nil {
		t.Fatal(err)
	}
	if now.UID == old.UID {
		t.Fatal("the title is still the first one")
	}
	followed := map[string]string{old.UID: first}
	changes, _, ok := a.FollowChanges(since)
	for _, c := range changes {
		if c.Follows {
			followed[c.Title.UID] = c.Title.Follows
		} else {
			delete(followed, c.Title.UID)
		}
	}
	want := map[string]string{}
	if second != "" {
		want[now.UID] = second
	}
	if !ok || !maps.Equal(followed, want) {
		t.Errorf("after FollowChanges, with %d changes (%v), the followed titles are %v, want %v",
			len(changes), ok, followed, want)
	}
}
