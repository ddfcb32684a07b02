package patchsync_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/store/memstore"
	patchsync "github.com/patchsource/patchsource/sync"
)

// recipeJSON returns a recipe with a feed for lineKind.
func recipeJSON(t testing.TB, id, url string) []byte {
	t.Helper()
	data, err := json.Marshal(&recipe.Recipe{
		ID:       id,
		Name:     id,
		BundleID: "com.example." + strings.ToLower(id),
		Feed:     recipe.Feed{Kind: "lines", URL: url},
	})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// failing returns the states of the watches that fail, as text: the title, the source and the error of each.
func (s *server) failing() string {
	var all []string
	for w := range s.sync.Watches().All() {
		if w.Status == patchsync.WatchFailing {
			all = append(all, fmt.Sprintf("%s <%s> %s", w.Title, w.Source, w.LastError))
		}
	}
	return strings.Join(all, "\n")
}

// A folder of recipes makes titles that follow the feeds, over a real connection: changes of files are noticed, and a
// title stays when its file goes.
func TestRecipeFolder(t *testing.T) {
	var body atomic.Pointer[string]
	say := func(s string) { body.Store(&s) }
	say("1.0\n0.9\n")
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, *body.Load())
	}))
	t.Cleanup(upstream.Close)
	dir := filepath.Join(t.TempDir(), "apps")
	write(t, dir, "App.json", recipeJSON(t, "App", upstream.URL+"/a"))
	write(t, dir, "deep/Other.recipe.json", recipeJSON(t, "Other", upstream.URL+"/b"))
	s := open(t, newStore(), nil, withLines(patchsync.Options{
		AllowPrivateNetworks: true,
		Interval:             24 * time.Hour, // so that changes are applied only if they are noticed
		Recipes:              []string{dir},
	}))
	stop := run(t, s)
	defer stop()
	watches := s.sync.Watches()
	eventually(t, "the first titles", func() bool { return s.ids() == "App Other" })
	eventually(t, "the watches", func() bool { return s.failing() == "" })
	expect(t, "versions", s.versions("App"), "1.0")
	state := s.watchState("App")
	expect(t, "source", state.Source, "folder:apps/App.json")
	expect(t, "trusted", state.Trusted, true)
	expect(t, "maker", state.By, "recipes")
	if err := watches.Set(t.Context(), "App", lineWatch(upstream.URL+"/x"), patchsync.WatchOptions{}); err == nil ||
		!strings.Contains(err.Error(), patchsync.ErrWatchReadOnly.Error()) {
		t.Errorf("Set: %v, want ErrWatchReadOnly", err)
	}
	if err := watches.End(t.Context(), "App", ""); err == nil ||
		!strings.Contains(err.Error(), patchsync.ErrWatchReadOnly.Error()) {
		t.Errorf("End: %v, want ErrWatchReadOnly", err)
	}

	say("1.1\n1.0\n")
	expect(t, "added", s.check("App").Added, []string{"1.1"})

	write(t, dir, "App.json", recipeJSON(t, "App", upstream.URL+"/moved"))
	eventually(t, "a change of the file", func() bool {
		return strings.HasSuffix(s.watchState("App").Watch.Feed.URL, "/moved")
	})
	write(t, dir, "App.json", []byte(`{"id": "App"`))
	eventually(t, "the error of a file", func() bool {
		return strings.HasPrefix(s.failing(), "App <folder:apps/App.json> App.json: invalid recipe")
	})
	expect(t, "the feed meanwhile", strings.HasSuffix(s.watchState("App").Watch.Feed.URL, "/moved"), true)
	expect(t, "the status meanwhile", s.watchState("App").Status, patchsync.WatchFailing)
	write(t, dir, "App.json", recipeJSON(t, "App", upstream.URL+"/moved"))
	eventually(t, "the recovery", func() bool { return s.failing() == "" })

	if err := os.Rename(filepath.Join(dir, "App.json"), filepath.Join(dir, "deep", "App.json")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a moved file", func() bool { return s.watchState("App").Source == "folder:apps/deep/App.json" })
	if err := os.Remove(filepath.Join(dir, "deep", "App.json")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end of the watch", func() bool { _, err := watches.State("App"); return err != nil })
	expect(t, "versions", s.versions("App"), "1.1 1.0")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a missing folder", func() bool { return strings.Contains(s.failing(), "<folder:apps>") })
	if strings.Contains(s.failing(), filepath.Dir(dir)) {
		t.Errorf("%q contains the path of the folder", s.failing())
	}
	expect(t, "the watch in a missing folder", s.watchState("Other").Source, "folder:apps/deep/Other.recipe.json")
}

// A followed folder has recipes beside definitions. They are not taken for definitions, and a title has either.
func TestRecipesBesideDefinitions(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "shelf")
	web := newWorld(t)
	web.lines(feedURL, "1.0")
	write(t, dir, "A.json", document(t, definition("A", "1")))
	write(t, dir, "B.recipe.json", recipeJSON(t, "B", feedURL))
	write(t, dir, "C.json", document(t, definition("C", "1")))
	write(t, dir, "C.recipe.json", recipeJSON(t, "C", feedURL))
	write(t, dir, "D.recipe.json", []byte("{"))
	write(t, dir, "E.recipe.json", recipeJSON(t, "A", feedURL))
	write(t, dir, "F.recipe.json", recipeJSON(t, "B", feedURL))
	s := open(t, newStore(), web, withLines(patchsync.Options{
		Interval: 24 * time.Hour,
		Mirrors:  []patchsync.Mirror{{Source: patchsync.Folder(dir), Remove: true, MaxRemoveShare: 1}},
	}))
	stop := run(t, s)
	defer stop()
	eventually(t, "the titles", func() bool { return s.ids() == "A B C" })
	expect(t, "refused definitions", len(s.round("folder:shelf").Refused), 0)
	wants := []string{
		"A <folder:shelf/E.recipe.json> folder:shelf/E.recipe.json: the title \"A\" follows folder:shelf/A.json",
		"B <folder:shelf/F.recipe.json> folder:shelf/F.recipe.json and folder:shelf/B.recipe.json make the same title",
		"C <folder:shelf/C.recipe.json> C.recipe.json and C.json are in the same folder",
		"D <folder:shelf/D.recipe.json> D.recipe.json: invalid recipe",
	}
	told := func() bool {
		got := strings.Split(s.failing(), "\n")
		return slices.EqualFunc(got, wants, strings.HasPrefix)
	}
	eventually(t, "the errors", told)
	expect(t, "source", s.watchState("B").Source, "folder:shelf/B.recipe.json")
	if err := os.Remove(filepath.Join(dir, "C.json")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a title that follows a feed instead", func() bool {
		title, err := s.catalog.Title("C")
		return err == nil && title.Follows == ""
	})
}

