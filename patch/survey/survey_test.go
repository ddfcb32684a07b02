package survey_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/survey"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

const day = 24 * time.Hour

// released returns a definition whose versions were released on days before now, the newest first.
func released(id string, now time.Time, ages ...int) *patch.Definition {
	d := &patch.Definition{
		ID:        id,
		Name:      id,
		Publisher: "Example",
		AppName:   new(id + ".app"),
		BundleID:  new("com.example." + id),
		Requirements: []patch.Criterion{
			{Name: "Application Bundle ID", Operator: "is", Value: "com.example." + id, Type: "recon", And: new(true)},
			{Name: "Application Bundle ID", Operator: "is", Value: "org.Other." + id, Type: "recon", And: new(false)},
		},
	}
	for i, age := range ages {
		d.Patches = append(d.Patches, patch.Patch{
			Version:                fmt.Sprint(len(ages) - i),
			ReleaseDate:            patch.FormatTime(now.Add(-time.Duration(age) * day)),
			MinimumOperatingSystem: "12",
			Components: []patch.Component{{Name: id, Version: fmt.Sprint(len(ages) - i), Criteria: []patch.Criterion{
				{Name: "Application Version", Operator: "is", Value: fmt.Sprint(len(ages) - i), Type: "recon",
					And: new(true)},
			}}},
			Capabilities: []patch.Criterion{
				{Name: "Operating System Version", Operator: "greater than or equal", Value: "12", Type: "recon",
					And: new(true)},
			},
		})
	}
	return d
}

