package httpapi_test

import (
	"encoding/json"
	"io"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/httpapi/internal/services"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch/recipe"
)

// A watched is a public whose titles can follow release feeds.
type watched struct {
	*public
	feeds *fakeWatches
	// own is the header with a token for the title App, and other with one for Other.
	own, other []string
	// contributor is the header with a contributor's token, and editor with an editor's.
	contributor, editor []string
}

// newWatched returns a watched with the titles App and Other.
func newWatched(t *testing.T) *watched {
	t.Helper()
	p := newPublic(t, httpapi.Options{RateLimit: -1})
	w := &watched{public: p, feeds: &fakeWatches{
		titles: p.catalog, watches: map[string]recipe.Watch{}, options: map[string]httpapi.WatchOptions{},
		proposals: map[string]wire.Proposal{},
	}}
	p.handler = newHandler(t, p.catalog, &httpapi.Options{
		Tokens: p.auth, Community: services.Community(p.community), Watches: w.feeds, Logger: p.logger(), RateLimit: -1,
		Site: "https://patches.example.com",
	})
	p.create("App", "Other")
	own := func(id string) []string {
		title, err := p.catalog.Title(id)
		if err != nil {
			t.Fatal(err)
		}
		return bearer(p.token(auth.Grant{Kind: auth.TitleToken, Titles: []string{title.UID}}))
	}
	w.own, w.other = own("App"), own("Other")
	require(t, p.do("POST", "/api/v1/contributors/register", `{"name":"macman","email":"m@example.com"}`), 201)
	require(t, p.do("GET", linkIn(t, p.box.last(t)), ""), 200)
	w.contributor = bearer(tokenIn(p.box.last(t)))
	w.editor = bearer(p.token(auth.Grant{Kind: auth.Editor}))
	return w
}

const (
	appcast    = `{"feed":{"kind":"sparkle","url":"https://vendor.example/a.xml?token=hidden"}}`
	jsonWatch  = `{"feed":{"kind":"json","url":"https://vendor.example/a.json","version":"$.v"}}`
	testAnswer = `,"answer":{"status":200,"headers":{},"body":"x"}}`
)

// recipeJSON returns a recipe.
func recipeJSON(id, kind string) string {
	return `{"id":"` + id + `","name":"` + id + `","bundleId":"com.example.app","feed":{"kind":"` + kind +
		`","url":"https://vendor.example/a","version":"$.v"}}`
}

// The holder of a title's token sets, reads, checks and ends the watch of the title. The secrets of the feed are shown
// and logged to nobody, and a feed that comes back without them keeps them.
func TestWatch(t *testing.T) {
	w := newWatched(t)
	const path = "/api/v1/titles/App/watch"
	expect(t, w.do("GET", path, "", w.own...), 404, `"not_found":"App"`)
	expect(t, w.do("POST", path+"/check", "{}", w.own...), 404)
	expect(t, w.do("DELETE", path, "", w.own...), 404)
	set := w.do("PUT", path, appcast, w.own...)
	expect(t, set, 201, `"url":"https://vendor.example/a.xml?token=REDACTED"`)
	got := w.do("GET", path, "", w.own...)
	expect(t, got, 200, "REDACTED", `"status":"ok"`)
	changed := w.do("PUT", path, `{"feed":{"kind":"sparkle","url":"https://vendor.example/a.xml?token=REDACTED"},`+
		`"policy":{"mode":"off"}}`, w.own...)
	expect(t, changed, 200, `"status":"paused"`)
	if url := w.feeds.watches["App"].Feed.URL; !strings.HasSuffix(url, "?token=hidden") {
		t.Errorf("the stored URL is %s", url)
	}
	expect(t, w.do("GET", "/api/v1/watches", "", w.own...), 200, `"title":"App"`, "REDACTED")
	for _, text := range []string{set.Body.String(), got.Body.String(), changed.Body.String(), w.log.String()} {
		lacks(t, text, "hidden")
	}
	expect(t, w.do("POST", path+"/check?dry_run=1", "{}", w.own...), 200, `"added":null`)
	expect(t, w.do("POST", path+"/check", "{}", w.own...), 200, `"added":["2"]`)
	expect(t, w.do("POST", path+"/check?dry_run=perhaps", "{}", w.own...), 400)
	expect(t, w.do("DELETE", path, "", w.own...), 204)
	expect(t, w.do("GET", path, "", w.own...), 404)
}

// Only principals that may change a title have to do with its watch.
func TestWatchNeedsTheTitle(t *testing.T) {
	w := newWatched(t)
	for _, q := range []struct{ method, path string }{
		{"GET", "/api/v1/titles/App/watch"},
		{"PUT", "/api/v1/titles/App/watch"},
		{"DELETE", "/api/v1/titles/App/watch"},
		{"POST", "/api/v1/titles/App/watch/check"},
	} {
		expect(t, w.do(q.method, q.path, appcast), 401)
		expect(t, w.do(q.method, q.path, appcast, w.other...), 403)
		expect(t, w.do(q.method, q.path, appcast, w.contributor...), 403)
		expect(t, w.asAdmin(q.method, strings.Replace(q.path, "App", "Nope", 1), appcast), 404, `"title_not_found"`)
	}
	if w.feeds.asked != 0 || len(w.feeds.watches) != 0 {
		t.Errorf("%d feeds were asked, and there are the watches %v", w.feeds.asked, w.feeds.watches)
	}
}

