package server_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/server"
	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/store/memstore"
	"github.com/patchsource/patchsource/sync/releases"
)

// A plainKind is a kind of feeds whose answers are a version a line.
type plainKind struct{}

func (plainKind) Request(f recipe.Feed, _ bool) (releases.Request, error) {
	return releases.Request{URL: f.URL}, nil
}

func (plainKind) Read(_ recipe.Feed, a releases.Answer) (found []recipe.Release, _ *releases.Request, err error) {
	for version := range strings.FieldsSeq(string(a.Body)) {
		found = append(found, recipe.Release{Version: version, Rollout: 1})
	}
	return found, nil, nil
}

// Webhooks that name the events about release feeds receive them, and the watches are those of another server over the
// same store. A program can add kinds of feeds, which are for tokens that change every title.
func TestWatchesAndTheirEvents(t *testing.T) {
	var versions atomic.Value
	versions.Store("1.0")
	feed := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(versions.Load().(string)))
	}))
	t.Cleanup(feed.Close)
	delivered := make(chan string, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		delivered <- readAll(t, r)
	}))
	t.Cleanup(receiver.Close)
	config := full(t)
	config.FeedKinds = map[string]releases.Kind{"plain": plainKind{}}
	s := open(t, config)
	admin := bearer(adminToken(t, s))
	hook := `{"url":"` + receiver.URL + `","events":["version_proposed"]}`
	if w := call(s, "POST", "/api/v1/webhooks", hook, admin); w.Code != 201 {
		t.Fatalf("got status %d: %s", w.Code, w.Body)
	}
	body := `{"id":"App","name":"App","bundleId":"com.example.app","feed":{"kind":"plain","url":"` + feed.URL + `"}}`
	if w := call(s, "POST", "/api/v1/recipes", body, admin); w.Code != 201 {
		t.Fatalf("got status %d: %s", w.Code, w.Body)
	}
	app, err := s.Catalog.Title("App")
	if err != nil {
		t.Fatal(err)
	}
	own, _, err := s.Tokens.Issue(t.Context(), auth.Grant{Kind: auth.TitleToken, Titles: []string{app.UID}})
	if err != nil {
		t.Fatal(err)
	}
	watch := `{"feed":{"kind":"plain","url":"` + feed.URL + `/other"}}`
	if w := call(s, "PUT", "/api/v1/titles/App/watch", watch, bearer(own)); w.Code != 403 {
		t.Errorf("a title's token and a kind of the program: got status %d: %s", w.Code, w.Body)
	}
	stop := start(t, s)
	versions.Store("2026.1 1.0")
	if w := call(s, "POST", "/api/v1/titles/App/watch/check", "", bearer(own)); w.Code != 200 {
		t.Fatalf("got status %d: %s", w.Code, w.Body)
	}
	var event struct {
		Event, Name, Version, Message string
		Title                         string `json:"software_title"`
	}
	if text := <-delivered; json.Unmarshal([]byte(text), &event) != nil || event.Event != "version_proposed" ||
		event.Title != "App" || event.Name != "App" || event.Version != "2026.1" || event.Message == "" {
		t.Errorf("delivered %s", text)
	}
	w := call(s, "GET", "/metrics", "", nil)
	for _, line := range []string{
		`patchsource_watches{state="ok"} 1`, "patchsource_watches_silent 0", "patchsource_proposals 1",
	} {
		if !slices.Contains(strings.Split(w.Body.String(), "\n"), line) {
			t.Errorf("the metrics lack %s", line)
		}
	}
	page := func(path, token string) string {
		cookie := func(h http.Header) { h.Set("Cookie", "patchsource_token="+token) }
		return call(s, "GET", path, "", cookie).Body.String()
	}
	for _, token := range []string{adminToken(t, s), own} {
		if text := page("/titles/App", token); !strings.Contains(text, `>1<span class="hidden"> waiting`) ||
			!strings.Contains(text, "Proposed: 2026.1") {
			t.Errorf("the page does not show the proposal: %s", text)
		}
	}
	if text := page("/titles/App", ""); !strings.Contains(text, "follows its vendor’s releases") ||
		strings.Contains(text, "2026.1") || strings.Contains(text, feed.URL) {
		t.Errorf("the page for visitors is %s", text)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	config.Mailer = nil
	again := open(t, config)
	if w := call(again, "GET", "/api/v1/titles/App/watch", "", bearer(own)); w.Code != 200 {
		t.Errorf("another server: got status %d: %s", w.Code, w.Body)
	}
}

// Without a Secret there are no webhooks, and watches work nevertheless.
func TestWatchesWithoutWebhooks(t *testing.T) {
	s := open(t, server.Config{Store: memstore.New(), AllowPrivateNetworks: true})
	w := call(s, "GET", "/api/v1/watches", "", bearer(adminToken(t, s)))
	if w.Code != 200 || strings.TrimSpace(w.Body.String()) != `{"watches":[]}` {
		t.Errorf("got status %d: %s", w.Code, w.Body)
	}
}
