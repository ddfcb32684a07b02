package webui_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/httpapi/webui"
	"github.com/patchsource/patchsource/patch"
)

// versionedTitle returns a catalog with a title whose newest version has its number in several places.
func versionedTitle() *fakeCatalog {
	c := oneTitle()
	c.def.ExtensionAttributes = []patch.ExtensionAttribute{{Key: "ea"}}
	c.def.Patches = []patch.Patch{{
		Version:                "9.9",
		ReleaseDate:            "2018-02-02T17:39:58Z",
		MinimumOperatingSystem: "10.9",
		Components: []patch.Component{{Name: "X", Version: "9.9", Criteria: []patch.Criterion{
			{Name: "Application Version", Operator: "is", Value: "9.9", Type: "recon"},
			{Name: "ea", Operator: "is", Value: "9.9", Type: "extensionAttribute"},
			{Name: "Application Version", Operator: "less than", Value: "10", Type: "recon"},
		}}},
		Capabilities: []patch.Criterion{
			{Name: "Operating System Version", Operator: "greater than or equal", Value: "10.9", Type: "recon"},
		},
	}}
	return c
}

// fieldsOf returns the fields of the form for a version, as a browser without scripts sends them.
func fieldsOf(t *testing.T, page string) (fields []string) {
	t.Helper()
	_, form, ok := strings.Cut(page, `id="version-form"`)
	if !ok {
		t.Fatalf("the page has no form: %s", page)
	}
	form, _, _ = strings.Cut(form, "</form>")
	attr := func(tag, name string) string {
		_, rest, ok := strings.Cut(tag, " "+name+`="`)
		if !ok {
			return ""
		}
		value, _, _ := strings.Cut(rest, `"`)
		return value
	}
	for tag := range strings.SplitSeq(form, "<") {
		switch {
		case strings.HasPrefix(tag, "input "):
			if kind := attr(tag, "type"); (kind == "checkbox" || kind == "radio") &&
				!strings.Contains(tag, " checked") ||
				kind == "file" {
				continue
			}
			fields = append(fields, attr(tag, "name"), attr(tag, "value"))
		case strings.HasPrefix(tag, "select "):
			fields = append(fields, attr(tag, "name"), "")
		case strings.HasPrefix(tag, "option"):
			value, _, _ := strings.Cut(tag[strings.Index(tag, ">")+1:], "<")
			if strings.Contains(tag, " value=") {
				value = attr(tag, "value")
			}
			if last := len(fields) - 1; strings.Contains(tag, " selected") ||
				fields[last] == "" && !strings.Contains(fields[last-1], "facts") {
				fields[last] = value
			}
		}
	}
	return fields
}

// with returns fields with one of them changed.
func with(fields []string, name, value string) []string {
	fields = append([]string(nil), fields...)
	for i := 0; i+1 < len(fields); i += 2 {
		if fields[i] == name {
			fields[i+1] = value
			return fields
		}
	}
	return append(fields, name, value)
}

