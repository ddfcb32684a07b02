package catalog_test

import (
	"context"
	"errors"
	"iter"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/numbered"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// lastError returns the error that a sequence ends with.
func lastError[T any](seq iter.Seq2[T, error]) (err error) {
	for _, err = range seq {
	}
	return err
}

// failingMethods returns the names of the methods of a catalog that return an error, or a sequence that may end with
// one, except Close.
func failingMethods() (names []string) {
	for m := range reflect.TypeFor[*catalog.Catalog]().Methods() {
		if m.Type.NumOut() == 0 || m.Name == "Close" {
			continue
		}
		switch m.Type.Out(m.Type.NumOut() - 1) {
		case reflect.TypeFor[error](),
			reflect.TypeFor[iter.Seq2[catalog.Stored, error]](),
			reflect.TypeFor[iter.Seq2[store.Record, error]]():
			names = append(names, m.Name)
		}
	}
	return names
}

// After Close, every method that can return an error returns ErrClosed, whatever its arguments, and nothing is changed.
func TestClosedCatalog(t *testing.T) {
	ctx := t.Context()
	s := memstore.New()
	cat, err := catalog.Open(ctx, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	create(t, cat, "App", "2", "1")
	r, err := cat.Reserve(ctx, definition("Reserved", "1"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := cat.Close(); err != nil {
			t.Fatal(err)
		}
	}
	app, invalid := definition("App", "9"), &patch.Definition{ID: "?"}
	calls := map[string][]func() error{
		"AddVersions": {func() error {
			_, err := cat.AddVersions(ctx, "App", patch.Position{}, []patch.Patch{version("3")}, nil)
			return err
		}},
		"ByNumber":     {func() error { _, err := cat.ByNumber(1); return err }},
		"ByPartNumber": {func() error { _, err := cat.ByPartNumber(1 << 16); return err }},
		"ByUID":        {func() error { _, err := cat.ByUID("Nope"); return err }},
		"CheckDraft":   {func() error { _, _, err := cat.CheckDraft(ctx, &catalog.Draft{}); return err }},
		"CloneVersion": {func() error { _, err := cat.CloneVersion(ctx, "App", "2", "3", nil); return err }},
		"CreateNumbered": {func() error {
			d := definition("New", "1")
			_, err := cat.CreateNumbered(ctx, numbered.NewTitle(numbered.New(1, d), d, true, time.Time{}), nil)
			return err
		}},
		"Disable":      {func() error { return cat.Disable(ctx, "App", nil) }},
		"LoadWhole":    {func() error { _, _, err := cat.LoadWhole(ctx, "App"); return err }},
		"DiscardDraft": {func() error { return cat.DiscardDraft(ctx, "App", nil) }},
		"Draft":        {func() error { _, err := cat.Draft(ctx, "App"); return err }},
		"EditNumbered": {func() error {
			_, err := cat.EditNumbered(ctx, "App", func(*numbered.Title) error { return errors.New("called") }, nil)
			return err
		}},
		"Lookup":       {func() error { _, err := cat.Lookup("App"); return err }},
		"NumberTitles": {func() error { return cat.NumberTitles(ctx) }},
		"Numbered":     {func() error { _, err := cat.Numbered(ctx, "App"); return err }},
		"OrderVersions": {func() error {
			_, err := cat.OrderVersions(ctx, "App", []string{"1", "2"},
				nil)
			return err
		}},
		"PublishDraft": {func() error { _, _, err := cat.PublishDraft(ctx, "App", nil); return err }},
		"SaveDraft":    {func() error { _, _, err := cat.SaveDraft(ctx, "App", []byte(`{}`), nil); return err }},
		"Create": {
			func() error { _, err := cat.Create(ctx, definition("New", "1"), nil); return err },
			func() error { _, err := cat.Create(ctx, invalid, nil); return err },
			func() error {
				_, err := cat.Create(ctx, definition("New", "1"), &catalog.CreateOptions{
					Confirm: func(context.Context, catalog.Title) error { return errors.New("called") },
				})
				return err
			},
		},
		"Definition": {
			func() error { _, err := cat.Definition(ctx, "App"); return err },
			func() error { _, err := cat.Definition(ctx, "Nope"); return err },
		},
		"DefinitionOf": {func() error { _, err := cat.DefinitionOf(ctx, "x", "App"); return err }},
		"Definitions":  {func() error { return lastError(cat.Definitions(ctx)) }},
		"Delete": {
			func() error { return cat.Delete(ctx, "App", nil) },
			func() error { return cat.Delete(ctx, "?", nil) },
		},
		"Edit": {func() error {
			_, err := cat.Edit(ctx, "App", func(*patch.Definition) error { return errors.New("called") }, nil)
			return err
		}},
		"History": {
			func() error { _, err := cat.History(ctx, "App"); return err },
			func() error { _, err := cat.History(ctx, "?"); return err },
		},
		"Load": {func() error { _, _, err := cat.Load(ctx, "App"); return err }},
		"Ping": {func() error { return cat.Ping(ctx) }},
		"Put": {
			func() error { _, _, err := cat.Put(ctx, app, nil); return err },
			func() error { _, _, err := cat.Put(ctx, app, &catalog.PutOptions{DryRun: true}); return err },
		},
		"Records":       {func() error { return lastError(cat.Records(ctx)) }},
		"Rename":        {func() error { return cat.Rename(ctx, "App", "Other", nil) }},
		"RemoveVersion": {func() error { _, err := cat.RemoveVersion(ctx, "App", "2", nil); return err }},
		"Replace": {
			func() error { _, err := cat.Replace(ctx, "App", app, nil); return err },
			func() error { _, err := cat.Replace(ctx, "Nope", app, nil); return err },
		},
		"Reserve": {func() error { _, err := cat.Reserve(ctx, definition("New", "1"), nil); return err }},
		"Restore": {
			func() error {
				_, err := cat.Restore(ctx, yields(app), &catalog.RestoreOptions{Mode: catalog.RestoreMerge})
				return err
			},
			func() error { _, err := cat.Restore(ctx, yields(app), nil); return err },
		},
		"Revision":   {func() error { _, err := cat.Revision(ctx, "App", 1); return err }},
		"SelectOf":   {func() error { _, err := cat.SelectOf("x", "App"); return err }},
		"SoftwareOf": {func() error { _, err := cat.SoftwareOf("x"); return err }},
		"Title":      {func() error { _, err := cat.Title("App"); return err }},
		"WithoutRestore": {func() error {
			return cat.WithoutRestore(func() error { return errors.New("called") })
		}},
		"a reservation": {
			func() error { _, err := r.Publish(ctx); return err },
			func() error { _, err := r.Withdraw(ctx); return err },
		},
	}
	for name, all := range calls {
		for i, call := range all {
			if err := call(); !errors.Is(err, catalog.ErrClosed) {
				t.Errorf("%s, call %d: error %v, want ErrClosed", name, i, err)
			}
		}
	}
	for _, name := range failingMethods() {
		if calls[name] == nil {
			t.Errorf("%s is not tested", name)
		}
	}
	if got := listed(t, cat.Software()); len(got) != 1 || cat.Len() != 1 {
		t.Errorf("the closed catalog lists %q, %d titles, want one", got, cat.Len())
	}
	if got := records(t, s, "titles"); got != 2 {
		t.Errorf("the store has %d records, want 2", got)
	}
}

// Done is closed by Close.
func TestDone(t *testing.T) {
	cat, err := catalog.Open(t.Context(), memstore.New(), nil)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-cat.Done():
		t.Error("Done is closed before Close")
	default:
	}
	_ = cat.Close()
	<-cat.Done()
}

// Close waits for a change in progress.
func TestCloseWaitsForChanges(t *testing.T) {
	s := &slow{Store: unwatched{memstore.New()}}
	cat, err := catalog.Open(t.Context(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.reached, s.goOn = make(chan struct{}), make(chan struct{})
	reached := s.reached
	var group sync.WaitGroup
	group.Go(func() { create(t, cat, "App", "1") })
	<-reached
	group.Go(func() {
		if err := cat.Close(); err != nil {
			t.Error(err)
		}
		if cat.Len() != 1 {
			t.Error("Close returned while a title was being written")
		}
	})
	close(s.goOn)
	group.Wait()
}
