package webui_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/httpapi/webui"
)

// known returns a Look that always returns a finding.
func known(f webui.SetupFinding) func(webui.SetupVisit) webui.SetupFinding {
	return func(webui.SetupVisit) webui.SetupFinding { return f }
}

// oneStep returns a setup with one step.
func oneStep(step webui.SetupStep) *webui.Setup {
	step.ID, step.Name = "one", "First step"
	if step.Look == nil {
		step.Look = known(webui.SetupFinding{State: webui.SetupTodo, Text: "Not checked."})
	}
	return &webui.Setup{Steps: []webui.SetupStep{step}}
}

// newSetup returns a page with a setup.
func newSetup(t *testing.T, setup *webui.Setup) *webui.Options {
	t.Helper()
	return &webui.Options{API: &fakeAPI{}, Setup: setup, SignInHint: "The token is in a file."}
}

// Everything that a finding has is shown, and escaped.
func TestSetupShowsFindings(t *testing.T) {
	at := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name    string
		finding webui.SetupFinding
		texts   map[string]bool
	}{
		{
			"to do", webui.SetupFinding{State: webui.SetupTodo, Text: "Text <1>.", Fix: "Fix <2>."},
			map[string]bool{"Text &lt;1&gt;. Fix &lt;2&gt;.": true, ">to do</span>": true, "0 of 1 step done": true},
		},
		{
			"done", webui.SetupFinding{State: webui.SetupDone, Text: "Text."},
			map[string]bool{`badge good">done`: true, "1 of 1 step done": true},
		},
		{
			"warning", webui.SetupFinding{State: webui.SetupWarning, Text: "Text."},
			map[string]bool{`badge warn">warning`: true, "1 of 1 step done": true},
		},
		{
			"failed", webui.SetupFinding{State: webui.SetupFailed, Text: "Text."},
			map[string]bool{`badge bad">failed`: true, "0 of 1 step done": true},
		},
		{
			"skipped", webui.SetupFinding{State: webui.SetupSkipped, Text: "Text."},
			map[string]bool{">skipped</span>": true, "1 of 1 step done": true},
		},
		{
			"settings and facts", webui.SetupFinding{
				State: webui.SetupTodo, Text: "Text.",
				Settings: []webui.SetupFact{{Name: "Flag", Value: "--x <y>", Copy: true}},
				Facts:    []webui.SetupFact{{Name: "Port", Value: "443"}, {Name: "Read", At: at}},
			},
			map[string]bool{
				"<code>--x &lt;y&gt;</code>": true, `data-copy="--x &lt;y&gt;"`: true, "<dd>443</dd>": true,
				`datetime="2026-05-01T12:00:00Z"`: true,
			},
		},
		{
			"lines and links", webui.SetupFinding{
				State: webui.SetupFailed, Text: "Text.",
				Lines: []webui.SetupLine{{webui.SetupDone, "list", "It is."}, {webui.SetupFailed, "ids", "It is not."}},
				Links: []webui.SetupLink{{"New title", "/new"}},
			},
			map[string]bool{
				`badge good">ok</span> <code>list</code>`:  true,
				`badge bad">error</span> <code>ids</code>`: true, `href="/pp/new"`: true,
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			opts := newSetup(t, oneStep(webui.SetupStep{Look: known(test.finding), About: "About.",
				Manual: "https://m.example/#s"}))
			opts.Site = "https://patches.example.com/pp"
			w := sendAsAdmin(newPage(oneTitle(), opts), "GET", "/setup", "")
			wantPage(t, w, 200, "First step", "About.", `href="https://m.example/#s"`, `action="/pp/setup/one#one"`)
			wantTexts(t, w, test.texts)
		})
	}
}

// A result is kept with its time until what is known without the check changes.
func TestSetupKeepsResults(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	titles := "No titles."
	var got webui.SetupVisit
	opts := newSetup(t, oneStep(webui.SetupStep{
		Mailbox: true,
		Button:  "Send",
		Look: func(webui.SetupVisit) webui.SetupFinding {
			return webui.SetupFinding{State: webui.SetupTodo, Text: titles,
				Facts: []webui.SetupFact{{Name: "A", Value: "known"}}}
		},
		Check: func(_ context.Context, v webui.SetupVisit) webui.SetupFinding {
			got = v
			return webui.SetupFinding{
				State: webui.SetupDone, Text: "All is well.", Facts: []webui.SetupFact{{Name: "B", Value: "found"}},
			}
		},
	}))
	opts.Now = func() time.Time { return now }
	opts.Site = "https://patches.example.com"
	h := newPage(oneTitle(), opts)
	wantPage(t, sendAsAdmin(h, "GET", "/setup", ""), 200, "No titles.", ">known<", ">Send</button>")
	w := sendAsAdmin(h, "POST", "/setup/one", "mailbox=ann%40example.com", "Origin", "https://patches.example.com")
	wantPage(t, w, 200, "All is well.", `role="status"`, "2026-05-01 12:00 UTC", "ann@example.com", ">known<",
		">found<")
	want := webui.SetupVisit{
		Origin: "https://patches.example.com", Mailbox: "ann@example.com", Server: "patches.example.com/jamf/v1",
		Port: "443", SSL: true,
	}
	if got != want {
		t.Errorf("the check was given %+v, want %+v", got, want)
	}
	w = sendAsAdmin(h, "GET", "/setup/one", "")
	wantPage(t, w, 200, "All is well.", "2026-05-01 12:00 UTC")
	wantTexts(t, w, map[string]bool{"ann@example.com": false, `class="outcome good" role="status"`: false})
	titles = "One title."
	w = sendAsAdmin(h, "GET", "/setup", "")
	wantPage(t, w, 200, "One title.")
	wantTexts(t, w, map[string]bool{"All is well.": false, "12:00 UTC": false, ">found<": false})
}

