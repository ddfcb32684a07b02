package httpapi_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/envelope"
)

const elsewhere = "https://vendor.example/d.json"

// A whole source is asked at once by an administrator alone.
func TestSyncMirror(t *testing.T) {
	p := newPublic(t, httpapi.Options{RateLimit: -1})
	p.create("A")
	title, err := p.cat.Title("A")
	if err != nil {
		t.Fatal(err)
	}
	scoped := p.token(auth.Grant{Kind: auth.TitleToken, Titles: []string{title.UID}})
	for _, c := range []struct {
		name, body, token string
		status            int
		says              string
	}{
		{"nobody", `{"mirror":"x"}`, "", 401, ""},
		{"not an administrator", `{"mirror":"x"}`, scoped, 403, ""},
		{"none of that name", `{"mirror":"x"}`, p.admin, 400, "/mirror"},
		{"no name", `{}`, p.admin, 400, "/mirror"},
		{"no string", `{"mirror":1}`, p.admin, 400, "/mirror"},
		{"one that there is", `{"mirror":"mirror"}`, p.admin, 202, "will be synchronized"},
	} {
		var header []string
		if c.token != "" {
			header = []string{"Authorization", "Bearer " + c.token}
		}
		if w := p.do("POST", "/api/v1/sync", c.body, header...); w.Code != c.status ||
			!strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s: %d %s", c.name, w.Code, w.Body)
		}
	}
}

