package catalog_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
)

func TestCreateWithConfirm(t *testing.T) {
	errMail := errors.New("no mail")
	for _, c := range []struct {
		name    string
		confirm func(s *lossy, cancel context.CancelFunc) error
		err     error // of Create
		live    bool
		want    []string // what was called
	}{
		{"confirmed", func(*lossy, context.CancelFunc) error { return nil }, nil, true, []string{"confirm", "event"}},
		{"rejected", func(*lossy, context.CancelFunc) error {
			return errMail
		}, errMail, false, []string{"confirm", "undo"}},
		{"confirmed after ctx has ended", func(_ *lossy, cancel context.CancelFunc) error {
			cancel()
			return nil
		}, nil, true, []string{"confirm", "event"}},
		{"rejected after ctx has ended", func(_ *lossy, cancel context.CancelFunc) error {
			cancel()
			return errMail
		}, errMail, false, []string{"confirm", "undo"}},
		{"cannot be published", func(s *lossy, _ context.CancelFunc) error {
			s.fail = true
			return nil
		}, catalog.ErrUnavailable, false, []string{"confirm", "undo"}},
		{"published without the store saying so", func(s *lossy, _ context.CancelFunc) error {
			s.lose = true
			return nil
		}, nil, true, []string{"confirm"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			inner := memstore.New()
			s := &lossy{Store: inner}
			cat := open(t, s, nil)
			var called []string
			cat.Subscribe(func(catalog.Event) { called = append(called, "event") })
			var uid string
			res, err := cat.Create(ctx, definition("App", "1"), &catalog.CreateOptions{
				Confirm: func(_ context.Context, title catalog.Title) error {
					called = append(called, "confirm")
					if _, err := cat.Title("App"); !errors.Is(err, catalog.ErrNotFound) {
						t.Errorf("the title is visible before it is confirmed: %v", err)
					}
					_, err := cat.Create(t.Context(), definition("aPP", "1"), nil)
					if !errors.Is(err, catalog.ErrExists) {
						t.Errorf("the id can be taken: %v", err)
					}
					uid = title.UID
					return c.confirm(s, cancel)
				},
				Undo: func(ctx context.Context) error {
					called = append(called, "undo")
					return ctx.Err()
				},
			})
			if !errors.Is(err, c.err) || c.live != (cat.Len() == 1) || !slices.Equal(called, c.want) {
				t.Errorf("error %v, %d titles, called %q; want %v, live %t, %q",
					err, cat.Len(), called, c.err, c.live, c.want)
			}
			if c.live && (res.Title.UID != uid || !res.Changed || uid == "") {
				t.Errorf("the result is %+v, the UID was %q", res, uid)
			}
			if n := records(t, inner, "titles"); (n == 1) != c.live {
				t.Errorf("%d records", n)
			}
		})
	}
}

// Undo is called when the title is certainly not published, even if its reservation cannot be withdrawn.
func TestCreateUndoesWithoutWithdrawal(t *testing.T) {
	errMail := errors.New("no mail")
	for _, c := range []struct {
		name    string
		confirm func(s *faulty, cat *catalog.Catalog) error
		err     error // of Create
		undone  bool
	}{
		{"rejected while the store is down", func(s *faulty, _ *catalog.Catalog) error {
			s.down.Store(true)
			return errMail
		}, errMail, true},
		{"rejected after Close", func(_ *faulty, cat *catalog.Catalog) error {
			_ = cat.Close()
			return errMail
		}, errMail, true},
		{"confirmed after Close", func(_ *faulty, cat *catalog.Catalog) error {
			return cat.Close()
		}, catalog.ErrClosed, true},
		{"confirmed while the store is down", func(s *faulty, _ *catalog.Catalog) error {
			s.down.Store(true)
			return nil
		}, catalog.ErrUnavailable, false}, // the store may have published it
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &faulty{Store: memstore.New()}
			cat := open(t, s, nil)
			undone := false
			_, err := cat.Create(t.Context(), definition("App", "1"), &catalog.CreateOptions{
				Confirm: func(context.Context, catalog.Title) error { return c.confirm(s, cat) },
				Undo:    func(context.Context) error { undone = true; return nil },
			})
			if !errors.Is(err, c.err) || undone != c.undone {
				t.Errorf("error %v, undone is %t; want %v, %t", err, undone, c.err, c.undone)
			}
		})
	}
}
