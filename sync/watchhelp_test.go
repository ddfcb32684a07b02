package patchsync_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/store"
	patchsync "github.com/patchsource/patchsource/sync"
	"github.com/patchsource/patchsource/sync/releases"
)

// feedURL is the address of the feed in most tests.
const feedURL = "https://vendor.example/feed.txt"

// lineKind is a kind of feeds with a release a line: its version and, perhaps, its date or its rollout, such as 50%. A
// line "more URL" says that the list continues there. Feed.Match is a prefix of the lines that count.
type lineKind struct{}

// Request implements [releases.Kind].
func (lineKind) Request(f recipe.Feed, _ bool) (releases.Request, error) {
	return releases.Request{URL: f.URL}, nil
}

// Read implements [releases.Kind].
func (lineKind) Read(f recipe.Feed, a releases.Answer) (found []recipe.Release, next *releases.Request, err error) {
	for line := range strings.Lines(string(a.Body)) {
		line, ok := strings.CutPrefix(strings.TrimSpace(line), f.Match)
		version, rest, _ := strings.Cut(line, " ")
		switch {
		case !ok || version == "":
		case version == "more":
			next = &releases.Request{URL: rest}
		default:
			r := recipe.Release{Version: version, Rollout: 1}
			if percent, ok := strings.CutSuffix(rest, "%"); ok {
				n, err := strconv.Atoi(percent)
				if err != nil {
					return nil, nil, err
				}
				r.Rollout = float64(n) / 100
			} else if rest != "" {
				if r.Date, err = time.Parse(time.DateOnly, rest); err != nil {
					return nil, nil, err
				}
			}
			found = append(found, r)
		}
	}
	if len(found) == 0 && next == nil {
		return nil, nil, errors.New("the page lists no release")
	}
	return found, next, nil
}

// lines makes a URL answer with a feed for lineKind.
func (w *world) lines(url string, lines ...string) {
	w.put(url, page{body: []byte(strings.Join(lines, "\n") + "\n")})
}

// application returns the definition of an application with versions, the newest first, as recipes make it.
func application(t testing.TB, id string, versions ...string) *patch.Definition {
	t.Helper()
	def, err := patch.NewDefinition(patch.Application{
		ID:        id,
		Name:      id,
		BundleID:  "com.example." + strings.ToLower(id),
		Version:   versions[len(versions)-1],
		MinimumOS: "10.13",
		Released:  time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range slices.Backward(versions[:len(versions)-1]) {
		next := def.Patches[0].NextVersion(v, time.Date(1999, 2, 1, 0, 0, 0, 0, time.UTC))
		if err := def.AddPatches(patch.Position{}, time.Now(), next); err != nil {
			t.Fatal(err)
		}
	}
	return def
}

// lineWatch returns a watch of the feed at a URL.
func lineWatch(url string) recipe.Watch {
	return recipe.Watch{Feed: recipe.Feed{Kind: "lines", URL: url}}
}

// withLines returns opts with lineKind.
func withLines(opts patchsync.Options) patchsync.Options {
	opts.Kinds = map[string]releases.Kind{"lines": lineKind{}}
	return opts
}

// create creates a title.
func (s *server) create(def *patch.Definition) catalog.Title {
	s.t.Helper()
	res, err := s.catalog.Create(s.t.Context(), def, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return res.Title
}

// watch creates a title with versions that follows the feed of a watch.
func (s *server) watch(id string, watch recipe.Watch, versions ...string) catalog.Title {
	s.t.Helper()
	title := s.create(application(s.t, id, versions...))
	if err := s.sync.Watches().Set(s.t.Context(), id, watch, patchsync.WatchOptions{By: "test"}); err != nil {
		s.t.Fatal(err)
	}
	return title
}

// check checks a title and fails if that is impossible.
func (s *server) check(id string) patchsync.Check {
	s.t.Helper()
	c, err := s.sync.Watches().Check(s.t.Context(), id, "", false)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// watchState returns the state of a watch.
func (s *server) watchState(id string) patchsync.WatchState {
	s.t.Helper()
	state, err := s.sync.Watches().State(id)
	if err != nil {
		s.t.Fatal(err)
	}
	return state
}

// versions returns the versions of a title, the newest first, separated by spaces.
func (s *server) versions(id string) string {
	s.t.Helper()
	def, _, err := s.catalog.Load(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	var all []string
	for _, p := range def.Patches {
		all = append(all, p.Version)
	}
	return strings.Join(all, " ")
}

// proposals returns the proposals as text: the title and the versions of each.
func (s *server) proposals() string {
	var all []string
	for p := range s.sync.Watches().Proposals() {
		all = append(all, p.Title+" "+strings.Join(p.Versions, "+"))
	}
	return strings.Join(all, ", ")
}

// proposalOf returns the id of the proposal of a title.
func (s *server) proposalOf(title string) string {
	s.t.Helper()
	for p := range s.sync.Watches().Proposals() {
		if p.Title == title {
			return p.ID
		}
	}
	s.t.Fatalf("%s has no proposal", title)
	return ""
}

// expect compares what the servers of a test should agree on.
func expect(t *testing.T, what string, got, want any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// watchRecords returns the ids of the records of watches.
func watchRecords(t *testing.T, s store.Store) (ids []string) {
	t.Helper()
	for r, err := range s.List(t.Context(), "watches") {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, r.Key.ID)
	}
	return ids
}
