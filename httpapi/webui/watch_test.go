package webui_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/httpapi/webui"
	"github.com/patchsource/patchsource/patch/recipe"
)

// A feedCatalog is a catalog whose titles can follow release feeds.
type feedCatalog struct {
	*fakeCatalog
	counts webui.FeedCounts
}

func (c feedCatalog) FeedCounts(may func(webui.Title) bool) webui.FeedCounts {
	if may(c.titles[0]) {
		return c.counts
	}
	return webui.FeedCounts{}
}

// watchedTitle returns a catalog with the title x, which follows a release feed.
func watchedTitle() feedCatalog {
	c := oneTitle()
	c.titles[0].Watched = true
	return feedCatalog{fakeCatalog: c}
}

// A feedAPI answers with a watch of the title x and with proposals.
func feedAPI(watch, proposals string) *fakeAPI {
	return &fakeAPI{answer: func(w http.ResponseWriter, r *http.Request) bool {
		switch r.Method + " " + r.URL.Path {
		case "GET /api/v1/titles/x/watch":
			if watch == "" {
				w.WriteHeader(404)
				watch = `{"message":"The title follows no release feed."}`
			}
			fmt.Fprint(w, watch)
		case "GET /api/v1/watches":
			fmt.Fprintf(w, `{"watches":[%s]}`, watch)
		case "GET /api/v1/proposals":
			fmt.Fprintf(w, `{"proposals":[%s]}`, proposals)
		default:
			return false
		}
		return true
	}}
}

const (
	watchJSON = `{"title":"x","feed":{"kind":"github","repo":"example/X"},"policy":{"mode":"%s"},` +
		`"state":{"status":"%s","failures":%d,"last_error":%s,"last_success":%s,"newest":"2.0"%s}}`
	proposalJSON = `{"id":"p1","title":"x","version":"9","versions":["9"],"reasons":["it has one part"],` +
		`"patches":[{"version":"9","releaseDate":"2026-01-02T03:04:05Z","standalone":true,"reboot":false,` +
		`"minimumOperatingSystem":"12","killApps":[],"components":[],"capabilities":[]}]}`
)

// The page of a title shows the state of its release feed in words to visitors who may change the title. Others see
// that it follows its vendor's releases.
func TestWatchStates(t *testing.T) {
	const date = `"2026-01-02T03:04:05Z"`
	for _, test := range []struct {
		name, watch string
		want        map[string]bool
	}{
		{"ok", fmt.Sprintf(watchJSON, "add", "ok", 0, "null", date, ""), map[string]bool{
			"</span> ok</span>": true, "Failing since": false, ">Pause<": true, ">Check now<": true,
			"Last error": false, "GitHub releases: example/X": true, "New versions are added.": true,
			"<dd>2.0</dd>": true,
		}},
		{"failing", fmt.Sprintf(watchJSON, "", "failing", 3, `"the server answered 500"`, date, ""), map[string]bool{
			"</span> failing</span>": true, "Failing since": true, ", 3 checks in a row": true,
			"The server answered 500.": true,
		}},
		{"paused", fmt.Sprintf(watchJSON, "off", "paused", 0, "null", date, ""), map[string]bool{
			"</span> paused</span>": true, ">Pause<": false, "Resume and propose versions": true, ">Check now<": false,
		}},
		{"silent", fmt.Sprintf(watchJSON, "propose", "ok", 0, "null", date, `,"silent":true`), map[string]bool{
			"</span> silent</span>": true, "New versions are proposed.": true,
		}},
		{"new", fmt.Sprintf(watchJSON, "", "ok", 0, "null", "null", ""), map[string]bool{
			"</span> not checked yet</span>": true,
		}},
		{"held", fmt.Sprintf(watchJSON, "", "ok", 0, "null", date,
			`,"held":[{"version":"3.0","until":`+date+`},{"version":"3.1","until":null}]`), map[string]bool{
			"3.0 until <time": true, "3.1 until more users have it": true,
		}},
		{
			"from a file", strings.Replace(fmt.Sprintf(watchJSON, "", "ok", 0, "null", date, ""), `"feed"`,
				`"source":"/r/X.recipe.json","read_only":true,"feed"`, 1), map[string]bool{
				"/r/X.recipe.json": true, "you can change it only there": true, ">Pause<": false, ">Check now<": true,
				"/watch/end": false,
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			api := feedAPI(test.watch, proposalJSON)
			h := newPage(watchedTitle(), &webui.Options{API: api})
			w := sendAsAdmin(h, "GET", "/titles/x", "")
			test.want["It has one part."] = true
			wantTexts(t, w, test.want)
			api.requests = nil
			wantTexts(t, send(h, "GET", "/titles/x", ""), map[string]bool{
				"follows its vendor’s releases": true, "example/X": false, "Release feed": false,
			})
			if len(api.requests) > 0 {
				t.Errorf("for a visitor, the API was asked %v", api.requests)
			}
		})
	}
}