// A recipe takes over the watch that a person made, and the memory of it. Without its folder, people may change the
// watch again.
func TestRecipeOfATitleThatExists(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "apps")
	st, web := newStore(), newWorld(t)
	web.lines(feedURL, "1.1", "1.0")
	opts := withLines(patchsync.Options{Recipes: []string{dir}})
	write(t, dir, "App.json", recipeJSON(t, "App", feedURL))
	s := open(t, st, web, opts)
	s.watch("App", lineWatch("https://old.example/"), "1.1", "1.0")
	if _, err := s.catalog.RemoveVersion(t.Context(), "App", "1.1", nil); err != nil {
		t.Fatal(err)
	}
	stop := run(t, s)
	eventually(t, "the watch of the recipe", func() bool {
		return s.watchState("App").Source == "folder:apps/App.json"
	})
	expect(t, "added", len(s.check("App").Added), 0)
	expect(t, "versions", s.versions("App"), "1.0")
	writes := st.written("watches")
	stop()

	write(t, dir, "Two.json", recipeJSON(t, "Two", feedURL))
	s = open(t, st, web, opts)
	stop = run(t, s)
	eventually(t, "a reading of the folder", func() bool { return s.ids() == "App Two" })
	stop()
	expect(t, "writes after a restart, for the new recipe alone", st.written("watches")-writes, 1)

	opts.Recipes = nil
	s = open(t, st, web, opts)
	expect(t, "source", s.watchState("App").Source, "")
	if err := s.sync.Watches().End(t.Context(), "App", ""); err != nil {
		t.Errorf("End without the folder: %v", err)
	}
}