// Who publishes a URL has a title that follows it, and that they cannot change but
// bring up to date and delete.
func TestPublishByURL(t *testing.T) {
	p := newPublic(t, httpapi.Options{RateLimit: -1})
	p.outside.pages.Store(elsewhere, definition("Xcode", "1"))
	w := p.do(
		"POST",
		"/api/v1/title",
		`{"author_name":"Ann","author_email":"ann@example.com","definition_url":"`+elsewhere+`"}`,
	)
	if w.Code != 201 || !strings.Contains(w.Body.String(), `"id":"Xcode_Ann"`) {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	token := "Bearer " + tokenIn(p.box.last(t))
	if w := p.do("POST", "/api/v1/title/Xcode_Ann/version", versionJSON("2"), "Authorization", token); w.Code != 403 ||
		!strings.Contains(w.Body.String(), elsewhere) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for path, want := range map[string]int{"/api/v1/title/Xcode_Ann/sync": 202, "/api/v1/titles/xcode_ann/sync": 202, "/api/v1/title/Nope/sync": 404} {
		if w := p.do("POST", path, "", "Authorization", token); w.Code != want {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	if w := p.do("POST", "/api/v1/title/Xcode_Ann/sync", ""); w.Code != 401 {
		t.Errorf("without a token: %d", w.Code)
	}
	p.create("Own")
	if w := p.asAdmin("POST", "/api/v1/title/Own/sync", ""); w.Code != 400 ||
		!strings.Contains(w.Body.String(), "follows no source") {
		t.Errorf("of a title that follows nothing: %d %s", w.Code, w.Body)
	}
	// How it goes.
	p.outside.pages.Store(elsewhere, 503)
	if _, err := p.sync.Sync(t.Context(), "Xcode_Ann"); err == nil {
		t.Fatal("no error")
	}
	var list struct {
		Titles []struct{ Sync map[string]any }
	}
	w = p.do("GET", "/api/v1/titles?synced=true", "")
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || len(list.Titles) != 1 {
		t.Fatalf("%s", w.Body)
	}
	state := list.Titles[0].Sync
	if state["url"] != elsewhere || state["failures"] != 1.0 || state["upstream_status"] != 503.0 ||
		!strings.Contains(fmt.Sprint(state["last_error"]), "503") ||
		state["last_attempt"] == nil ||
		state["last_success"] != nil ||
		state["next_attempt"] == nil {
		t.Errorf("%v", state)
	}
	if w := p.do("GET", "/api/v1/sync", ""); w.Code != 401 {
		t.Errorf("without a token: %d", w.Code)
	}
	if w := p.do("GET", "/api/v1/sync", "", "Authorization", token); w.Code != 200 ||
		!strings.Contains(w.Body.String(), `"title":"Xcode_Ann","mirror":null,"url":"`+elsewhere) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := p.do("DELETE", "/api/v1/title/Xcode_Ann", "", "Authorization", token); w.Code != 204 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestPublishByABadURL(t *testing.T) {
	p := newPublic(t, httpapi.Options{RateLimit: -1})
	p.outside.pages.Store("https://vendor.example/invalid", `{"id":"x"}`)
	p.outside.pages.Store("https://vendor.example/html", `<html>`)
	for url, places := range map[string]bool{"https://vendor.example/404": false, "https://vendor.example/html": false, "https://vendor.example/invalid": true, "ftp://vendor.example/": false, "http://127.0.0.1/": false, "http://u:p@vendor.example/": false} {
		body, _ := json.Marshal(
			map[string]string{"author_name": "Ann", "author_email": "ann@example.com", "definition_url": url},
		)
		w := p.do("POST", "/api/v1/title", string(body))
		if w.Code != 400 || !strings.Contains(w.Body.String(), `"upstream_failure"`) ||
			(len(problem(t, w).Errors) > 0) != places {
			t.Errorf("%s: %d %s", url, w.Code, w.Body)
		}
	}
	if len(p.box.mails) != 0 || p.cat.Len() != 0 {
		t.Errorf("%d mails, %d titles", len(p.box.mails), p.cat.Len())
	}
}

func TestSubscribe(t *testing.T) {
	p := newPublic(t, httpapi.Options{RateLimit: -1, RootFeed: true})
	p.outside.pages.Store(elsewhere, definition("Sub", "1"))
	body := func(id, url string) string {
		return fmt.Sprintf(`{"id":%q,"json_url":%q}`, id, url)
	}
	title := "Bearer " + p.token(auth.Grant{Kind: auth.TitleToken, Titles: []string{"someone"}})
	for _, c := range []struct {
		name, path, body, token string
		status                  int
		says                    string
	}{
		{"nobody", "/subscribe", body("Sub", elsewhere), "", 401, `"error":`},
		{"a title's token", "/subscribe", body("Sub", elsewhere), title, 401, ""},
		{"no id", "/subscribe", `{"json_url":"https://vendor.example/d.json"}`, "admin", 400, `"path":"/id"`},
		{"no URL", "/subscribe", `{"id":"Sub"}`, "admin", 400, `"path":"/json_url"`},
		{"another id", "/subscribe", body("Other", elsewhere), "admin", 409, `"error":`},
		{"a bad URL", "/subscribe", body("Sub", "https://vendor.example/404"), "admin", 400, "upstream_failure"},
		{"subscribe", "/api/v1/subscribe", body("sub", elsewhere), "admin", 201, `"success":"Title 'Sub' follows`},
		{"twice", "/subscribe", body("Sub", elsewhere), "admin", 409, "database_conflict"},
		{"unsubscribe without a token", "/unsubscribe/Sub", "", "", 401, ""},
		{"unsubscribe", "/unsubscribe/SUB", "", "admin", 200, `"success":`},
		{"again", "/unsubscribe/Sub", "", "admin", 404, `"error":`},
		{"what is not subscribed", "/api/v1/unsubscribe/Own", "", "admin", 404, "title_not_found"},
		{"what came with a source that is followed no more", "/unsubscribe/Of", "", "admin", 200, "was deleted"},
		{"what came with a source that is", "/unsubscribe/Mirrored", "", "admin", 403, "comes back"},
	} {
		if c.name == "nobody" {
			p.create("Own")
			if _, err := p.cat.Create(t.Context(), parse(t, definition("Mirrored", "1")), &catalog.CreateOptions{Follows: elsewhere, Source: "mirror"}); err != nil {
				t.Fatal(err)
			}
			if _, err := p.cat.Create(t.Context(), parse(t, definition("Of", "1")), &catalog.CreateOptions{Follows: elsewhere, Source: "https://vendor.example/v1"}); err != nil {
				t.Fatal(err)
			}
		}
		var header []string
		switch c.token {
		case "":
		case "admin":
			header = []string{"Authorization", "Bearer " + p.admin}
		default:
			header = []string{"Authorization", c.token}
		}
		if w := p.do("POST", c.path, c.body, header...); w.Code != c.status ||
			!strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s: %d %s", c.name, w.Code, w.Body)
		}
	}
}

// A contributor's list tells how sync goes when it is asked to.
func TestExtendedList(t *testing.T) {
	p := newPublic(t, httpapi.Options{RateLimit: -1})
	if w := p.do("POST", "/api/v1/contributors/register", `{"name":"macman","email":"mac@example.com"}`); w.Code != 201 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	link := p.box.last(t).Text
	link = link[strings.Index(link, "/api/v1/contributors/verify"):]
	link, _, _ = strings.Cut(link, "\n")
	if w := p.do("GET", strings.TrimSpace(link), ""); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	token := "Bearer " + tokenIn(p.box.last(t))
	p.outside.pages.Store(elsewhere, definition("Slack", "1"))
	if w := p.do("POST", "/subscribe", "", "Authorization", token); w.Code != 404 { // no root routes here
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := p.do("POST", "/api/v1/subscribe", `{"id":"Slack","json_url":"`+elsewhere+`"}`, "Authorization", token); w.Code != 201 ||
		!strings.Contains(w.Body.String(), "Slack_macman") {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if w := p.do("POST", "/api/v1/titles", definition("Own", "1"), "Authorization", token); w.Code != 201 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if _, err := p.sync.Sync(t.Context(), "Slack_macman"); err != nil {
		t.Fatal(err)
	}
	w := p.do("GET", "/jamf/v1/macman/software?extend", "")
	var list []map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || len(list) != 2 {
		t.Fatalf("%s", w.Body)
	}
	for _, title := range list {
		synced := title["id"] == "Slack"
		if (title["last_sync_result"] == true) != synced || (title["last_sync_time"] != nil) != synced ||
			title["currentVersion"] != "1" {
			t.Errorf("%v", title)
		}
	}
	if w := p.do("GET", "/jamf/v1/macman/software", ""); strings.Contains(w.Body.String(), "last_sync") {
		t.Errorf("%s", w.Body)
	}
}

// A feed that signs serves the same definitions, in envelopes, under ETags that hold.
func TestSignedFeed(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "Us"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	p := newPublic(t, httpapi.Options{RateLimit: -1, Signer: &envelope.Signer{Certificate: cert, Key: key}})
	p.create("App")
	plain := p.do("GET", "/api/v1/titles/App", "").Body.Bytes()
	w := p.do("GET", "/jamf/v1/patch/App", "")
	if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), "application/pkcs7-mime") {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	e, err := envelope.Open(w.Body.Bytes(), &envelope.OpenOptions{Roots: roots})
	if err != nil || !bytes.Equal(e.Content, plain) {
		t.Errorf("%v, %s", err, e.Content)
	}
	if again := p.do("GET", "/jamf/v1/patch/App", ""); !bytes.Equal(again.Body.Bytes(), w.Body.Bytes()) ||
		again.Header().Get("ETag") != w.Header().Get("ETag") {
		t.Error("it is signed anew for each request")
	}
	if w := p.do("GET", "/jamf/v1/patch/App", "", "If-None-Match", w.Header().Get("ETag")); w.Code != 304 {
		t.Errorf("%d", w.Code)
	}
	if w := p.do("GET", "/jamf/v1/software", ""); w.Header().Get("Content-Type") != "application/json" {
		t.Error("the list is signed too")
	}
	if w := p.do("GET", "/jamf/v1/patch/Nope", ""); w.Code != 404 ||
		!strings.Contains(w.Body.String(), "title_not_found") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
