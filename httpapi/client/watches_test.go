package client_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/patchsource/patchsource/httpapi/client"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch/recipe"
)

// A feed serves the versions that it has as the releases of a JSON document.
type feed struct {
	*httptest.Server
	versions atomic.Pointer[[]string]
}

func serveFeed(t *testing.T, versions ...string) *feed {
	f := &feed{}
	f.set(versions...)
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(f.body()))
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *feed) set(versions ...string) { f.versions.Store(&versions) }

func (f *feed) body() string {
	return `{"versions":["` + strings.Join(*f.versions.Load(), `","`) + `"]}`
}

// recipe returns a recipe whose title follows the feed.
func (f *feed) recipe(id string) *recipe.Recipe {
	return &recipe.Recipe{ID: id, Name: id, BundleID: "com.example." + id, Feed: recipe.Feed{
		Kind: "json", URL: f.URL + "/feed?token=hidden", Items: "$.versions[*]", Version: "$",
	}}
}

// watch returns a client of a new server with the title App, which was created from a recipe, and the title's feed.
func watch(t *testing.T) (*client.Client, *feed) {
	t.Helper()
	c, f := connect(t), serveFeed(t, "1.9", "1.10")
	if a, err := c.CreateFromRecipe(t.Context(), f.recipe("App")); err != nil || a.ID != "App" {
		t.Fatalf("CreateFromRecipe returned %+v, %v", a, err)
	}
	return c, f
}

// A title that was created from a recipe takes over the versions of its feed.
func TestCheckWatch(t *testing.T) {
	ctx := t.Context()
	c, f := watch(t)
	if err := errOf(c.CreateFromRecipe(ctx, f.recipe("app"))); !errors.Is(err, client.ErrConflict) {
		t.Errorf("a second CreateFromRecipe returned %v, want ErrConflict", err)
	}
	f.set("1.11", "1.10")
	dry, err := c.CheckWatch(ctx, "App", &client.CheckOptions{DryRun: true})
	if err != nil || len(dry.Added) != 0 || len(dry.WouldAdd) != 1 || dry.WouldAdd[0].Version != "1.11" {
		t.Errorf("CheckWatch of a dry run returned %+v, %v", dry, err)
	}
	check, err := c.CheckWatch(ctx, "App", nil)
	if err != nil || !slices.Equal(check.Added, []string{"1.11"}) || check.Newest.Version != "1.11" {
		t.Errorf("CheckWatch returned %+v, %v", check, err)
	}
}

// Versions of another form wait for a person.
func TestProposals(t *testing.T) {
	ctx := t.Context()
	c, f := watch(t)
	f.set("2026.1", "2025.9.1")
	if check, err := c.CheckWatch(ctx, "App", nil); err != nil || check.Proposal == nil || len(check.Added) != 0 {
		t.Fatalf("CheckWatch returned %+v, %v", check, err)
	}
	waiting, err := c.Proposals(ctx)
	if err != nil || len(waiting) != 1 || waiting[0].Version != "2026.1" || len(waiting[0].Reasons) == 0 {
		t.Fatalf("Proposals returned %+v, %v", waiting, err)
	}
	if _, err := c.Approve(ctx, waiting[0].ID); err != nil {
		t.Error(err)
	}
	if err := errOf(c.Reject(ctx, waiting[0].ID)); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("Reject of an approved proposal returned %v, want ErrNotFound", err)
	}
	if def, _, err := c.Definition(ctx, "App"); err != nil || def.Patches[0].Version != "2026.1" {
		t.Errorf("the title is %+v, %v", def, err)
	}
}

// The policy is changed with the feed as it was shown, without secrets.
func TestSetWatch(t *testing.T) {
	ctx := t.Context()
	c, _ := watch(t)
	w, err := c.Watch(ctx, "App")
	if err != nil || w.Title != "App" || w.State.Status != wire.WatchOK || strings.Contains(w.Feed.URL, "hidden") {
		t.Fatalf("Watch returned %+v, %v", w, err)
	}
	w, err = c.SetWatch(ctx, "App", recipe.Watch{Feed: w.Feed, Policy: recipe.Policy{Mode: recipe.Off}})
	if err != nil || w.State.Status != wire.WatchPaused {
		t.Errorf("SetWatch returned %+v, %v", w, err)
	}
	for state, want := range map[string]int{"": 1, wire.WatchPaused: 1, wire.WatchFailing: 0} {
		if all, err := c.Watches(ctx, state); err != nil || len(all) != want {
			t.Errorf("Watches of the state %q returned %+v, %v; want %d", state, all, err, want)
		}
	}
	if err := c.EndWatch(ctx, "App"); err != nil {
		t.Error(err)
	}
	if err := errOf(c.Watch(ctx, "App")); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("Watch after EndWatch returned %v, want ErrNotFound", err)
	}
}

// A feed that fails is part of the result of a check, without the secrets of its address.
func TestCheckOfAFeedThatFails(t *testing.T) {
	ctx := t.Context()
	c, f := watch(t)
	f.Close()
	check, err := c.CheckWatch(ctx, "App", nil)
	if err != nil || check.Error == nil || check.State.Failures != 1 || check.State.Status != wire.WatchFailing {
		t.Fatalf("CheckWatch returned %+v, %v", check, err)
	}
	if strings.Contains(check.Message+*check.Error+*check.State.LastError, "hidden") {
		t.Errorf("the result shows a secret: %+v", check)
	}
	if all, err := c.Watches(ctx, wire.WatchFailing); err != nil || len(all) != 1 {
		t.Errorf("Watches that fail: %+v, %v", all, err)
	}
}

func TestRecipes(t *testing.T) {
	ctx, c := t.Context(), connect(t)
	f := serveFeed(t, "1.9", "1.10", "2.0-beta1")
	for _, answer := range []*wire.RecipeAnswer{nil, {Body: f.body()}} {
		got, err := c.TestRecipe(ctx, wire.RecipeTest{Recipe: recipe.Recipe{Feed: f.recipe("").Feed}, Answer: answer})
		if err != nil || got.Newest == nil || got.Newest.Version != "1.10" {
			t.Errorf("TestRecipe returned %+v, %v", got, err)
		}
	}
	_, err := c.TestRecipe(ctx, wire.RecipeTest{Recipe: recipe.Recipe{Feed: recipe.Feed{Kind: "nope"}}})
	var failed *client.Error
	if !errors.As(err, &failed) || len(failed.Failures) == 0 || failed.Failures[0].Path != "/recipe/feed/kind" {
		t.Errorf("TestRecipe of an invalid recipe returned %v", err)
	}
	draft, err := c.DraftRecipe(ctx, wire.DraftRequest{App: &wire.DraftApp{
		InfoPlist: wire.Document(`<plist version="1.0"><dict><key>CFBundleIdentifier</key>` +
			`<string>com.example.app</string><key>CFBundleName</key><string>Example</string></dict></plist>`),
	}})
	if err != nil || draft.Recipe.BundleID != "com.example.app" || !slices.Contains(draft.Gaps, "/feed") {
		t.Errorf("DraftRecipe returned %+v, %v", draft, err)
	}
}