// A feed that cannot be read makes no title. The failure is in the state and in the record, so that a restart does not
// ask sooner, and the feed is asked again later.
func TestRecipeThatFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "apps")
	st, web := newStore(), newWorld(t)
	write(t, dir, "App.json", recipeJSON(t, "App", feedURL))
	clock := newClock()
	opts := withLines(patchsync.Options{Recipes: []string{dir}, Now: clock.Now})
	s := open(t, st, web, opts)
	stop := run(t, s)
	clock.add(time.Minute) // new feeds are asked within a minute
	eventually(t, "the failure", func() bool { return strings.Contains(s.failing(), "404") })
	expect(t, "titles", s.ids(), "")
	var state patchsync.WatchState
	for state = range s.sync.Watches().All() {
	}
	expect(t, "failures", state.Failures, 1)
	if wait := state.NextCheck.Sub(state.LastAttempt); wait < time.Minute || wait > time.Hour {
		t.Errorf("the feed is asked again after %v", wait)
	}
	stop()
	asked := web.requests(feedURL)
	web.lines(feedURL, "1.0")
	s = open(t, st, web, opts)
	stop = run(t, s)
	defer stop()
	write(t, dir, "README.txt", nil)
	eventually(t, "the failure after a restart", func() bool { return s.failing() != "" })
	expect(t, "requests after a restart", web.requests(feedURL)-asked, 0)
	clock.add(time.Hour)
	write(t, dir, "README.txt", []byte("x")) // wakes the goroutine, as time would
	eventually(t, "the title", func() bool { return s.ids() == "App" })
	eventually(t, "the recovery", func() bool { return s.failing() == "" })
	expect(t, "records", len(watchRecords(t, st)), 1)
}

// The recipes in the folder of a mirror are chosen and named as its definitions are.
func TestRecipesOfAMirror(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "shelf")
	web := newWorld(t)
	web.lines(feedURL, "1.0")
	write(t, dir, "A.json", document(t, definition("A", "1")))
	write(t, dir, "B.recipe.json", recipeJSON(t, "B", feedURL))
	write(t, dir, "C.recipe.json", recipeJSON(t, "C", feedURL))
	s := open(t, newStore(), web, withLines(patchsync.Options{
		Mirrors: []patchsync.Mirror{{
			Source: patchsync.Folder(dir),
			Author: "Ann",
			Except: []string{"C"},
			Rename: func(d *patch.Definition) { d.ID = "x" + d.ID },
		}},
	}))
	defer run(t, s)()
	eventually(t, "the titles", func() bool { return s.ids() == "xA_Ann xB_Ann" })
	title, err := s.catalog.Title("xB_Ann")
	if err != nil || title.Name != "B (Ann)" || title.Author != "Ann" {
		t.Errorf("the title is %q by %q, error %v", title.Name, title.Author, err)
	}
	expect(t, "failing", s.failing(), "")
	def, _, err := s.catalog.Load(t.Context(), "xB_Ann")
	if err != nil || *def.AppName != "B.app" {
		t.Errorf("the application is %q, error %v", *def.AppName, err)
	}
}

