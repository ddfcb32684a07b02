//go:build unix

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth/mail"
	"github.com/patchsource/patchsource/examples/internal/trial"
	"github.com/patchsource/patchsource/httpapi/wire"
)

// A maker makes what a sample has, through the API of a server, and records what it is.
type maker struct {
	t      *testing.T
	server *server
	want   sample

	mu    sync.Mutex
	mails []string
	feed  string // is what the release feed answers
}

// Send implements mail.Mailer. It keeps the message.
func (m *maker) Send(_ context.Context, message mail.Message) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mails = append(m.mails, message.Text)
	return nil
}

// mailed waits for a mail with a match of a pattern, and returns the match. Later mails are asked first.
func (m *maker) mailed(pattern string) (found string) {
	m.t.Helper()
	eventually(m.t, 10*time.Second, "a mail with "+pattern, func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		for _, text := range slices.Backward(m.mails) {
			if found = regexp.MustCompile(pattern).FindString(text); found != "" {
				m.mails = nil
				return true
			}
		}
		return false
	})
	return found
}

// call makes a call and returns the answer, which must be a success.
func (m *maker) call(method, path, body string) []byte {
	m.t.Helper()
	status, answer := m.server.do(method, path, body)
	if status < 200 || status > 299 {
		m.t.Fatalf("%s %s: got status %d: %s", method, path, status, answer)
	}
	return answer
}

// get returns the answer to a GET.
func (m *maker) get(path string) []byte {
	m.t.Helper()
	return m.call("GET", path, "")
}

// read decodes the answer to a GET.
func (m *maker) read(path string, into any) {
	m.t.Helper()
	if err := json.Unmarshal(m.get(path), into); err != nil {
		m.t.Fatalf("%s: %v", path, err)
	}
}

// token makes a token for a request and records it under a name.
func (m *maker) token(name, request string) {
	m.t.Helper()
	var made struct {
		Secret string `json:"api_token"`
	}
	if err := json.Unmarshal(m.call("POST", "/api/v1/tokens", request), &made); err != nil {
		m.t.Fatal(err)
	}
	m.want.Tokens[name] = made.Secret
}

// as makes calls with a token of the sample.
func (m *maker) as(name string, calls func()) {
	m.t.Helper()
	before := m.server.token
	m.server.token = m.want.Tokens[name]
	calls()
	m.server.token = before
}

// change adds to the store what versions store that are later than the first sample.
func (m *maker) change() {
	m.t.Helper()
	outside := httptest.NewServer(http.HandlerFunc(m.outside))
	m.t.Cleanup(outside.Close) // after the last delivery
	m.call("POST", "/api/v1/webhooks", `{"url":"`+outside.URL+`/hook","secret":"a long secret for a sample"}`)
	m.makeTitles(outside.URL)
	m.makeTokens()
	m.makeWatch(outside.URL)
	m.makeJob()
}

// outside answers for a receiver of webhooks, a release feed and the source of a definition.
func (m *maker) outside(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch r.URL.Path {
	case "/feed":
		fmt.Fprint(w, m.feed)
	case "/definition":
		fmt.Fprint(w, trial.Definition("Source", "2", "1"))
	}
}

// makeTitles makes a title with revisions, a disabled version, a draft and a number, and one that follows a source.
func (m *maker) makeTitles(outside string) {
	m.t.Helper()
	m.call("POST", "/api/v1/title", trial.Definition("Current", "1.0"))
	for i := range 20 {
		m.call("POST", "/api/v1/title/Current/version", trial.Version(fmt.Sprint("1.", i+1)))
	}
	disabled := strings.Replace(trial.Version("2.0"), "{", `{"enabled":false,`, 1)
	m.call("POST", "/api/v1/title/Current/version", disabled)
	m.call("PUT", "/api/v1/titles/Current/draft", trial.Definition("Current", "3.0"))
	m.call("POST", "/api/v1/subscribe", `{"id":"Source","json_url":"`+outside+`/definition"}`)
	var numbered []struct {
		Number int `json:"softwareTitleId"`
		ID     string
	}
	m.read("/v2/softwaretitles", &numbered)
	for _, title := range numbered {
		if title.ID == "Current" {
			m.want.Numbered[fmt.Sprint(title.Number)] = nil
		}
	}
}

