package httpapi_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/patchsource/patchsource/httpapi"
)

// A recipe creates its title with the versions of the feed, and the title follows the feed.
func TestCreateFromRecipe(t *testing.T) {
	w := newWatched(t)
	expect(t, w.do("POST", "/api/v1/recipes", recipeJSON("New", "sparkle")), 401)
	expect(t, w.do("POST", "/api/v1/recipes", recipeJSON("New", "sparkle"), w.own...), 403)
	if w.feeds.asked != 0 {
		t.Errorf("%d feeds were asked for principals that may not create titles", w.feeds.asked)
	}
	expect(t, w.asAdmin("POST", "/api/v1/recipes", recipeJSON("New", "sparkle")), 201, `"id":"New"`)
	if _, ok := w.feeds.watches["New"]; !ok || !w.feeds.trusted || !w.feeds.options["New"].Trusted {
		t.Errorf("there are the watches %v, trusted %v", w.feeds.watches, w.feeds.trusted)
	}
	expect(t, w.do("GET", "/jamf/v1/patch/New", ""), 200)
	// A contributor's title has the contributor's name.
	expect(t, w.do("POST", "/api/v1/recipes", recipeJSON("New", "sparkle"), w.contributor...), 201, `"id":"New_macman"`)
	if _, ok := w.feeds.watches["New_macman"]; !ok || w.feeds.trusted || w.feeds.options["New_macman"].Trusted {
		t.Errorf("there are the watches %v, trusted %v", w.feeds.watches, w.feeds.trusted)
	}
	// An id that is taken is found before the feed is asked.
	asked := w.feeds.asked
	expect(t, w.asAdmin("POST", "/api/v1/recipes", recipeJSON("new", "sparkle")), 409, `"database_conflict":"New"`,
		"PUT /api/v1/titles/New/watch")
	expect(t, w.do("POST", "/api/v1/recipes", recipeJSON("New", "sparkle"), w.contributor...), 409, "New_macman")
	if w.feeds.asked != asked {
		t.Errorf("%d feeds were asked in vain", w.feeds.asked-asked)
	}
	expect(t, w.do("GET", "/api/v1/titles/New/watch", "", w.contributor...), 200, `"title":"New_macman"`)
}

// A recipe whose feed cannot be read creates no title, and one that is invalid asks no feed.
func TestRecipeWithoutATitle(t *testing.T) {
	w := newWatched(t)
	for _, body := range []string{
		recipeJSON("Bad", "nope"),
		`{"id":"Bad","name":"Bad","bundleId":"b","feed":{"kind":"text","url":"https://a/","match":"("}}`,
		`{"id":"Bad","name":"Bad","bundleId":"b","feed":{"kind":"sparkle"}}`,
	} {
		expect(t, w.asAdmin("POST", "/api/v1/recipes", body), 400, `"path":"/feed/`)
	}
	expect(t, w.asAdmin("POST", "/api/v1/recipes", `{"id":"Bad"}`), 400, `"path":"/name"`, `"path":"/feed`)
	if w.feeds.asked != 0 {
		t.Errorf("%d feeds were asked", w.feeds.asked)
	}
	w.feeds.fail = fmt.Errorf("%w: it has no version", httpapi.ErrFeed)
	expect(t, w.asAdmin("POST", "/api/v1/recipes", recipeJSON("Bad", "sparkle")), 400, `"upstream_failure"`,
		"The release feed cannot be read: it has no version. Nothing was changed.")
	expect(t, w.do("GET", "/jamf/v1/patch/Bad", ""), 404)
	w.feeds.fail = errors.New("secret")
	answer := w.asAdmin("POST", "/api/v1/recipes", recipeJSON("Bad", "sparkle"))
	expect(t, answer, 500)
	lacks(t, answer.Body.String(), "secret")
	// A watch that cannot be written withdraws the title.
	w.feeds.fail = nil
	expect(t, w.asAdmin("POST", "/api/v1/recipes", recipeJSON("File", "sparkle")), 403)
	expect(t, w.do("GET", "/jamf/v1/patch/File", ""), 404)
	if w.feeds.undone != 1 {
		t.Errorf("the watch was undone %d times, want once", w.feeds.undone)
	}
}