// The page says why the title does not have the newest release, as far as that is known.
func TestMissingRelease(t *testing.T) {
	const date = `"2026-01-02T03:04:05Z"`
	newest := func(version, more string) string {
		return strings.Replace(fmt.Sprintf(watchJSON, "", "ok", 0, "null", date, more), `"2.0"`, `"`+version+`"`, 1)
	}
	const unknown = "“Check now” shows why"
	for _, test := range []struct {
		name, watch string
		want        map[string]bool
	}{
		{"rejected", newest("99", ""), map[string]bool{unknown: true}},
		{"held", newest("99", `,"held":[{"version":"99","until":null}]`), map[string]bool{
			"It is held back.": true, unknown: false,
		}},
		{"proposed", newest("9", ""), map[string]bool{"It is proposed.": true, unknown: false}},
		{"older", newest("0.1", ""), map[string]bool{"is older than the title’s": true, unknown: false}},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newPage(watchedTitle(), &webui.Options{API: feedAPI(test.watch, proposalJSON)})
			wantTexts(t, sendAsAdmin(h, "GET", "/titles/x", ""), test.want)
		})
	}
}

// The page of a title that was created from its feed says so until the feed is asked again.
func TestCreatedFromFeed(t *testing.T) {
	watch := fmt.Sprintf(watchJSON, "", "ok", 0, "null", "null", "")
	watch = strings.Replace(watch, `"mode":""`, `"expect":"[0-9]+","interval":"2h"`, 1)
	h := newPage(watchedTitle(), &webui.Options{API: feedAPI(watch, "")})
	wantPage(t, sendAsAdmin(h, "GET", "/titles/x?created=1", ""), 200, "just now: the title was created from the feed",
		"Versions that do not match [0-9]&#43; are proposed. The feed is checked every 2 hours.")
	wantTexts(t, sendAsAdmin(h, "GET", "/titles/x", ""), map[string]bool{"just now": false})
}

// The watch of a recipe file is shown without a form.
func TestWatchOfAFile(t *testing.T) {
	watch := strings.Replace(fmt.Sprintf(watchJSON, "", "ok", 0, "null", "null", ""), `"feed"`,
		`"source":"folder:X.json","read_only":true,"feed"`, 1)
	h := newPage(watchedTitle(), &webui.Options{API: feedAPI(watch, "")})
	wantTexts(t, sendAsAdmin(h, "GET", "/titles/x/watch", ""), map[string]bool{
		"<code>folder:X.json</code>": true, "feed-form": false, ">Save<": false,
	})
}

// The navigation counts what needs attention. Without a FeedCounter, the page does not offer release feeds.
func TestFeedLinks(t *testing.T) {
	c := watchedTitle()
	c.counts = webui.FeedCounts{Failing: 2, Proposals: 3}
	api := feedAPI("", "")
	h := newPage(c, &webui.Options{API: api})
	w := sendAsAdmin(h, "GET", "/publish", "")
	wantPage(t, w, 200, `>2<span class="hidden"> failing</span>`, `>3<span class="hidden"> waiting</span>`)
	wantTexts(t, send(h, "GET", "/publish", ""), map[string]bool{"/feeds": false, "/proposals": false})

	h = newPage(oneTitle(), &webui.Options{API: api})
	wantTexts(t, sendAsAdmin(h, "GET", "/titles/x", ""), map[string]bool{"/feeds": false, "Follow a release": false})
	h = newPage(feedCatalog{fakeCatalog: oneTitle()}, &webui.Options{API: api})
	wantPage(t, sendAsAdmin(h, "GET", "/titles/x", ""), 200, "Follow a release feed")
}

// encoded returns a form as a browser sends it. fields are names and values.
func encoded(fields ...string) string {
	form := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	return form.Encode()
}