// A step without a check looks again.
func TestSetupLooksAgain(t *testing.T) {
	state := webui.SetupTodo
	h := newPage(oneTitle(), newSetup(t, oneStep(webui.SetupStep{Look: func(webui.SetupVisit) webui.SetupFinding {
		return webui.SetupFinding{State: state, Text: "Text.", Facts: []webui.SetupFact{{Name: "A", Value: "known"}}}
	}})))
	wantPage(t, sendAsAdmin(h, "GET", "/setup", ""), 200, ">to do</span>")
	state = webui.SetupDone
	w := sendAsAdmin(h, "POST", "/setup/one", "")
	wantPage(t, w, 200, ">done</span>", "Checked")
	if n := strings.Count(w.Body.String(), ">known<"); n != 1 {
		t.Errorf("a fact is shown %d times", n)
	}
}

// Only administrators see the page, and no other site has anything checked.
func TestSetupAccess(t *testing.T) {
	checked := 0
	setup := oneStep(webui.SetupStep{Check: func(context.Context, webui.SetupVisit) webui.SetupFinding {
		checked++
		return webui.SetupFinding{State: webui.SetupDone}
	}})
	h := newPage(oneTitle(), newSetup(t, setup))
	foreign := []string{"Cookie", asAdmin, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}
	for _, test := range []struct {
		name, method, path string
		headers            []string
		status             int
		text               string
	}{
		{"anonymous", "GET", "/setup", nil, 401, "Sign in first"},
		{"anonymous, a step", "GET", "/setup/one", nil, 401, "Sign in first"},
		{"anonymous, a check", "POST", "/setup/one", nil, 401, "Sign in first"},
		{"a title token", "GET", "/setup", []string{"Cookie", "patchsource_token=title"}, 403, "Only administrators"},
		{"a title token, a check", "POST", "/setup/one", []string{"Cookie", "patchsource_token=title"}, 403, "Only"},
		{"another site", "POST", "/setup/one", foreign, 403, "another site"},
		{"no such step", "GET", "/setup/two", []string{"Cookie", asAdmin}, 404, "does not exist"},
		{"a check of no such step", "POST", "/setup/two", []string{"Cookie", asAdmin}, 404, "does not exist"},
		{"another method", "PUT", "/setup/one", []string{"Cookie", asAdmin}, 405, "does not support"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := send(h, test.method, test.path, "", test.headers...)
			wantPage(t, w, test.status, test.text)
			wantTexts(t, w, map[string]bool{"First step": false})
			if administrator := slices.Contains(test.headers, asAdmin); !administrator {
				wantTexts(t, w, map[string]bool{`href="/setup"`: false})
			}
		})
	}
	if checked != 0 {
		t.Errorf("%d checks were made", checked)
	}
	wantPage(t, sendAsAdmin(h, "GET", "/", ""), 200, `href="/setup"`) // in the menu
}

// Without a setup, there is no page.
func TestSetupIsOptional(t *testing.T) {
	h := newPage(oneTitle(), &webui.Options{API: &fakeAPI{}})
	wantPage(t, sendAsAdmin(h, "GET", "/setup", ""), 404)
	wantTexts(t, sendAsAdmin(h, "GET", "/", ""), map[string]bool{`href="/setup"`: false})
	wantPage(t, send(newPage(oneTitle(), &webui.Options{Setup: oneStep(webui.SetupStep{})}), "GET", "/setup", ""), 404)
}

// The session of an embedder decides who may see the page.
func TestSetupSession(t *testing.T) {
	for _, test := range []struct {
		name   string
		may    func(*http.Request, string, webui.Title) bool
		token  string
		status int
	}{
		{"it says yes", func(_ *http.Request, a string, _ webui.Title) bool { return a == "administer" }, "title", 200},
		{"it says no", func(_ *http.Request, a string, _ webui.Title) bool { return a != "administer" }, "admin", 403},
		{"by the kind", nil, "admin", 200},
		{"by another kind", nil, "title", 403},
	} {
		t.Run(test.name, func(t *testing.T) {
			opts := newSetup(t, oneStep(webui.SetupStep{}))
			opts.Session = &webui.Session{May: test.may}
			wantPage(t, send(newPage(oneTitle(), opts), "GET", "/setup", "", "Authorization", "Bearer "+test.token),
				test.status)
		})
	}
}