// Kinds of feeds that can read any page are for principals that may create titles for everybody, but others may change
// the policy of such a watch.
func TestRestrictedKinds(t *testing.T) {
	w := newWatched(t)
	const path = "/api/v1/titles/App/watch"
	expect(t, w.do("PUT", path, jsonWatch, w.own...), 403, "titles for everybody")
	expect(t, w.do("PUT", path, jsonWatch, w.editor...), 201)
	if w.feeds.options["App"].Trusted {
		t.Error("an editor's watch is trusted")
	}
	expect(t, w.asAdmin("PUT", "/api/v1/titles/Other/watch", jsonWatch), 201)
	if !w.feeds.options["Other"].Trusted {
		t.Error("an administrator's watch is not trusted")
	}
	paused := strings.TrimSuffix(jsonWatch, "}") + `,"policy":{"mode":"off"}}`
	expect(t, w.do("PUT", path, paused, w.own...), 200, `"paused"`)
	expect(t, w.do("PUT", path, strings.Replace(jsonWatch, "a.json", "b.json", 1), w.own...), 403)
	tried := `{"recipe":` + jsonWatch
	expect(t, w.do("POST", "/api/v1/recipes/test", tried+"}", w.own...), 403)
	expect(t, w.do("POST", "/api/v1/recipes/test", tried+testAnswer, w.own...), 200)
	expect(t, w.do("POST", "/api/v1/recipes/test", tried+"}", w.editor...), 200)
	expect(t, w.do("POST", "/api/v1/recipes", recipeJSON("New", "json"), w.contributor...), 403)
	expect(t, w.do("POST", "/api/v1/recipes", recipeJSON("New", "json"), w.editor...), 201)
}

// A function is a body that calls it when it is read.
type function func()

func (f function) Read([]byte) (int, error) {
	f()
	return 0, io.EOF
}

// A token of a title that was deleted opens nothing, also if the id is taken again while the body of a request arrives.
func TestWatchOfALaterTitle(t *testing.T) {
	w := newWatched(t)
	remake := func() {
		if err := w.catalog.Delete(t.Context(), "App", nil); err != nil {
			t.Error(err)
		}
		w.create("App")
	}
	r := httptest.NewRequest("PUT", "/api/v1/titles/App/watch", io.MultiReader(strings.NewReader(appcast),
		function(remake)))
	r.Header.Set(w.own[0], w.own[1])
	r.Header.Set("Content-Type", "application/json")
	answer := httptest.NewRecorder()
	w.handler.ServeHTTP(answer, r)
	expect(t, answer, 404)
	if watch, ok := w.feeds.watches["App"]; ok {
		t.Errorf("the later title follows %s", watch.Feed.URL)
	}
}

// A list of proposals shows patches up to a bound on their bytes. Those that cannot be made are left out, and the
// approval says why.
func TestProposedPatches(t *testing.T) {
	w := newWatched(t)
	for _, id := range []string{"p1", "p2", "p3"} {
		w.feeds.proposals[id] = wire.Proposal{ID: id, Title: "App", Version: "3", Versions: []string{"2", "3"}}
	}
	for _, c := range []struct {
		bytes int
		fail  error
		want  int
	}{{1, nil, 3}, {1 << 20, nil, 1}, {1, recipe.ErrForm, 0}} {
		w.feeds.patchBytes, w.feeds.fail = c.bytes, c.fail
		answer := w.do("GET", "/api/v1/proposals", "", w.own...)
		require(t, answer, 200)
		var list struct {
			Proposals []struct{ Patches []json.RawMessage }
		}
		if err := json.Unmarshal(answer.Body.Bytes(), &list); err != nil {
			t.Fatal(err)
		}
		shown := 0
		for _, p := range list.Proposals {
			shown += len(p.Patches) / 2
		}
		if len(list.Proposals) != 3 || shown != c.want {
			t.Errorf("%+v: %d of %d proposals have patches", c, shown, len(list.Proposals))
		}
	}
	expect(t, w.do("POST", "/api/v1/proposals/p1/approve", "", w.own...), 400, "cannot be made")
}

// A watch that comes from a file is not changed.
func TestWatchFromAFile(t *testing.T) {
	w := newWatched(t)
	w.create("File")
	expect(t, w.asAdmin("PUT", "/api/v1/titles/File/watch", appcast), 403, "in a file")
}