// Of several servers, the leader alone reads the folders, and all of them show what is wrong with a recipe.
func TestRecipesOnTwoServers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "apps")
	st, web := memstore.New(), newWorld(t)
	web.lines(feedURL, "1.0")
	write(t, dir, "App.json", recipeJSON(t, "App", feedURL))
	write(t, dir, "Bad.json", []byte("{"))
	opts := withLines(patchsync.Options{Recipes: []string{dir}})
	servers := []*server{open(t, st, web, opts), open(t, st, web, opts)}
	for _, s := range servers {
		defer run(t, s)()
	}
	for _, s := range servers {
		eventually(t, "the title", func() bool { return s.ids() == "App" })
		eventually(t, "the invalid recipe", func() bool {
			return strings.HasPrefix(s.failing(), "Bad <folder:apps/Bad.json>")
		})
		eventually(t, "the watch", func() bool {
			state, err := s.sync.Watches().State("App")
			return err == nil && state.Source == "folder:apps/App.json"
		})
	}
	expect(t, "requests", web.requests(feedURL), 1)
}

// A server whose folders of recipes differ from those of the leader says so, and one whose folders are the same does
// not.
func TestRecipeFoldersDiffer(t *testing.T) {
	dir := t.TempDir()
	folders := []string{filepath.Join(dir, "one"), filepath.Join(dir, "two")}
	st, web := memstore.New(), newWorld(t)
	var logs [3]journal
	for i, recipes := range [][]string{folders, {folders[1], folders[0]}, folders[:1]} {
		opts := patchsync.Options{Recipes: recipes, Lease: 500 * time.Millisecond, Logger: logs[i].logger()}
		s := open(t, st, web, opts)
		defer run(t, s)()
		if i == 0 {
			eventually(t, "a leader", func() bool { return strings.Contains(logs[0].String(), "folder:one") })
		}
	}
	const warning = "follow different mirrors or folders of recipes"
	eventually(t, "the warning", func() bool { return strings.Contains(logs[2].String(), warning) })
	for i := range logs[:2] {
		if strings.Contains(logs[i].String(), warning) {
			t.Errorf("server %d warns although its folders are those of the leader", i)
		}
	}
}

// Many recipes that fail at once, as without a network, are all among the watches, although their titles do not exist.
// The log has one of them and a line for the others.
func TestManyRecipesThatFail(t *testing.T) {
	const recipes = 40
	dir := filepath.Join(t.TempDir(), "apps")
	for i := range recipes {
		id := fmt.Sprintf("App%d", i)
		write(t, dir, id+".json", recipeJSON(t, id, fmt.Sprintf("https://vendor.example/%d", i)))
	}
	var log bytes.Buffer
	clock := newClock()
	s := open(t, newStore(), newWorld(t), withLines(patchsync.Options{
		Recipes: []string{dir},
		Now:     clock.Now,
		Logger:  slog.New(slog.NewTextHandler(&log, nil)),
	}))
	stop := run(t, s)
	eventually(t, "the failures", func() bool {
		clock.add(time.Second)
		return strings.Count(s.failing(), "404") == recipes
	})
	stop()
	expect(t, "titles", s.ids(), "")
	expect(t, "warnings", strings.Count(log.String(), "level=WARN"), 2)
	if want := fmt.Sprintf("more=%d recipe=folder:apps/App", recipes-1); !strings.Contains(log.String(), want) {
		t.Errorf("the log lacks %q: %s", want, log.String())
	}
}

// Options are checked when the Runner is made.
func TestRecipeFoldersAreChecked(t *testing.T) {
	mirror := patchsync.Mirror{Source: patchsync.Folder("/b/apps")}
	for name, opts := range map[string]patchsync.Options{
		"no path":        {Recipes: []string{""}},
		"one name":       {Recipes: []string{"/a/apps", "/b/apps"}},
		"a mirror's":     {Recipes: []string{"/a/apps"}, Mirrors: []patchsync.Mirror{mirror}},
		"the same twice": {Recipes: []string{"/a/apps", "/a/apps"}},
	} {
		st := newStore()
		if _, err := patchsync.New(openCatalog(t, st), st, &opts); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// A movedClock is a clock that a test moves on.
type movedClock struct{ offset atomic.Int64 }

func newClock() *movedClock { return &movedClock{} }

// Now returns the time of the clock.
func (c *movedClock) Now() time.Time { return time.Now().Add(time.Duration(c.offset.Load())) }

// add moves the clock on.
func (c *movedClock) add(d time.Duration) { c.offset.Add(int64(d)) }