// A setup whose steps cannot be told apart is refused.
func TestInvalidSetup(t *testing.T) {
	look := known(webui.SetupFinding{})
	for name, setup := range map[string]*webui.Setup{
		"no steps": {},
		"no id":    {Steps: []webui.SetupStep{{Look: look}}},
		"a bad id": {Steps: []webui.SetupStep{{ID: "a/b", Look: look}}},
		"no look":  {Steps: []webui.SetupStep{{ID: "a"}}},
		"the same ids": {Steps: []webui.SetupStep{{ID: "a", Look: look}},
			Report: &webui.SetupStep{ID: "a", Look: look}},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := webui.New(oneTitle(), newSetup(t, setup)); err == nil {
				t.Error("there is no error")
			}
		})
	}
}

// hanging returns a setup whose check waits until release is closed, and a channel that receives when it begins.
func hanging(release <-chan struct{}) (setup *webui.Setup, began chan struct{}) {
	began = make(chan struct{}, 1)
	return oneStep(webui.SetupStep{Check: func(ctx context.Context, _ webui.SetupVisit) webui.SetupFinding {
		began <- struct{}{}
		select {
		case <-release:
		case <-ctx.Done():
		}
		return webui.SetupFinding{State: webui.SetupFailed, Text: "There was no answer."}
	}}), began
}

// A check that does not end is stopped, and the page says so.
func TestSetupTimeout(t *testing.T) {
	setup, _ := hanging(nil)
	setup.Timeout = 10 * time.Millisecond
	w := sendAsAdmin(newPage(oneTitle(), newSetup(t, setup)), "POST", "/setup/one", "")
	wantPage(t, w, 200, "There was no answer.")
}

// Only one check runs at a time.
func TestSetupIsBusy(t *testing.T) {
	release := make(chan struct{})
	setup, began := hanging(release)
	h := newPage(oneTitle(), newSetup(t, setup))
	ended := make(chan *httptest.ResponseRecorder, 1)
	go func() { ended <- sendAsAdmin(h, "POST", "/setup/one", "") }()
	<-began
	wantPage(t, sendAsAdmin(h, "POST", "/setup/one", ""), 503, "Another check is running.")
	wantPage(t, sendAsAdmin(h, "GET", "/setup", ""), 200, "Not checked.")
	close(release)
	wantPage(t, <-ended, 200, "There was no answer.")
}

// A visitor who hangs up ends the check, and nothing is kept of it.
func TestSetupHangUp(t *testing.T) {
	setup, began := hanging(nil)
	h := newPage(oneTitle(), newSetup(t, setup))
	ctx, hangUp := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r := httptest.NewRequestWithContext(ctx, "POST", "/setup/one", strings.NewReader(""))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		r.Header.Set("Cookie", asAdmin)
		h.ServeHTTP(httptest.NewRecorder(), r)
	}()
	<-began
	hangUp()
	<-ended
	wantTexts(t, sendAsAdmin(h, "GET", "/setup", ""), map[string]bool{"There was no answer.": false,
		"Not checked.": true})
}

// The first pages of a new server lead to the setup.
func TestPagesLeadToSetup(t *testing.T) {
	fresh := true
	setup := oneStep(webui.SetupStep{})
	setup.Fresh = func() bool { return fresh }
	empty := newPage(&fakeCatalog{}, newSetup(t, setup))
	const anonymous, hint = "Are you setting up this server?", "The token is in a file."
	wantPage(t, send(empty, "GET", "/", ""), 200, anonymous, `href="/signin?next=/setup"`, hint)
	wantPage(t, sendAsAdmin(empty, "GET", "/", ""), 200, "leads you through the configuration")
	wantTexts(t, send(empty, "GET", "/", "", "Cookie", "patchsource_token=title"),
		map[string]bool{anonymous: false, "leads you": false})
	wantTexts(t, send(newPage(oneTitle(), newSetup(t, setup)), "GET", "/", ""), map[string]bool{anonymous: false})
	wantTexts(t, send(newPage(&fakeCatalog{}, &webui.Options{API: &fakeAPI{}}), "GET", "/", ""),
		map[string]bool{anonymous: false})

	wantPage(t, send(empty, "GET", "/signin", ""), 200, "No administrator has signed in to this server yet.",
		`href="/setup"`,
		hint)
	fresh = false
	wantTexts(t, send(empty, "GET", "/signin", ""), map[string]bool{"No administrator has signed in": false,
		hint: true})
	setup.Fresh = nil
	wantTexts(t, send(empty, "GET", "/signin", ""), map[string]bool{"No administrator has signed in": false})
}
