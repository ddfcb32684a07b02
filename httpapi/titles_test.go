package httpapi_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/store/memstore"
)

// A title's token ends with its title, also when the id is taken again.
func TestTokenOfATitleThatIsGone(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("App", "Other")
	title, err := b.cat.Title("App")
	if err != nil {
		t.Fatal(err)
	}
	mine := "Bearer " + b.token(auth.Grant{Kind: auth.TitleToken, Titles: []string{title.UID}})
	if w := b.do("DELETE", "/api/v1/title/App", "", "Authorization", mine); w.Code != 204 {
		t.Fatal(w.Code)
	}
	for taken := range 2 {
		if taken == 1 {
			b.create("App")
		}
		for _, c := range [][2]string{{"DELETE", "/api/v1/title/App"}, {"DELETE", "/api/v1/title/Other"}, {"POST", "/api/v1/title"}} {
			if w := b.do(c[0], c[1], definition("New", "1"), "Authorization", mine); w.Code != 401 {
				t.Errorf("%v: %d %s", c, w.Code, w.Body)
			}
		}
	}
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
		n++
		etag := b.do("GET", "/api/v1/titles/App", "").Header().Get("ETag")
		w := b.asAdmin("POST", "/api/v1/title/App/version", versionJSON(fmt.Sprint(n)), "If-Match", c.value(etag))
		if w.Code != c.status {
			t.Errorf("%s: %d %s, want %d", c.name, w.Code, w.Body, c.status)
		}
		if c.status == 412 && problem(t, w).Rest["precondition_failed"] == nil {
			t.Errorf("%s", w.Body)
		}
	}
}

// warnings is what lint says of the versions here at these places, but for the
// words.
func warnings(at ...int) string {
	var all []string
	for _, i := range at {
		all = append(
			all,
			fmt.Sprintf(
				`{"code":"components","path":"/patches/%d/components",},{"code":"capabilities","path":"/patches/%d/capabilities",}`,
				i,
				i,
			),
		)
	}
	return `"warnings":[` + strings.Join(all, ",") + "]}"
}

func TestAnswers(t *testing.T) {
	b := newBench(t, memstore.New())
	stale := strings.Replace(
		definition("Composer", "2", "1"),
		`"lastModified"`,
		`"currentVersion":"1","lastModified"`,
		1,
	)
	w := b.asAdmin("POST", "/api/v1/title", stale)
	want := `{"message":"Title 'Composer' created","id":"Composer","name":"Composer App","warnings":[{"code":"current-version","path":"/currentVersion",`
	if !strings.HasPrefix(w.Body.String(), want) {
		t.Errorf("%s\nwant %s…", w.Body, want)
	}
	for _, c := range []struct{ method, path, body, want string }{
		{"POST", "/api/v1/title/composer/version", versionJSON("10.1.2"), `{"message":"Version '10.1.2' added to title 'Composer'",` + warnings(0)},
		{"POST", "/api/title/Composer/version", `{"items":[` + versionJSON("12") + "," + versionJSON("11") + `]}`, `{"message":"Versions '12', '11' added to title 'Composer'","success":"Versions '12', '11' added to title 'Composer'",` + warnings(0, 1)},
		{"DELETE", "/api/v1/titles/Composer/versions/12", "", `{"message":"Version '12' removed from title 'Composer'"}`},
		{"PUT", "/api/v1/title/Composer", definition("Composer", "2"), `{"message":"Title 'Composer' updated","id":"Composer","name":"Composer App","changes":["version 11 removed","version 10.1.2 removed","version 1 removed"],` + warnings(0)},
		{"PUT", "/api/v1/title/Composer", definition("Composer", "2"), `{"message":"Title 'Composer' is the same already: nothing was changed","id":"Composer","name":"Composer App",` + warnings(0)},
		{"GET", "/api/v1/titles", "", `{"titles":[{"name":"Composer App","publisher":"Example","lastModified":"2026-05-01T12:00:03Z","currentVersion":"2","id":"Composer","author":null,"sync":null}],"next":null}`},
		{"DELETE", "/api/v1/titles/Composer", "", `{"message":"Title 'Composer' deleted"}`},
	} {
		got := regexp.MustCompile(`"message":"version [^}]*`).
			ReplaceAllString(strings.TrimSpace(b.asAdmin(c.method, c.path, c.body).Body.String()), "")
		if got != c.want {
			t.Errorf("%s %s:\n%s\nwant\n%s", c.method, c.path, got, c.want)
		}
	}
	if !strings.Contains(b.log.String(), "version 12 removed") &&
		!strings.Contains(b.log.String(), "version 10.1.2 removed") {
		t.Errorf("the log does not say what a PUT has changed: %s", b.log.String())
	}
	if !strings.Contains(b.log.String(), "title created") || strings.Contains(b.log.String(), b.admin) {
		t.Errorf("the log: %s", b.log.String())
	}
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
		if page == 0 { // what goes meanwhile does not disturb the rest
			if w := b.asAdmin("DELETE", "/api/v1/title/T2", ""); w.Code != 204 {
				t.Fatal(w.Code)
			}
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestLint(t *testing.T) {
	b := newBench(t, memstore.New())
	for _, c := range []struct{ name, body, want string }{
		{"warnings", definition("A", "1"), `{"errors":[],"warnings":[{"code":"components","path":"/patches/0/components","message":"`},
		{"failures", `{"id":"a b"}`, `{"errors":[{"path":"/name","message":"`},
		{"no JSON", `{"id":`, `{"errors":[{"path":"/id","message":"line 1`},
	} {
		w := b.do("POST", "/api/v1/lint", c.body)
		if w.Code != 200 || !strings.HasPrefix(w.Body.String(), c.want) {
			t.Errorf("%s: %d %s, want %s…", c.name, w.Code, w.Body, c.want)
		}
	}
	if w := b.do("POST", "/api/v1/lint", strings.Repeat(" ", 200_000)); w.Code != 413 {
		t.Errorf("too large: %d", w.Code)
	}
	if b.cat.Len() != 0 {
		t.Error("something was kept")
	}
}

// An author replaces a title by the file that it was published with, under the id that it
// has here; a file of another title is refused as ever.
func TestReplaceByTheAuthorsFile(t *testing.T) {
	p := newPublic(t, httpapi.Options{RateLimit: -1})
	if w := p.do("POST", "/api/v1/title", publish("Ann Lee", "ann@example.com", "Xcode")); w.Code != 201 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	token := "Bearer " + tokenIn(p.box.last(t))
	for _, c := range []struct {
		name, id, body string
		status         int
		current        string
	}{
		{"its file", "Xcode_Ann_Lee", definition("Xcode", "2", "1"), 200, "2"},
		{"in other letters", "xcode_ann_lee", definition("xCODE", "3", "1"), 200, "3"},
		{"as it is served", "Xcode_Ann_Lee", strings.Replace(definition("Xcode_Ann_Lee", "4"), `"Xcode_Ann_Lee App"`, `"Xcode App (Ann Lee)"`, 1), 200, "4"},
		{"another's", "Xcode_Ann_Lee", definition("Other", "5"), 409, "4"},
	} {
		w := p.do("PUT", "/api/v1/title/"+c.id, c.body, "Authorization", token)
		got, err := p.cat.Title("Xcode_Ann_Lee")
		if err != nil || w.Code != c.status || got.CurrentVersion != c.current || got.ID != "Xcode_Ann_Lee" ||
			!strings.EqualFold(got.Name, "Xcode App (Ann Lee)") {
			t.Errorf("%s: %d %s, %+v, %v", c.name, w.Code, w.Body, got.Summary, err)
		}
	}
}