// The form becomes a watch with the words that the kind of the feed has.
func TestWatchForm(t *testing.T) {
	for _, test := range []struct {
		name   string
		fields []string
		want   string
	}{
		{
			"github",
			[]string{
				"/feed/kind", "github", "/feed/repo", " example/X ", "/feed/tag", `^v(.*)$`, "/feed/items", "$.x",
				"/feed/channel", "beta", "/feed/parts", "3", "/feed/prereleases", "1", "/policy/hold", "2d",
			},
			`{"feed":{"kind":"github","repo":"example/X","tag":"^v(.*)$","parts":3,"prereleases":true},` +
				`"policy":{"hold":"48h"}}`,
		},
		{
			"json",
			[]string{
				"/feed/kind", "json", "/feed/url", "https://v.example/", "/feed/repo", "example/X", "/feed/fields",
				"a = $.a\r\n\r\nb=$['=']\r\n", "/policy/mode", "propose", "/policy/minRollout", "0.5",
				"/policy/patch", "{\r\n\"version\":\"{version}\"}", "/policy/backfill", "3",
			},
			`{"feed":{"kind":"json","url":"https://v.example/","fields":{"a":"$.a","b":"$['=']"}},"policy":` +
				`{"mode":"propose","minRollout":0.5,"backfill":3,"patch":{"version":"{version}"}}}`,
		},
		{
			"preset", []string{"/feed/kind", "preset", "/feed/name", "chrome", "/feed/url", "u", "/feed/as", "x"},
			`{"feed":{"kind":"preset","name":"chrome"}}`,
		},
		{
			"a kind of the embedder", []string{"/feed/kind", "own", "/feed/repo", "a", "/feed/url", "u"},
			`{"feed":{"kind":"own","repo":"a","url":"u"}}`,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			api := feedAPI("", "")
			h := newPage(watchedTitle(), &webui.Options{API: api})
			w := sendAsAdmin(h, "POST", "/titles/x/watch", encoded(test.fields...))
			if w.Code != 303 || api.lastRequest() != "PUT /api/v1/titles/x/watch admin" {
				t.Fatalf("the form has status %d; the API was asked %v: %s", w.Code, api.requests, w.Body)
			}
			var got, want any
			if err := json.Unmarshal([]byte(test.want), &want); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(api.lastBody()), &got); err != nil {
				t.Fatalf("%v: %s", err, api.lastBody())
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the page sent another watch (-want +got):\n%s", diff)
			}
		})
	}
}

