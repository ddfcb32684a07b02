package httpapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/store/memstore"
)

// A title's token ends with its title, even if the id is taken again.
func TestTokenOfADeletedTitle(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("App", "Other")
	title, err := b.catalog.Title("App")
	if err != nil {
		t.Fatal(err)
	}
	own := bearer(b.token(auth.Grant{Kind: auth.TitleToken, Titles: []string{title.UID}}))
	require(t, b.do("DELETE", "/api/v1/title/App", "", own...), 204)
	check := func() {
		t.Helper()
		expect(t, b.do("DELETE", "/api/v1/title/App", "", own...), 401)
		expect(t, b.do("DELETE", "/api/v1/title/Other", "", own...), 401)
		expect(t, b.do("POST", "/api/v1/title", definition("New", "1"), own...), 401)
	}
	check()
	b.create("App")
	check()
}

func TestIfMatch(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("App")
	n := 1
	for _, c := range []struct {
		name   string
		value  func(etag string) string
		status int
	}{
		{"current", func(e string) string { return e }, 201},
		{"current, compressed", func(e string) string { return strings.TrimSuffix(e, `"`) + `-gzip"` }, 201},
		{"any", func(string) string { return "*" }, 201},
		{"one of several", func(e string) string { return `"x", ` + e }, 201},
		{"stale", func(string) string { return `"x"` }, 412},
		{"weak", func(e string) string { return "W/" + e }, 412},
		{"unquoted", func(e string) string { return strings.Trim(e, `"`) }, 412},
	} {
		t.Run(c.name, func(t *testing.T) {
			n++
			etag := b.do("GET", "/api/v1/titles/App", "").Header().Get("ETag")
			w := b.asAdmin("POST", "/api/v1/title/App/version", versionJSON(fmt.Sprint(n)), "If-Match", c.value(etag))
			expect(t, w, c.status)
			if c.status == 412 && problem(t, w).Rest["precondition_failed"] == nil {
				t.Errorf("the error has no member precondition_failed: %s", w.Body)
			}
		})
	}
}

// warnings returns the warnings about the versions at these places in an answer, without their messages.
func warnings(at ...int) string {
	var all []string
	for _, i := range at {
		for _, code := range []string{"components", "capabilities"} {
			all = append(all, fmt.Sprintf(`{"code":"%s","path":"/patches/%d/%s",}`, code, i, code))
		}
	}
	return `"warnings":[` + strings.Join(all, ",") + "]}"
}

// warningMessage matches the message of a warning.
var warningMessage = regexp.MustCompile(`"message":"version [^}]*`)

func TestAnswers(t *testing.T) {
	b := newBench(t, memstore.New())
	stale := strings.Replace(
		definition("Composer", "2", "1"), `"lastModified"`, `"currentVersion":"1","lastModified"`, 1,
	)
	expect(t, b.asAdmin("POST", "/api/v1/title", stale), 201, `{"message":"Title 'Composer' created","id":"Composer",`+
		`"name":"Composer App","warnings":[{"code":"current-version","path":"/currentVersion",`)
	items := `{"items":[` + versionJSON("12") + "," + versionJSON("11") + `]}`
	const title = `"id":"Composer","name":"Composer App",`
	for _, c := range []struct{ method, path, body, want string }{
		{
			"POST", "/api/v1/title/composer/version", versionJSON("10.1.2"),
			`{"message":"Version '10.1.2' added to title 'Composer'",` + warnings(0),
		},
		{
			"POST", "/api/title/Composer/version", items,
			`{"message":"Versions '12', '11' added to title 'Composer'",` +
				`"success":"Versions '12', '11' added to title 'Composer'",` + warnings(0, 1),
		},
		{
			"DELETE", "/api/v1/titles/Composer/versions/12", "",
			`{"message":"Version '12' removed from title 'Composer'"}`,
		},
		{
			"PUT", "/api/v1/title/Composer", definition("Composer", "2"),
			`{"message":"Title 'Composer' updated",` + title +
				`"changes":["version 11 removed","version 10.1.2 removed","version 1 removed"],` + warnings(0),
		},
		{
			"PUT", "/api/v1/title/Composer", definition("Composer", "2"),
			`{"message":"Title 'Composer' is the same already: nothing was changed",` + title + warnings(0),
		},
		{
			"GET", "/api/v1/titles", "",
			`{"titles":[{"name":"Composer App","publisher":"Example","lastModified":"2026-05-01T12:00:03Z",` +
				`"currentVersion":"2","id":"Composer","author":null,"sync":null,` +
				`"updated":"2026-05-01T12:00:05Z","released":null,"warnings":null}],"next":null}`,
		},
		{"DELETE", "/api/v1/titles/Composer", "", `{"message":"Title 'Composer' deleted"}`},
	} {
		w := b.asAdmin(c.method, c.path, c.body)
		if got := warningMessage.ReplaceAllString(strings.TrimSpace(w.Body.String()), ""); got != c.want {
			t.Errorf("%s %s:\ngot  %s\nwant %s", c.method, c.path, got, c.want)
		}
	}
	for _, line := range []string{"version 10.1.2 removed", "title created"} {
		if !strings.Contains(b.log.String(), line) {
			t.Errorf("the log lacks %q: %s", line, b.log.String())
		}
	}
	lacks(t, b.log.String(), b.admin)
}

