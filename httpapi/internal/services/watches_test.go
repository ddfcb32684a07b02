package services_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/httpapi/internal/services"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/store/memstore"
	patchsync "github.com/patchsource/patchsource/sync"
)

// A page is a transport that answers every request with the same status and body.
type page struct {
	status int
	body   string
}

func (p *page) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: p.status, Body: io.NopCloser(strings.NewReader(p.body)), Request: r}, nil
}

// newWatches returns watches whose feeds answer with a body, over a catalog with the title App.
func newWatches(t *testing.T, body string) (httpapi.Watches, *patchsync.Watches) {
	t.Helper()
	return watchesOf(t, &page{200, body})
}

// watchesOf returns watches whose feeds answer with a page, over a catalog with the title App.
func watchesOf(t *testing.T, p *page) (httpapi.Watches, *patchsync.Watches) {
	t.Helper()
	s := memstore.New()
	titles, err := catalog.Open(t.Context(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = titles.Close() })
	def, err := jsonRecipe("App").Definition([]recipe.Release{{Version: "1.0"}}, titles.Changed())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := titles.Create(t.Context(), def, nil); err != nil {
		t.Fatal(err)
	}
	runner, err := patchsync.New(titles, s, &patchsync.Options{Transport: p})
	if err != nil {
		t.Fatal(err)
	}
	return services.Watches(runner.Watches()), runner.Watches()
}

// jsonRecipe returns a recipe whose feed is an array of versions.
func jsonRecipe(id string) *recipe.Recipe {
	return &recipe.Recipe{ID: id, Name: id, BundleID: "com.example." + id, Feed: recipe.Feed{
		Kind: "json", URL: "https://vendor.example/v?token=hidden", Items: "$[*]", Version: "$",
	}}
}

// The errors of package sync are those of package httpapi, and the failures of what a feed lists are the feed's.
func TestWatchErrors(t *testing.T) {
	ctx := t.Context()
	watches, _ := newWatches(t, "<html>")
	_, err := watches.Watch("App")
	fails(t, err, httpapi.ErrNotWatched)
	_, err = watches.Watch("Nope")
	fails(t, err, catalog.ErrNotFound)
	fails(t, watches.End(ctx, "App", ""), httpapi.ErrNotWatched)
	_, err = watches.Check(ctx, "App", "", false)
	fails(t, err, httpapi.ErrNotWatched)
	_, err = watches.Proposal("nope")
	fails(t, err, httpapi.ErrNoProposal)
	_, err = watches.Approve(ctx, "nope", "")
	fails(t, err, httpapi.ErrNoProposal)
	fails(t, watches.Reject(ctx, "nope", ""), httpapi.ErrNoProposal)
	_, err = watches.First(ctx, jsonRecipe("New"), false)
	fails(t, err, httpapi.ErrFeed)
	_, err = watches.Try(ctx, jsonRecipe("New").Feed, &wire.RecipeAnswer{Body: "[]"}, false)
	fails(t, err, httpapi.ErrFeed)
	fails(t, watches.Validate(recipe.Watch{Feed: recipe.Feed{Kind: "nope"}}), patch.ErrInvalid)
	if !watches.Restricted(jsonRecipe("New").Feed) || watches.Restricted(recipe.Feed{Kind: "sparkle"}) {
		t.Error("feeds of the kind json are restricted, and those of the kind sparkle are not")
	}
}

// A watch keeps its trust when its policy changes, whoever changes it, and loses it with its feed: an administrator who
// pauses the watch of another did not choose the repository that it reads. Its secrets are not shown.
func TestTrustInAWatch(t *testing.T) {
	ctx := t.Context()
	watches, inner := newWatches(t, `["1.0"]`)
	set := func(w recipe.Watch, trusted, want bool) {
		t.Helper()
		if err := watches.Set(ctx, "App", w, httpapi.WatchOptions{Trusted: trusted, By: "x"}); err != nil {
			t.Fatal(err)
		}
		if s, err := inner.State("App"); err != nil || s.Trusted != want {
			t.Errorf("the watch is %+v, %v; want trusted %v", s, err, want)
		}
	}
	watch := jsonRecipe("App").Watch()
	set(watch, false, false)
	set(watch, true, false)
	watch.Policy.Mode = recipe.Off
	set(watch, true, false)
	if err := watches.End(ctx, "App", ""); err != nil {
		t.Fatal(err)
	}
	set(watch, true, true)
	shown, err := watches.Watch("App")
	if err != nil || strings.Contains(shown.Feed.URL, "hidden") {
		t.Fatalf("the watch is shown as %+v, %v", shown, err)
	}
	set(recipe.Watch{Feed: shown.Feed, Policy: recipe.Policy{Mode: recipe.Propose}}, false, true)
	shown.Feed.Version = "$.version"
	set(recipe.Watch{Feed: shown.Feed}, false, false)
	shown.Feed.Version = "$"
	set(recipe.Watch{Feed: shown.Feed}, true, true)
}

// The result of a check says in sentences what happened.
func TestCheckMessages(t *testing.T) {
	for _, c := range []struct {
		body   string
		policy recipe.Policy
		dryRun bool
		want   string
	}{
		{`["1.1"]`, recipe.Policy{}, true, "Would be added: 1.1."},
		{`["1.1"]`, recipe.Policy{}, false, "Added: 1.1."},
		{`["1.1"]`, recipe.Policy{Mode: recipe.Propose}, false, "For a person to decide: 1.1."},
		{`["1.1"]`, recipe.Policy{Hold: recipe.Duration(1e15)}, false, "Held back: 1.1."},
		{`["1.0"]`, recipe.Policy{}, false, "."},
		{`<html>`, recipe.Policy{}, false, "cannot be read"},
	} {
		watches, _ := newWatches(t, c.body)
		watch := recipe.Watch{Feed: jsonRecipe("App").Feed, Policy: c.policy}
		if err := watches.Set(t.Context(), "App", watch, httpapi.WatchOptions{}); err != nil {
			t.Fatal(err)
		}
		got, err := watches.Check(t.Context(), "App", "", c.dryRun)
		if err != nil || !strings.Contains(got.Message, c.want) || strings.Contains(got.Message, "hidden") {
			t.Errorf("%s: got %q, %v; want %q", c.body, got.Message, err, c.want)
		}
	}
}

// TestDryRunOfABrokenFeed checks that a dry run reports the error of the answer that it gets. The state keeps the error
// of the last check.
func TestDryRunOfABrokenFeed(t *testing.T) {
	p := &page{200, `["1.0"]`}
	watches, _ := watchesOf(t, p)
	if err := watches.Set(t.Context(), "App", jsonRecipe("App").Watch(), httpapi.WatchOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		status int
		dryRun bool
		want   string
	}{{404, true, "404"}, {503, false, "503"}, {404, true, "404"}} {
		p.status = c.status
		got, err := watches.Check(t.Context(), "App", "", c.dryRun)
		if err != nil || got.Error == nil || !strings.Contains(*got.Error, c.want) ||
			!strings.Contains(got.Message, c.want) || strings.Contains(got.Message, "hidden") {
			t.Errorf("%+v: got the error %s in %+v, %v", c, deref(got.Error), got, err)
		}
	}
	p.status = 200
	if got, err := watches.Check(t.Context(), "App", "", true); err != nil || got.Error != nil {
		t.Errorf("a dry run of the repaired feed: got the error %s, %v", deref(got.Error), err)
	}
}

// deref returns a text, "none" if there is none.
func deref(s *string) string {
	if s == nil {
		return "none"
	}
	return *s
}
