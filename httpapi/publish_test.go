package httpapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/httpapi"
)

// An author publishes a title, gets its token by mail, and changes the title with it.
func TestPublish(t *testing.T) {
	p := newPublic(t, httpapi.Options{RateLimit: -1})
	w := p.do("POST", "/api/v1/title", publication("Ann Lee", "ann@example.com", "Xcode"))
	require(t, w, 201)
	expect(t, w, 201, `"id":"Xcode_Ann_Lee","name":"Xcode App (Ann Lee)"`)
	if strings.Contains(w.Body.String(), "pst_") {
		t.Errorf("the answer has the token: %s", w.Body)
	}
	token := "Bearer " + tokenIn(p.box.last(t))
	expect(t, p.do("POST", "/api/v1/title/Xcode_Ann_Lee/version", versionJSON("2"), "Authorization", token), 201)
	w = p.do("GET", "/api/v1/titles?author=ann%20lee", "")
	expect(t, w, 200, `"author":"Ann Lee"`)
	if strings.Contains(w.Body.String(), "mailbox") || strings.Contains(w.Body.String(), "hash") {
		t.Errorf("the list has the hash of the address: %s", w.Body)
	}
}

func TestPublishRefuses(t *testing.T) {
	p := newPublic(t, httpapi.Options{RateLimit: -1})
	require(t, p.do("POST", "/api/v1/title", publication("Ann Lee", "ann@example.com", "Xcode")), 201)
	wrong := strings.Replace(publication("A", "a@b.cc", "A"), `"Example"`, "7", 1)
	both := strings.Replace(publication("A", "a@b.cc", "A"), "{", `{"definition_url":"https://vendor.example/d",`, 1)
	for _, c := range []struct {
		name, body string
		status     int
		places     string
	}{
		{"published before", publication("Ann Lee", "ann@example.com", "Xcode"), 409, ""},
		{"only a name", `{"author_name":"A"}`, 400, "/author_email /definition"},
		{
			"wrong types", `{"author_name":1,"author_email":null,"definition":"x"}`, 400,
			"/author_name /author_email /definition",
		},
		{"blank author", publication("  ", "ann@example.com", "A"), 400, "/author_name"},
		{"no address", publication("A", "a@b", "A"), 400, "/author_email"},
		{"invalid definition", wrong, 400, "/definition/publisher"},
		{"empty URL", `{"author_name":"A","author_email":"a@b.cc","definition_url":""}`, 400, "/definition_url"},
		{"wrong URL", `{"author_name":"A","author_email":"a@b.cc","definition_url":7}`, 400, "/definition_url"},
		{"URL and definition", both, 400, "/definition_url"},
		{"duplicate member", `{"author_name":"A","author_name":"A"}`, 400, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := p.do("POST", "/api/v1/title", c.body)
			expect(t, w, c.status)
			if got := places(t, w); got != c.places {
				t.Errorf("got failures at %q, want %q", got, c.places)
			}
		})
	}
	if p.catalog.Len() != 1 {
		t.Errorf("got %d titles, want 1", p.catalog.Len())
	}
}

// If the mail cannot be sent, nothing is published, and the cause is not shown.
func TestPublishWithoutMail(t *testing.T) {
	p := newPublic(t, httpapi.Options{RateLimit: -1})
	p.box.fail = fmt.Errorf("hunter2: %w", context.DeadlineExceeded)
	w := p.do("POST", "/api/v1/title", publication("Bob", "bob@example.com", "Xcode"))
	expect(t, w, 502, `"mail_failure"`)
	if strings.Contains(w.Body.String(), "hunter2") || p.catalog.Len() != 0 {
		t.Errorf("got %d titles and the answer %s", p.catalog.Len(), w.Body)
	}
}

func TestWithoutCommunity(t *testing.T) {
	b := withTokens(t)
	expect(t, b.do("POST", "/api/v1/title", publication("Ann", "ann@example.com", "Xcode")), 403, "token")
	expect(t, b.do("POST", "/api/v1/title/Xcode/token", `{"author_email":"ann@example.com"}`), 403, "token")
	register := `{"name":"ann","email":"ann@example.com"}`
	expect(t, b.do("POST", "/api/v1/contributors/register", register), 404)
}

// An author who lost the token gets another one by mail. The answer is the same for every address. The first use of the
// new token revokes the old one.
func TestLostTitleToken(t *testing.T) {
	p := newPublic(t, httpapi.Options{RateLimit: -1})
	p.create("Plain")
	require(t, p.do("POST", "/api/v1/title", publication("Ann", "ann@example.com", "Xcode")), 201)
	first := tokenIn(p.box.last(t))
	var answers []string
	for _, address := range []string{"another@example.com", "ann@example.com"} {
		w := p.do("POST", "/api/v1/title/Xcode_Ann/token", `{"author_email":"`+address+`"}`)
		expect(t, w, 202)
		answers = append(answers, fmt.Sprint(w.Code, w.Header(), w.Body))
	}
	if answers[0] != answers[1] {
		t.Errorf("the answers differ:\n%s\n%s", answers[0], answers[1])
	}
	// A title that was created with a token has no author.
	expect(t, p.do("POST", "/api/v1/title/Plain/token", `{"author_email":"ann@example.com"}`), 202)
	if err := p.community.Close(); err != nil { // it waits for the mails
		t.Fatal(err)
	}
	if n := len(p.box.messages); n != 2 {
		t.Fatalf("got %d mails, want 2", n)
	}
	second := tokenIn(p.box.last(t))
	w := p.do("POST", "/api/v1/title/Xcode_Ann/token", "{}", "Authorization", "Bearer "+second)
	require(t, w, 201)
	var exchanged struct {
		Token string `json:"api_token"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &exchanged); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		token  string
		status int
	}{{first, 401}, {second, 401}, {exchanged.Token, 204}} {
		expect(t, p.do("DELETE", "/api/v1/title/Xcode_Ann", "", "Authorization", "Bearer "+c.token), c.status)
	}
}

func TestTitleTokenRefuses(t *testing.T) {
	p := newPublic(t, httpapi.Options{RateLimit: -1})
	p.create("Plain")
	for _, c := range []struct {
		path, body, token string
		status            int
	}{
		{"/api/v1/title/Nope/token", `{"author_email":"ann@example.com"}`, "", 404},
		{"/api/v1/title/Plain/token", `{"author_email":"nobody"}`, "", 400},
		{"/api/v1/title/Plain/token", `{}`, "", 400},
		{"/api/v1/title/Plain/token", `{}`, p.admin, 403},
		{"/api/v1/title/Plain/token", `{}`, "x", 401},
	} {
		var header []string
		if c.token != "" {
			header = []string{"Authorization", "Bearer " + c.token}
		}
		expect(t, p.do("POST", c.path, c.body, header...), c.status)
	}
}