func TestPaging(t *testing.T) {
	b := newBench(t, memstore.New())
	var want []string
	for i := range 7 {
		want = append(want, fmt.Sprintf("T%d", i))
	}
	b.create(want...)
	var got []string
	cursor := ""
	for page := 0; ; page++ {
		var body struct {
			Titles []patch.Summary
			Next   *string
		}
		w := b.do("GET", "/api/v1/titles?limit=3"+cursor, "")
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
			t.Fatal(err)
		}
		for _, s := range body.Titles {
			got = append(got, s.ID)
		}
		if body.Next == nil {
			break
		}
		cursor = "&cursor=" + *body.Next
		if page == 0 { // the title of the cursor may be deleted
			require(t, b.asAdmin("DELETE", "/api/v1/title/T2", ""), 204)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLint(t *testing.T) {
	b := newBench(t, memstore.New())
	for name, c := range map[string]struct{ body, want string }{
		"warnings": {
			definition("A", "1"),
			`{"errors":[],"warnings":[{"code":"components","path":"/patches/0/components","message":"`,
		},
		"failures": {`{"id":"a b"}`, `{"errors":[{"path":"/name","message":"`},
		"no JSON":  {`{"id":`, `{"errors":[{"path":"/id","message":"line 1`},
	} {
		w := b.do("POST", "/api/v1/lint", c.body)
		if w.Code != http.StatusOK || !strings.HasPrefix(w.Body.String(), c.want) {
			t.Errorf("%s: got status %d: %s\nwant %s…", name, w.Code, w.Body, c.want)
		}
	}
	expect(t, b.do("POST", "/api/v1/lint", strings.Repeat(" ", 200_000)), 413)
	if b.catalog.Len() != 0 {
		t.Errorf("lint stored %d titles", b.catalog.Len())
	}
}

// An author replaces a title by the file that it was published with, which has the plain id. A file of another title is
// refused.
func TestReplaceByTheAuthorsFile(t *testing.T) {
	p := newPublic(t, httpapi.Options{RateLimit: -1})
	require(t, p.do("POST", "/api/v1/title", publication("Ann Lee", "ann@example.com", "Xcode")), 201)
	token := bearer(tokenIn(p.box.last(t)))
	served := strings.Replace(definition("Xcode_Ann_Lee", "4"), `"Xcode_Ann_Lee App"`, `"Xcode App (Ann Lee)"`, 1)
	for _, c := range []struct {
		name, id, body string
		status         int
		current        string
	}{
		{"plain id", "Xcode_Ann_Lee", definition("Xcode", "2", "1"), 200, "2"},
		{"plain id in another case", "xcode_ann_lee", definition("xCODE", "3", "1"), 200, "3"},
		{"whole id", "Xcode_Ann_Lee", served, 200, "4"},
		{"another title", "Xcode_Ann_Lee", definition("Other", "5"), 409, "4"},
	} {
		expect(t, p.do("PUT", "/api/v1/title/"+c.id, c.body, token...), c.status)
		got, err := p.catalog.Title("Xcode_Ann_Lee")
		if err != nil || got.CurrentVersion != c.current || got.ID != "Xcode_Ann_Lee" ||
			!strings.EqualFold(got.Name, "Xcode App (Ann Lee)") {
			t.Errorf("%s: the title is %+v, %v; want version %s", c.name, got.Summary, err, c.current)
		}
	}
}

// A body that is sent to the wrong one of two calls is answered with the name of the right one.
func TestBodiesOfOtherCalls(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("App")
	for _, c := range []struct{ path, body, message string }{
		{"/api/v1/title", versionJSON("2"), "/api/v1/title/{id}/version"},
		{"/api/v1/title/App/version", "[" + versionJSON("2") + "]", `{"items":[…]}`},
	} {
		w := b.asAdmin("POST", c.path, c.body)
		if e := problem(t, w).Errors; w.Code != 400 || len(e) != 1 || !strings.Contains(e[0].Message, c.message) {
			t.Errorf("%s: got status %d: %s, want one failure with %s", c.path, w.Code, w.Body, c.message)
		}
	}
}