// makeTokens makes tokens of each kind, with the help of mails.
func (m *maker) makeTokens() {
	m.t.Helper()
	m.token("another administrator", `{"name":"sample","administrator":true,"never_expires":true}`)
	m.token("another editor", `{"name":"sample","never_expires":true}`)
	m.token("a title's", `{"name":"sample","titles_in_scope":["Current","Plain"],"never_expires":true}`)
	m.token("a year", `{"name":"sample","expires_in_days":365}`)
	m.as("another editor", func() { m.token("made by editor", `{"name":"sample","expires_in_days":364}`) })
	m.as("", func() {
		m.call("POST", "/api/v1/title", `{"author_name":"Ann","author_email":"ann@example.com","definition":`+
			trial.Definition("Published", "1.0")+`}`)
		m.want.Tokens["published"] = m.mailed(`pst_\w+`)
		m.call("POST", "/api/v1/contributors/register", `{"name":"sampler","email":"sampler@example.com"}`)
		m.get(m.mailed(`/api/v1/contributors/verify\S+`))
		m.want.Tokens["another contributor"] = m.mailed(`pst_\w+`)
	})
	m.as("another contributor", func() { m.call("POST", "/api/v1/title", trial.Definition("Contributed", "1.0")) })
}

// makeWatch makes a title by a recipe, with a version that its feed added and one that it proposed.
func (m *maker) makeWatch(outside string) {
	m.t.Helper()
	feed := `"feed":{"kind":"text","url":"` + outside + `/feed","match":"App (?P<version>[0-9.]+)"}`
	m.setFeed("App 1.0")
	m.call("POST", "/api/v1/recipes", `{"id":"Fed","name":"Fed","publisher":"P","appName":"Fed.app",`+
		`"bundleId":"com.example.fed","minimumOperatingSystem":"11",`+feed+`,"policy":{"mode":"add","hold":"0h"}}`)
	m.setFeed("App 1.1")
	m.call("POST", "/api/v1/titles/Fed/watch/check", "")
	m.call("PUT", "/api/v1/titles/Fed/watch", `{`+feed+`,"policy":{"mode":"propose","hold":"0h"}}`)
	m.setFeed("App 1.2")
	m.call("POST", "/api/v1/titles/Fed/watch/check", "")
	m.call("PUT", "/api/v1/titles/Fed/watch", `{`+feed+`,"policy":{"mode":"off"}}`)
}

// setFeed sets what the release feed answers.
func (m *maker) setFeed(text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.feed = text
}

// makeJob has titles imported in the background.
func (m *maker) makeJob() {
	m.t.Helper()
	r, err := http.NewRequest("POST", m.server.url+"/api/v1/titles/import",
		strings.NewReader(trial.Definition("Imported", "1.0")))
	if err != nil {
		m.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+m.server.token)
	r.Header.Set("Prefer", "respond-async")
	res, err := m.server.client.Do(r)
	if err != nil {
		m.t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 202 {
		m.t.Fatalf("an import in the background: got status %d, want 202", res.StatusCode)
	}
	eventually(m.t, 10*time.Second, "the end of the import", func() bool {
		return strings.Contains(string(m.get("/api/v1/jobs")), `"state":"done"`)
	})
}

// expect records what the sample has.
func (m *maker) expect() {
	m.t.Helper()
	m.read("/jamf/v1/software", &m.want.Software)
	m.want.Definitions, m.want.Editions = map[string]map[string]any{}, map[string]int{}
	m.want.Whole, m.want.Drafts = map[string]map[string]any{}, map[string]map[string]any{}
	for _, title := range m.want.Software {
		id := title["id"].(string)
		var definition map[string]any
		m.read("/jamf/v1/patch/"+id, &definition)
		m.want.Definitions[id] = definition
		var history struct{ Editions []struct{ Number int } }
		m.read("/api/v1/titles/"+id+"/history", &history)
		m.want.Editions[id] = len(history.Editions)
	}
	for _, id := range []string{"Plain", "Current"} {
		var whole map[string]any
		m.read("/api/v1/titles/"+id+"?disabled=1", &whole)
		m.want.Whole[id] = whole
	}
	var drafts struct{ Drafts []struct{ ID string } }
	m.read("/api/v1/drafts", &drafts)
	for _, d := range drafts.Drafts {
		var draft struct{ Definition map[string]any }
		m.read("/api/v1/titles/"+d.ID+"/draft", &draft)
		m.want.Drafts[d.ID] = draft.Definition
	}
	for number := range m.want.Numbered {
		var title map[string]any
		m.read("/v2/softwaretitles/"+number, &title)
		m.want.Numbered[number] = title
	}
	var watches struct{ Watches []map[string]any }
	m.read("/api/v1/watches", &watches)
	var proposals struct{ Proposals []proposal }
	m.read("/api/v1/proposals", &proposals)
	m.want.Watches, m.want.Proposals = watches.Watches, proposals.Proposals
	m.want.Certificates = []string{sampleCertificate}
	eventually(m.t, 20*time.Second, "the audit log and the deliveries", func() bool {
		m.want.Running = readRunning(m.t, m.server)
		r := m.want.Running
		return len(r.Audit) > 0 && r.Audit[0].Action == "titles imported" &&
			slices.ContainsFunc(r.Deliveries, func(d wire.Delivery) bool { return d.Title == "Imported" })
	})
}