// Values that are the version that the form began with become the new one, also after the API has refused the version
// once. Values that were typed, or have that value by chance, stay.
func TestVersionForm(t *testing.T) {
	refusals := 0
	var posted []string
	api := &fakeAPI{}
	api.answer = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != "POST" {
			return false
		}
		posted = append(posted, api.lastBody())
		if refusals == 0 {
			return false
		}
		refusals--
		w.WriteHeader(409)
		fmt.Fprint(w, `{"message":"The version exists already."}`)
		return true
	}
	h := newPage(versionedTitle(), &webui.Options{API: api})
	start := fieldsOf(t, sendAsAdmin(h, "GET", "/titles/x/version", "").Body.String())
	values := func(body string) string {
		t.Helper()
		p, err := patch.ParsePatch([]byte(body), nil)
		if err != nil {
			t.Fatalf("the page posted %s: %v", body, err)
		}
		all := []string{p.Version, p.MinimumOperatingSystem, p.Components[0].Version}
		for _, c := range append(p.Components[0].Criteria, p.Capabilities...) {
			all = append(all, c.Type[:1]+":"+c.Value)
		}
		return strings.Join(all, " ")
	}
	for _, test := range []struct {
		name   string
		fields []string
		want   string
	}{
		{"a version", with(start, "version", "10.1"), "10.1 10.9 10.1 r:10.1 e:10.1 r:10 r:10.9"},
		{"a value by chance", with(start, "version", "10"), "10 10.9 10 r:10 e:10 r:10 r:10.9"},
		{
			"an operating system", with(with(start, "version", "10.1"), "os", "11.0"),
			"10.1 11.0 10.1 r:10.1 e:10.1 r:10 r:11.0",
		},
		{
			"no operating system", with(with(start, "version", "10.1"), "os", ""),
			"10.1  10.1 r:10.1 e:10.1 r:10 r:10.9",
		},
		{
			"a typed value", with(with(start, "version", "10.1"), "criterion_value", "10.*"),
			"10.1 10.9 10.1 r:10.* e:10.1 r:10 r:10.9",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			posted = nil
			if w := postForm(t, h, "/titles/x/version", test.fields...); w.Code != 303 || len(posted) != 1 {
				t.Fatalf("the form has status %d: %s", w.Code, w.Body)
			}
			if got := values(posted[0]); got != test.want {
				t.Errorf("the version has %s, want %s", got, test.want)
			}
			// The API refuses another version first. Then the form that is shown is sent.
			posted, refusals = nil, 1
			w := postForm(t, h, "/titles/x/version", with(test.fields, "version", "9.0")...)
			if w.Code != 409 {
				t.Fatalf("the refused form has status %d: %s", w.Code, w.Body)
			}
			again := with(fieldsOf(t, w.Body.String()), "version", strings.Fields(test.want)[0])
			if w := postForm(t, h, "/titles/x/version", again...); w.Code != 303 || len(posted) != 2 {
				t.Fatalf("the form that was sent again has status %d: %s", w.Code, w.Body)
			}
			if got := values(posted[1]); got != test.want {
				t.Errorf("sent again, the version has %s, want %s", got, test.want)
			}
		})
	}
}

// The release date is made from the day and the time of the form. The day is today by default, and the time is
// optional. Neither is lost when the version is refused.
func TestVersionReleased(t *testing.T) {
	now := time.Date(2026, 3, 4, 23, 30, 0, 0, time.FixedZone("", -5*3600))
	refuse := false
	api := &fakeAPI{answer: func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == "POST" && refuse {
			w.WriteHeader(400)
			fmt.Fprint(w, `{"message":"Refused."}`)
		}
		return r.Method == "POST" && refuse
	}}
	h := newPage(versionedTitle(), &webui.Options{API: api, Now: func() time.Time { return now }})
	start := with(fieldsOf(t, sendAsAdmin(h, "GET", "/titles/x/version", "").Body.String()), "version", "10.1")
	for _, test := range []struct {
		name   string
		fields []string
		want   string
	}{
		{"the default", start, "2026-03-05T00:00:00Z"},
		{"another day", with(start, "released", "2025-12-31"), "2025-12-31T00:00:00Z"},
		{"a time", with(start, "released_at", "17:05"), "2026-03-05T17:05:00Z"},
		{"a time with seconds", with(start, "released_at", "17:05:09"), "2026-03-05T17:05:09Z"},
		{"a time in place of the day", with(start, "released", "2026-01-02T03:04:05Z"), "2026-01-02T03:04:05Z"},
		{"not a day", with(with(start, "released", "soon"), "released_at", "17:05"), "soon 17:05"},
	} {
		t.Run(test.name, func(t *testing.T) {
			fields := test.fields
			for _, refuse = range []bool{true, false} {
				w := postForm(t, h, "/titles/x/version", fields...)
				p, err := patch.ParsePatch([]byte(api.lastBody()), nil)
				if err == nil && p.ReleaseDate != test.want || err != nil &&
					!strings.Contains(api.lastBody(), test.want) {
					t.Errorf("the page posted %s, want the release date %s (%v)", api.lastBody(), test.want, err)
				}
				if refuse {
					fields = fieldsOf(t, w.Body.String())
				}
			}
		})
	}
}