// A feed that is shown in the form and sent again is the same.
func TestWatchFormKeepsFeed(t *testing.T) {
	rollout := 0.25
	all := recipe.Watch{
		Feed: recipe.Feed{
			Kind:        "json",
			URL:         "https://v.example/?token=REDACTED",
			Items:       "$.a[*]",
			Version:     "$.v",
			Build:       "$.b",
			Date:        "$.d",
			MinOS:       "$.m",
			Rollout:     "$.r",
			Fields:      map[string]string{"x": "$.x", "y": "$.y"},
			Match:       "(.*)",
			As:          "{version} ({x})",
			Pick:        "lowest",
			Parts:       2,
			Prereleases: true,
			Include:     "i",
			Exclude:     "e",
			Major:       4,
			Method:      "POST",
			UserAgent:   "curl",
			Referer:     "https://v.example/r",
		},
		Policy: recipe.Policy{
			Mode:       recipe.Propose,
			Hold:       recipe.Duration(90 * 60e9),
			MinRollout: &rollout,
			Expect:     "^[0-9]$",
			Interval:   recipe.Duration(7200e9),
			Patch:      json.RawMessage(`{"version":"{version}"}`),
		},
	}
	data, err := json.Marshal(map[string]any{"title": "x", "feed": all.Feed, "policy": all.Policy})
	if err != nil {
		t.Fatal(err)
	}
	api := feedAPI(string(data), "")
	h := newPage(watchedTitle(), &webui.Options{API: api})
	fields := feedFieldsOf(t, sendAsAdmin(h, "GET", "/titles/x/watch", "").Body.String())
	if w := sendAsAdmin(h, "POST", "/titles/x/watch", encoded(fields...)); w.Code != 303 {
		t.Fatalf("the form has status %d: %s", w.Code, w.Body)
	}
	var got recipe.Watch
	if err := json.Unmarshal([]byte(api.lastBody()), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(all, got); diff != "" {
		t.Errorf("the watch has changed (-want +got):\n%s", diff)
	}
}

// feedFieldsOf returns the fields of the form for a feed, as a browser without scripts sends them.
func feedFieldsOf(t *testing.T, page string) []string {
	t.Helper()
	fields := fieldsOf(t, strings.Replace(page, `id="feed-form"`, `id="version-form"`, 1))
	for part := range strings.SplitSeq(page, "<textarea ") {
		_, name, named := strings.Cut(part, ` name="`)
		if text, _, ok := strings.Cut(part, "</textarea>"); ok && named {
			name, _, _ = strings.Cut(name, `"`)
			fields = append(fields, name, text[strings.Index(text, ">")+1:])
		}
	}
	for i := range fields {
		fields[i] = strings.NewReplacer("&#34;", `"`, "&#39;", "'", "&#43;", "+", "&gt;", ">").Replace(fields[i])
	}
	return fields
}

// A refused watch is shown again with all values, and each failure is at its field.
func TestRefusedWatch(t *testing.T) {
	refused := func(status int, body string) *fakeAPI {
		return &fakeAPI{answer: func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == "GET" {
				return false
			}
			w.WriteHeader(status)
			fmt.Fprint(w, body)
			return true
		}}
	}
	fault := func(path string) string { return `class="fault" id="fault` + strings.ReplaceAll(path, "/", "-") + `"` }
	for _, test := range []struct {
		name, path string
		api        *fakeAPI
		fields     []string
		status     int
		want       []string
	}{
		{
			"failures", "/titles/x/watch",
			refused(400, `{"message":"The request is invalid.","errors":[{"path":"/feed/repo","message":"no repo"},
				{"path":"/feed/fields/a","message":"no path"},{"path":"/policy/expect","message":"no form"},
				{"path":"/feed","message":"no feed"}]}`),
			[]string{"/feed/kind", "own", "/feed/repo", "r", "/feed/fields", "a = b", "/policy/hold", "5h"}, 400,
			[]string{
				"The request is invalid.", fault("/feed/repo"), fault("/policy/expect"), fault("/feed/fields"),
				"a no path", `<code>/feed</code> no feed`, `value="5h"`, "a = b</textarea>",
			},
		},
		{
			"a trial", "/titles/x/watch?try=1",
			refused(400, `{"message":"Invalid.","errors":[{"path":"/recipe/feed/url","message":"no url"}]}`),
			[]string{"/feed/kind", "sparkle", "/feed/url", "u", "/feed/repo", "kept"}, 400,
			[]string{fault("/feed/url"), "The feed was not tried", `value="kept"`, `id="trial"`},
		},
		{
			"a feed that cannot be read", "/titles/x/watch?try=1",
			refused(400, `{"message":"The release feed cannot be read: 503.","error":"upstream_failure"}`),
			[]string{"/feed/kind", "sparkle", "/feed/url", "u"}, 400, []string{"cannot be read: 503.", `value="u"`},
		},
		{
			"values of another type", "/titles/x/watch", refused(500, ""),
			[]string{
				"/feed/kind", "github", "/feed/parts", "three", "/policy/hold", "week", "/policy/minRollout", "half",
				"/policy/patch", "{", "/policy/interval", "1s",
			},
			400,
			[]string{
				fault("/feed/parts"), fault("/policy/hold"), fault("/policy/minRollout"), fault("/policy/patch"),
				fault("/policy/interval"), "correct the marked fields", `value="three"`,
			},
		},
		{
			"a recipe", "/feeds/new",
			refused(400, `{"message":"Invalid.","errors":[{"path":"/bundleId","message":"no bundle"},
				{"path":"/killApps/0/bundleId","message":"no app"},{"path":"/feed/kind","message":"no kind"}]}`),
			[]string{"/name", "N", "app_name", "A.app", "app_bundle", "", "guess:/id", "Made up."}, 400,
			[]string{
				fault("/bundleId"), fault("/killApps/0/bundleId"), fault("/feed/kind"), `value="N"`, `value="A.app"`,
				"Made up.",
			},
		},
		{
			"a busy server", "/titles/x/watch", refused(503, `{"message":"Busy."}`), []string{"/feed/kind", "own"}, 503,
			[]string{"Busy."},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newPage(watchedTitle(), &webui.Options{API: test.api})
			w := sendAsAdmin(h, "POST", test.path, encoded(test.fields...))
			wantPage(t, w, test.status, test.want...)
		})
	}
}

// A trial sends the feed, stores nothing, and shows what the feed lists.
func TestTrial(t *testing.T) {
	api := answering(200, `{"releases":[{"version":"2.1b1","prerelease":true},{"version":"2.0","build":"200",
		"minimumOperatingSystem":"12","date":"2026-01-02T03:04:05Z"}],"newest":{"version":"2.0"},
		"dropped":[{"version":"1.9-beta","reason":"It is a beta."}]}`)
	h := newPage(watchedTitle(), &webui.Options{API: api})
	for _, path := range []string{"/titles/x/watch", "/feeds/new"} {
		api.requests = nil
		w := sendAsAdmin(h, "POST", path+"?try=1", encoded("/feed/kind", "github", "/feed/repo", "a/b", "/name", "N"))
		wantPage(t, w, 200, "newest stable release is <strong>2.0</strong>", "pre-release", "1.9-beta", "It is a beta.",
			`value="a/b"`)
		if diff := cmp.Diff([]string{"POST /api/v1/recipes/test"}, api.changes()); diff != "" {
			t.Errorf("%s asked the API otherwise (-want +got):\n%s", path, diff)
		}
		if !strings.Contains(api.lastBody(), `"feed":{"kind":"github","repo":"a/b"}`) {
			t.Errorf("%s sent %s", path, api.lastBody())
		}
	}
}