func open(t *testing.T, s store.Store) *catalog.Catalog {
	c, err := catalog.Open(t.Context(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func create(t *testing.T, c *catalog.Catalog, d *patch.Definition) {
	t.Helper()
	if _, err := c.Create(t.Context(), d, nil); err != nil {
		t.Fatal(err)
	}
}

// facts returns what a survey knows of a title.
func facts(t *testing.T, s *survey.Survey, c *catalog.Catalog, id string) survey.Facts {
	t.Helper()
	title, err := c.Title(id)
	if err != nil {
		t.Fatal(err)
	}
	f, ok := s.Facts(title)
	if !ok {
		t.Fatalf("nothing is known of %s", id)
	}
	return f
}

func TestFacts(t *testing.T) {
	c := open(t, memstore.New())
	now := time.Now()
	create(t, c, released("Weekly", now, 100, 107, 114, 121))
	create(t, c, released("Current", now, 3, 10, 17, 24))
	create(t, c, released("Few", now, 400, 500))
	bad := released("Bad", now, 1)
	bad.Patches[0].Capabilities = nil
	create(t, c, bad)
	s := survey.New(c, nil)
	if s.Complete() {
		t.Error("the survey is complete before it has begun")
	}
	if err := s.Update(t.Context()); err != nil || !s.Complete() || s.Changed().IsZero() {
		t.Fatalf("update: %v, complete %v, changed %v", err, s.Complete(), s.Changed())
	}
	for id, stale := range map[string]bool{"Weekly": true, "Current": false, "Few": false, "Bad": false} {
		f := facts(t, s, c, id)
		if f.Stale(now) != stale || (f.Warnings > 0) != (id == "Bad") {
			t.Errorf("%s: stale %v, %d warnings", id, f.Stale(now), f.Warnings)
		}
	}
	f := facts(t, s, c, "Weekly")
	if f.Rhythm != 7*day || f.Released.Format(time.DateOnly) != now.Add(-100*day).UTC().Format(time.DateOnly) {
		t.Errorf("the rhythm is %v, the newest version of %v", f.Rhythm, f.Released)
	}
	if days := slices.Collect(f.Releases); len(days) != 4 || !days[0].Equal(now.Add(-100*day).UTC().Truncate(day)) {
		t.Errorf("the releases are %v", days)
	}
	for text, want := range map[string]bool{
		"com.example.weekly": true, "ORG.OTHER.WEEKLY": true, "com.example": false, "": false, "weekly.app": false,
		"com.example.weekly\norg.other.weekly": false,
	} {
		if f.HasBundle(text) != want {
			t.Errorf("HasBundle(%q) is %v", text, !want)
		}
	}
	for text, want := range map[string]bool{"example.week": true, "Weekly.App": true, "none": false, "": false} {
		if f.Mentions(text) != want {
			t.Errorf("Mentions(%q) is %v", text, !want)
		}
	}
}

// Rules that are off give no warnings.
func TestLintOptions(t *testing.T) {
	c := open(t, memstore.New())
	bad := released("Bad", time.Now(), 1)
	bad.Patches[0].Capabilities = nil
	create(t, c, bad)
	s := survey.New(c, &survey.Options{Lint: &patch.LintOptions{Off: []string{"capabilities"}}})
	if err := s.Update(t.Context()); err != nil {
		t.Fatal(err)
	}
	if f := facts(t, s, c, "Bad"); f.Warnings != 0 {
		t.Errorf("%d warnings", f.Warnings)
	}
}

// A title that changes is looked at again, also if another server has changed it, and one that is deleted is forgotten.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		records := memstore.New()
		c, other := open(t, records), open(t, records)
		now := time.Now()
		create(t, c, released("A", now, 1))
		s := survey.New(c, nil)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		time.Sleep(time.Second)
		synctest.Wait()
		if f := facts(t, s, c, "A"); !s.Complete() || f.Warnings != 0 {
			t.Errorf("complete %v, %d warnings", s.Complete(), f.Warnings)
		}
		bad := released("A", now, 1)
		bad.Patches[0].Capabilities = nil
		if _, err := other.Replace(t.Context(), "A", bad, nil); err != nil {
			t.Fatal(err)
		}
		create(t, other, released("B", now, 1))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if f := facts(t, s, c, "A"); f.Warnings == 0 {
			t.Error("the change of another server was not looked at")
		}
		title, err := c.Title("B")
		if err != nil {
			t.Fatal(err)
		}
		if err := other.Delete(t.Context(), "B", nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if _, ok := s.Facts(title); ok {
			t.Error("a title that was deleted is still known")
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// A failing is a store whose records of one title cannot be read.
type failing struct {
	store.Store
	title string
	reads atomic.Int64
	fails atomic.Bool
}

func (s *failing) Get(ctx context.Context, k store.Key) (store.Record, error) {
	if k.ID == s.title {
		s.reads.Add(1)
		if s.fails.Load() {
			return store.Record{}, errors.New("the disk is broken")
		}
	}
	return s.Store.Get(ctx, k)
}

// A title that cannot be read holds up no other, and is tried again after a minute.
func TestTitleThatCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		records := memstore.New()
		first := open(t, records)
		for _, id := range []string{"A", "B"} {
			create(t, first, released(id, time.Now(), 1))
		}
		broken := &failing{Store: records, title: "a"}
		c := open(t, broken)
		broken.fails.Store(true)
		s := survey.New(c, nil)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go func() { _ = s.Run(ctx) }()
		time.Sleep(30 * time.Second)
		synctest.Wait()
		facts(t, s, c, "B")
		if n := broken.reads.Load(); n == 0 || n > 5 || !s.Complete() {
			t.Errorf("in 30 s, the broken title was read %d times; complete %v", n, s.Complete())
		}
		broken.fails.Store(false)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		facts(t, s, c, "A")
	})
}

func TestUpdateEndsWithItsContext(t *testing.T) {
	c := open(t, memstore.New())
	create(t, c, released("A", time.Now(), 1))
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("gone")
	cancel(gone)
	if err := survey.New(c, nil).Update(ctx); !errors.Is(err, gone) && !strings.Contains(fmt.Sprint(err), "cancel") {
		t.Errorf("error %v", err)
	}
}

// A warning about a date in the future ends when the date has come.
func TestDateThatHasCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, memstore.New())
		create(t, c, released("Soon", time.Now(), -3, 5, 12, 19))
		s := survey.New(c, nil)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		time.Sleep(time.Minute)
		synctest.Wait()
		if f := facts(t, s, c, "Soon"); f.Warnings == 0 {
			t.Error("there is no warning about the future")
		}
		time.Sleep(4 * day)
		synctest.Wait()
		if f := facts(t, s, c, "Soon"); f.Warnings != 0 {
			t.Errorf("after the date has come, there are %d warnings", f.Warnings)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