// The page places a version by version order unless the form says otherwise, and each of its criteria has the member
// "and".
func TestVersionOrder(t *testing.T) {
	api := &fakeAPI{}
	h := newPage(versionedTitle(), &webui.Options{API: api})
	start := with(fieldsOf(t, sendAsAdmin(h, "GET", "/titles/x/version", "").Body.String()), "version", "9.8")
	for _, test := range []struct {
		name   string
		fields []string
		want   string
	}{
		{"the form", start, "/api/v1/titles/x/versions?insert=ordered"},
		{"the form, in front", with(start, "place", "front"), "/api/v1/titles/x/versions"},
		{"files", []string{"form", "json", "@v.json", `{"version":"9.8"}`}, "/api/v1/titles/x/versions?insert=ordered"},
		{"pasted", []string{"form", "json", "json", `{"version":"9.8"}`}, "/api/v1/titles/x/versions?insert=ordered"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := postForm(t, h, "/titles/x/version", test.fields...)
			if w.Code != 303 || api.lastRequest() != "POST "+test.want+" admin" {
				t.Errorf("the form has status %d; the API was asked %s", w.Code, api.lastRequest())
			}
			criteria := strings.Count(api.lastBody(), `"operator"`)
			if joins := strings.Count(api.lastBody(), `"and":`); criteria != joins {
				t.Errorf("%d criteria have %d joins: %s", criteria, joins, api.lastBody())
			}
		})
	}
	// The script for a new version that the page shows does, too.
	wantPage(t, send(h, "GET", "/publish", ""), 200, "/version?insert=ordered")
}

// A version in front that makes the title's current version older is reported with the way to place it. The warnings of
// lint are on the title's page, so the notice does not repeat them.
func TestVersionWarns(t *testing.T) {
	api := answering(201, `{"message":"Version '9.8' added","warnings":[
		{"code":"dates","path":"","message":"a date"},
		{"code":"current-version-older","path":"","message":"it was 9.9","fix":"use insert=ordered"}]}`)
	h := newPage(versionedTitle(), &webui.Options{API: api})
	start := fieldsOf(t, sendAsAdmin(h, "GET", "/titles/x/version", "").Body.String())
	for _, fields := range [][]string{
		with(with(start, "version", "9.8"), "place", "front"),
		{"form", "json", "@v.json", `{"version":"9.8"}`},
	} {
		w := postForm(t, h, "/titles/x/version", fields...)
		wantPage(t, notice(t, h, w), 200, "Version &#39;9.8&#39; added. it was 9.9. use insert=ordered.</p>")
	}
}

// A title with many versions has several pages.
func TestManyVersions(t *testing.T) {
	c := oneTitle()
	c.def.Patches = nil
	for i := range 250 {
		c.def.Patches = append(c.def.Patches,
			patch.Patch{Version: fmt.Sprint(1000 - i), ReleaseDate: "2018-02-02T17:39:58Z"})
	}
	h := newPage(c, nil)
	for path, want := range map[string]string{
		"/titles/x":           "1000 901",
		"/titles/x?from=101":  "900 801",
		"/titles/x?from=150":  "900 801",
		"/titles/x?from=201":  "800 751",
		"/titles/x?from=250":  "800 751",
		"/titles/x?from=9999": "800 751",
		"/titles/x?from=-5":   "1000 901",
		"/titles/x?from=x":    "1000 901",
	} {
		var shown []string
		for part := range strings.SplitSeq(send(h, "GET", path, "").Body.String(), "<summary><strong>") {
			if v, _, ok := strings.Cut(part, "</strong>"); ok && len(v) < 5 {
				shown = append(shown, v)
			}
		}
		if len(shown) == 0 || shown[0]+" "+shown[len(shown)-1] != want {
			t.Errorf("%s has the versions %v, want those of %s", path, shown, want)
		}
	}
	wantPage(t, send(h, "GET", "/titles/x?from=101", ""), 200, `href="/titles/x?from=1#versions"`,
		`href="/titles/x?from=201#versions"`, "101 to 200 of 250", " warnings</span>")
}