// The failures of a watch are answered with their places in the body.
func TestInvalidWatch(t *testing.T) {
	w := newWatched(t)
	for body, want := range map[string]string{
		`{}`: "/feed", `{"feed":{"kind":"nope","url":"https://vendor.example/"}}`: "/feed/kind",
		`{"feed":{"kind":"sparkle"}}`:                                         "/feed/url",
		`{"feed":{"kind":"sparkle","url":"https://a/?token=REDACTED"}}`:       "/feed/url",
		`{"feed":{"kind":"sparkle","url":"https://a/"},"policy":{"hold":1}}`:  "/policy/hold",
		`{"feed":{"kind":"sparkle","url":"https://a/"},"color":"red"}`:        "/color",
		`{"feed":{"kind":"sparkle","url":"https://a/","match":"("},"no":"1"}`: "/no",
	} {
		answer := w.do("PUT", "/api/v1/titles/App/watch", body, w.own...)
		expect(t, answer, 400, `"invalid_json"`)
		if got := places(t, answer); !strings.Contains(got, want) {
			t.Errorf("%s: failures at %q, want %s", body, got, want)
		}
	}
	expect(t, w.do("PUT", "/api/v1/titles/App/watch", "{", w.own...), 400, `"invalid_json"`)
}

// The lists of watches and proposals have those of the titles that a principal may change.
func TestListsOfWatches(t *testing.T) {
	w := newWatched(t)
	w.feeds.watches["App"] = recipe.Watch{Feed: recipe.Feed{Kind: "electron"}}
	w.feeds.watches["Other"] = recipe.Watch{Policy: recipe.Policy{Mode: recipe.Off}}
	w.feeds.watches["Broken"] = recipe.Watch{Feed: recipe.Feed{Kind: "electron"}}
	w.feeds.watches["Gone"] = recipe.Watch{Feed: recipe.Feed{Kind: "electron"}}
	w.feeds.proposals["p1"] = wire.Proposal{ID: "p1", Title: "App", Version: "3", Versions: []string{"2", "3"}}
	w.feeds.proposals["p2"] = wire.Proposal{ID: "p2", Title: "Other", Version: "4", Versions: []string{"4"}}
	for _, c := range []struct {
		path   string
		header []string
		want   string
	}{
		{"/api/v1/watches", bearer(w.admin), "App Broken Other"},
		{"/api/v1/watches", w.editor, "App Broken Other"},
		{"/api/v1/watches", w.own, "App"},
		{"/api/v1/watches", w.contributor, ""},
		{"/api/v1/watches?state=paused", w.editor, "Other"},
		{"/api/v1/watches?state=paused", w.own, ""},
		{"/api/v1/watches?state=failing", w.editor, "Broken"},
		{"/api/v1/watches?state=failing", w.own, ""},
		{"/api/v1/proposals", w.editor, "App Other"},
		{"/api/v1/proposals", w.other, "Other"},
		{"/api/v1/proposals", w.contributor, ""},
	} {
		answer := w.do("GET", c.path, "", c.header...)
		require(t, answer, 200)
		var body struct {
			Watches, Proposals []struct{ Title string }
		}
		if err := json.Unmarshal(answer.Body.Bytes(), &body); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, one := range append(body.Watches, body.Proposals...) {
			got = append(got, one.Title)
		}
		slices.Sort(got)
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s has %q, want %q", c.path, got, c.want)
		}
	}
	expect(t, w.do("GET", "/api/v1/watches", ""), 401)
	expect(t, w.do("GET", "/api/v1/proposals", ""), 401)
	expect(t, w.asAdmin("GET", "/api/v1/watches?state=ill", ""), 400, "failing")
}

// A proposal is approved or rejected by a principal that may change its title.
func TestProposals(t *testing.T) {
	w := newWatched(t)
	w.feeds.proposals["p1"] = wire.Proposal{ID: "p1", Title: "App", Version: "3", Versions: []string{"2", "3"}}
	w.feeds.proposals["p2"] = wire.Proposal{ID: "p2", Title: "App", Version: "4", Versions: []string{"4"}}
	w.feeds.proposals["p3"] = wire.Proposal{ID: "p3", Title: "App", Version: "6", Versions: []string{"5", "6"}}
	for _, verb := range []string{"approve", "reject"} {
		expect(t, w.do("POST", "/api/v1/proposals/p1/"+verb, ""), 401)
		expect(t, w.do("POST", "/api/v1/proposals/p1/"+verb, "", w.other...), 403)
		expect(t, w.do("POST", "/api/v1/proposals/p9/"+verb, "", w.own...), 404, `"not_found"`)
	}
	expect(t, w.do("POST", "/api/v1/proposals/p1/approve", "{}", w.own...), 200, "Versions '2', '3' added")
	expect(t, w.do("POST", "/api/v1/proposals/p2/reject", "", w.own...), 200, "Version '4' rejected; it will")
	expect(t, w.do("POST", "/api/v1/proposals/p3/reject", "", w.own...), 200, "Versions '5', '6' rejected; they will")
	if len(w.feeds.proposals) != 0 {
		t.Errorf("the proposals %v are left", w.feeds.proposals)
	}
}