// Any token tries a recipe. The rest of the recipe may be missing, and the failures have their places in the body.
func TestTryRecipe(t *testing.T) {
	w := newWatched(t)
	const path = "/api/v1/recipes/test"
	expect(t, w.do("POST", path, `{"recipe":`+appcast+testAnswer), 401)
	expect(t, w.do("POST", path, `{"recipe":`+appcast+testAnswer, w.own...), 200, `"newest":{"version":"2"`)
	if w.feeds.asked != 0 || w.feeds.trusted {
		t.Errorf("%d feeds were asked, trusted %v", w.feeds.asked, w.feeds.trusted)
	}
	expect(t, w.do("POST", path, `{"recipe":`+appcast+`}`, w.own...), 200)
	if w.feeds.asked != 1 {
		t.Errorf("%d feeds were asked, want one", w.feeds.asked)
	}
	for body, want := range map[string]string{
		`{}`: "/recipe",
		`{"recipe":{"feed":{"kind":"nope","url":"https://a/"}}}`:                     "/recipe/feed/kind",
		`{"recipe":{"feed":{"kind":"sparkle","url":"https://a/?key=REDACTED"}}}`:     "/recipe/feed/url",
		`{"recipe":{"feed":{"kind":"text","url":"https://a/","match":"("}}}`:         "/recipe/feed/match",
		`{"recipe":{"feed":{"kind":"sparkle","url":"https://a/"}},"answer":"x"}`:     "/answer",
		`{"recipe":{"feed":{"kind":"sparkle","url":"https://a/"},"policy":{"a":1}}}`: "/recipe/policy/a",
		`{"recipe":"x"}`:                         "/recipe",
		`{"recipe":{"feed":{"kind":"sparkle"}}}`: "/recipe/feed/url",
	} {
		answer := w.do("POST", path, body, w.own...)
		expect(t, answer, 400)
		if got := places(t, answer); got != want {
			t.Errorf("%s: failures at %q, want %s", body, got, want)
		}
	}
	expect(t, w.do("POST", path, appcast, w.own...), 400, `is missing: wrap the recipe: {\"recipe\": {…}}`)
	w.feeds.fail = fmt.Errorf("%w: it is HTML", httpapi.ErrFeed)
	expect(t, w.do("POST", path, `{"recipe":`+appcast+testAnswer, w.own...), 400, "it is HTML")
}

// A recipe is drafted from a cask or from an application by any token, and nothing is stored.
func TestDraftRecipe(t *testing.T) {
	w := newWatched(t)
	const path = "/api/v1/recipes/draft"
	cask := `{"token":"rectangle","name":["Rectangle"],"version":"0.89",` +
		`"url":"https://github.com/rxhanson/Rectangle/releases/download/v0.89/Rectangle0.89.dmg",` +
		`"artifacts":[{"app":["Rectangle.app"]}]}`
	app := `{"info_plist":"<plist version=\"1.0\"><dict><key>CFBundleIdentifier</key><string>com.example.app</string>` +
		`<key>CFBundleName</key><string>Example</string><key>SUFeedURL</key>` +
		`<string>https://vendor.example/appcast.xml</string></dict></plist>","app_name":"Example.app"}`
	expect(t, w.do("POST", path, `{"cask":`+cask+`}`), 401)
	expect(t, w.do("POST", path, `{"cask":`+cask+`}`, w.own...), 200, `"repo":"rxhanson/Rectangle"`, `"gaps":[`)
	expect(t, w.do("POST", path, `{"app":`+app+`}`, w.own...), 200, `"kind":"sparkle"`, `"guesses":[`)
	expect(t, w.do("POST", path, cask, w.own...), 400, `is missing: wrap the cask: {\"cask\": {…}}, or `)
	for body, want := range map[string]string{
		`{}`:                             "/cask",
		`{"cask":` + cask + `,"app":{}}`: "/app",
		`{"app":{"info_plist":"x"}}`:     "/app/info_plist",
		`{"app":{"info_plist":{}}}`:      "/app/info_plist",
		`{"cask":{"token":1}}`:           "/cask",
	} {
		answer := w.do("POST", path, body, w.own...)
		expect(t, answer, 400)
		if got := places(t, answer); got != want {
			t.Errorf("%s: failures at %q, want %s", body, got, want)
		}
	}
}
