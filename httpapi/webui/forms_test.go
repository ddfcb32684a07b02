package webui_test

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/httpapi/webui"
	"github.com/patchsource/patchsource/patch"
)

// postForm posts a form with these fields, in order: names and values; a name that begins
// with @ is a file.
func postForm(t *testing.T, h http.Handler, path string, fields ...string) *httptest.ResponseRecorder {
	t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	for i := 0; i+1 < len(fields); i += 2 {
		var part io.Writer
		var err error
		if name, ok := strings.CutPrefix(fields[i], "@"); ok {
			part, err = m.CreateFormFile("file", name)
		} else {
			part, err = m.CreateFormField(fields[i])
		}
		if err == nil {
			_, err = io.WriteString(part, fields[i+1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	return send(
		h,
		"POST",
		path,
		b.String(),
		"Content-Type",
		m.FormDataContentType(),
		"Cookie",
		"patchsource_token=admin",
	)
}

// versioned is a shelf with a title whose newest version says itself in several places.
func versioned() *shelf {
	s := some()
	s.def.ExtensionAttributes = []patch.ExtensionAttribute{{Key: "ea"}}
	s.def.Patches = []patch.Patch{{Version: "9.9", ReleaseDate: "2018-02-02T17:39:58Z", MinimumOperatingSystem: "10.9",
		Components: []patch.Component{{Name: "X", Version: "9.9", Criteria: []patch.Criterion{
			{
				Name:     "Application Version",
				Operator: "is",
				Value:    "9.9",
				Type:     "recon",
			}, {Name: "ea", Operator: "is", Value: "9.9", Type: "extensionAttribute"}, {Name: "Application Version", Operator: "less than", Value: "10", Type: "recon"}}}},
		Capabilities: []patch.Criterion{
			{Name: "Operating System Version", Operator: "greater than or equal", Value: "10.9", Type: "recon"},
		}}}
	return s
}

// fieldsOf are the fields of the first form of a page that has them, as a browser without
// scripts would send them.
func fieldsOf(t *testing.T, page string) (fields []string) {
	t.Helper()
	_, form, ok := strings.Cut(page, `id="version-form"`)
	if !ok {
		t.Fatalf("there is no form: %s", page)
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

// with sets a field.
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

// What says the version that the form began with says the new one, also after the server
// has refused something; what was written by hand, or says it by chance, stays.
func TestVersionForm(t *testing.T) {
	refusals := 0
	var posted []string
	d := &desk{}
	d.answer = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != "POST" {
			return false
		}
		posted = append(posted, d.bodies[len(d.bodies)-1])
		if refusals == 0 {
			return false
		}
		refusals--
		w.WriteHeader(409)
		fmt.Fprint(w, `{"message":"Version is there already."}`)
		return true
	}
	h := newPage(versioned(), &webui.Options{API: d})
	page := send(h, "GET", "/titles/x/version", "", "Cookie", "patchsource_token=admin").Body.String()
	start := fieldsOf(t, page)
	values := func(body string) string {
		t.Helper()
		p, err := patch.ParsePatch([]byte(body), nil)
		if err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		all := []string{p.Version, p.MinimumOperatingSystem, p.Components[0].Version}
		for _, c := range append(p.Components[0].Criteria, p.Capabilities...) {
			all = append(all, c.Type[:1]+":"+c.Value)
		}
		return strings.Join(all, " ")
	}
	for _, c := range []struct {
		name   string
		fields []string
		want   string
	}{
		{"a version", with(start, "version", "10.1"), "10.1 10.9 10.1 r:10.1 e:10.1 r:10 r:10.9"},
		{"the one that a row has by chance", with(start, "version", "10"), "10 10.9 10 r:10 e:10 r:10 r:10.9"},
		{"a system", with(with(start, "version", "10.1"), "os", "11.0"), "10.1 11.0 10.1 r:10.1 e:10.1 r:10 r:11.0"},
		{"no system", with(with(start, "version", "10.1"), "os", ""), "10.1  10.1 r:10.1 e:10.1 r:10 r:10.9"},
		{"by hand", with(with(start, "version", "10.1"), "criterion_value", "10.*"), "10.1 10.9 10.1 r:10.* e:10.1 r:10 r:10.9"},
	} {
		t.Run(c.name, func(t *testing.T) {
			posted = nil
			if w := postForm(t, h, "/titles/x/version", c.fields...); w.Code != 303 || len(posted) != 1 {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			if got := values(posted[0]); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			// Refused as another version first, and then sent again from what is shown.
			posted, refusals = nil, 1
			w := postForm(t, h, "/titles/x/version", with(c.fields, "version", "9.0")...)
			if w.Code != 409 {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			again := with(fieldsOf(t, w.Body.String()), "version", strings.Fields(c.want)[0])
			if w := postForm(t, h, "/titles/x/version", again...); w.Code != 303 || len(posted) != 2 {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			if got := values(posted[1]); got != c.want {
				t.Errorf("the second time %s, want %s", got, c.want)
			}
		})
	}
}

// A version is released on the day that the form has, today unless another is chosen, and at the
// time, if one is known. Nothing of that is lost when the version is refused.
func TestVersionReleased(t *testing.T) {
	now := time.Date(2026, 3, 4, 23, 30, 0, 0, time.FixedZone("", -5*3600))
	refuse := false
	d := &desk{}
	d.answer = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == "POST" && refuse {
			w.WriteHeader(400)
			fmt.Fprint(w, `{"message":"Refused."}`)
		}
		return r.Method == "POST" && refuse
	}
	h := newPage(versioned(), &webui.Options{API: d, Now: func() time.Time { return now }})
	page := send(h, "GET", "/titles/x/version", "", "Cookie", "patchsource_token=admin").Body.String()
	start := with(fieldsOf(t, page), "version", "10.1")
	for _, c := range []struct {
		name   string
		fields []string
		want   string
	}{
		{"as it is offered", start, "2026-03-05T00:00:00Z"},
		{"another day", with(start, "released", "2025-12-31"), "2025-12-31T00:00:00Z"},
		{"a time", with(start, "released_at", "17:05"), "2026-03-05T17:05:00Z"},
		{"a time with seconds", with(start, "released_at", "17:05:09"), "2026-03-05T17:05:09Z"},
		{"a time in the place of the day", with(start, "released", "2026-01-02T03:04:05Z"), "2026-01-02T03:04:05Z"},
		{"what is no day", with(with(start, "released", "soon"), "released_at", "17:05"), "soon 17:05"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fields := c.fields
			for _, refuse = range []bool{true, false} {
				w := postForm(t, h, "/titles/x/version", fields...)
				p, err := patch.ParsePatch([]byte(d.bodies[len(d.bodies)-1]), nil)
				if err == nil && p.ReleaseDate != c.want || err != nil &&
					!strings.Contains(d.bodies[len(d.bodies)-1], c.want) {
					t.Errorf("%v %s, want %s", err, d.bodies[len(d.bodies)-1], c.want)
				}
				if refuse {
					fields = fieldsOf(t, w.Body.String())
				}
			}
		})
	}
}

// A version that the page adds goes where version order says, unless something else is chosen, and
// each of its criteria says how it is joined.
func TestVersionOrder(t *testing.T) {
	d := &desk{}
	h := newPage(versioned(), &webui.Options{API: d})
	page := send(h, "GET", "/titles/x/version", "", "Cookie", "patchsource_token=admin").Body.String()
	start := with(fieldsOf(t, page), "version", "9.8")
	for _, c := range []struct {
		name   string
		fields []string
		want   string
	}{
		{"the form", start, "/api/v1/titles/x/versions?insert=ordered"},
		{"the form, in front", with(start, "place", "front"), "/api/v1/titles/x/versions"},
		{"files", []string{"form", "json", "@v.json", `{"version":"9.8"}`}, "/api/v1/titles/x/versions?insert=ordered"},
		{"pasted", []string{"form", "json", "json", `{"version":"9.8"}`}, "/api/v1/titles/x/versions?insert=ordered"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := postForm(t, h, "/titles/x/version", c.fields...)
			last := len(d.asked) - 1
			if w.Code != 303 || d.asked[last] != "POST "+c.want+" admin" {
				t.Errorf("%d %s", w.Code, d.asked[last])
			}
			if criteria, joins := strings.Count(d.bodies[last], `"operator"`), strings.Count(d.bodies[last],
				`"and":`); criteria != joins {
				t.Errorf("%d criteria, and %d joins: %s", criteria, joins, d.bodies[last])
			}
		})
	}
	if body := send(h, "GET", "/publish", "").Body.String(); !strings.Contains(body, "/version?insert=ordered") {
		t.Error("the script for a new version does not place it in order")
	}
}

// A version in front that makes the title's current version older than it was is said to, with how
// to place it; what lint finds is on the title's page, and is not said twice.
func TestVersionWarns(t *testing.T) {
	d := &desk{}
	d.answer = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == "POST" {
			fmt.Fprint(w, `{"message":"Version '9.8' added","warnings":[{"code":"dates","path":"","message":"a date"},
				{"code":"current-version-older","path":"","message":"it was 9.9","fix":"use insert=ordered"}]}`)
		}
		return r.Method == "POST"
	}
	h := newPage(versioned(), &webui.Options{API: d})
	page := send(h, "GET", "/titles/x/version", "", "Cookie", "patchsource_token=admin").Body.String()
	for name, fields := range map[string][]string{
		"the form": with(with(fieldsOf(t, page), "version", "9.8"), "place", "front"),
		"a file":   {"form", "json", "@v.json", `{"version":"9.8"}`},
	} {
		w := postForm(t, h, "/titles/x/version", fields...)
		body := send(h, "GET", "/publish", "", "Cookie", "patchsource_said="+cookie(w,
			"patchsource_said").Value).Body.String()
		if want := "Version &#39;9.8&#39; added. it was 9.9. use insert=ordered.</p>"; !strings.Contains(body, want) {
			t.Errorf("%s: it does not say %s: %s", name, want, body)
		}
	}
}

// Nothing that was typed or chosen is lost when it is refused.
func TestNothingTypedIsLost(t *testing.T) {
	d := &desk{answer: func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == "GET" {
			return false
		}
		w.Header().Set("Retry-After", "18")
		w.WriteHeader(429)
		fmt.Fprint(w, `{"message":"Slowly."}`)
		return true
	}}
	h := newPage(some(), &webui.Options{API: d, Publishing: true})
	text := `{"id": "pasted"}`
	for _, c := range []struct {
		name, path string
		fields     []string
		status     int
		keeps      []string
	}{
		{"pasted, with an address", "/publish", []string{"author_name", "Ann", "author_email", "a@example.com", "json", text, "definition_url", "https://u.example/"}, 400, []string{"Ann", "a@example.com", "pasted", "https://u.example/"}},
		{"pasted, with a file", "/publish", []string{"json", text, "@d.json", "{}"}, 400, []string{"pasted"}},
		{"too many requests", "/publish", []string{"author_name", "Ann", "json", text}, 429, []string{"Ann", "pasted", "Slowly."}},
		{"no JSON", "/publish", []string{"author_name", "Ann", "json", "oops"}, 400, []string{"Ann", "oops", "this is no JSON"}},
		{"too large, and no JSON", "/publish", []string{"author_name", "Ann", "@d.json", strings.Repeat("a", 10<<20+1)}, 413, []string{"Ann", "10 MiB"}},
		{"with a mark of its bytes' order", "/publish", []string{"json", "\ufeffoops"}, 400, []string{">oops<"}},
		{"a definition", "/titles/x/edit", []string{"json", text}, 429, []string{"pasted", "Slowly."}},
		{"an upload", "/upload", []string{"json", text, "replace", "1"}, 429, []string{"pasted", "Slowly.", "checked"}},
		{"a version", "/titles/x/version", []string{"form", "json", "json", text}, 429, []string{"pasted", "Slowly."}},
		{"no version at all", "/titles/x/version", []string{"form", "json"}, 400, []string{"There was nothing in it"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := postForm(t, h, c.path, c.fields...)
			if w.Code != c.status || c.status == 429 && w.Header().Get("Retry-After") != "18" {
				t.Errorf("%d %v", w.Code, w.Header())
			}
			for _, keep := range c.keeps {
				if !strings.Contains(w.Body.String(), strings.ReplaceAll(keep, `"`, "&#34;")) {
					t.Errorf("%s is lost: %.3000s", keep, w.Body)
				}
			}
		})
	}
	w := send(
		h,
		"POST",
		"/webhooks",
		"url=https%3A%2F%2Fh.example&format=slack&titles=x&event=new_title&send_definition=1",
		"Cookie",
		"patchsource_token=admin",
	)
	for _, keep := range []string{"https://h.example", `value="slack" selected`, `value="new_title" checked`, `value="title_deleted">`, `name="send_definition" value="1" checked`, `name="verify_ssl" value="1">`} {
		if w.Code != 429 || !strings.Contains(w.Body.String(), keep) {
			t.Errorf("%d: %s is lost", w.Code, keep)
		}
	}
	asked := len(d.asked)
	if w := send(h, "POST", "/webhooks", "url=https%3A%2F%2Fh.example", "Cookie", "patchsource_token=admin"); w.Code != 400 ||
		strings.Contains(strings.Join(d.asked[asked:], ""), "POST") {
		t.Errorf("a webhook that is told of nothing: %d %v", w.Code, d.asked[asked:])
	}
}

// A file is of the title that is there, for who may change it.
func TestUploadReplaces(t *testing.T) {
	yes := true
	def := &patch.Definition{
		ID:   "x",
		Name: "X",
		Requirements: []patch.Criterion{
			{Name: "Application Title", Operator: "is", Value: "X", Type: "recon", And: &yes},
		},
		Patches: []patch.Patch{{Version: "1", ReleaseDate: "2018-02-02T17:39:58Z"}},
	}
	text := func(id string) string {
		d := *def
		d.ID = id
		data, err := d.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	for _, c := range []struct {
		name, who, id string
		replace       bool
		asks          []string
		status        int
		says          string
	}{
		{"new", "admin", "new", false, []string{"POST /api/v1/title"}, 303, ""},
		{"there", "admin", "x", false, nil, 409, "choose to replace titles"},
		{"replaced", "admin", "x", true, []string{"PUT /api/v1/titles/x"}, 303, ""},
		{"a contributor's new one", "mac", "fresh", true, []string{"POST /api/v1/title"}, 303, ""},
		{"a contributor's, under its plain id", "mac", "slack", true, []string{"POST /api/v1/title", "PUT /api/v1/titles/slack_mac"}, 303, ""},
		{"a contributor's, as it is served", "mac", "slack_mac", true, []string{"PUT /api/v1/titles/slack_mac"}, 303, ""},
		{"a contributor's, as it is served, without leave", "mac", "slack_mac", false, nil, 409, "choose to replace titles"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := some()
			s.titles = append(s.titles, webui.Title{ID: "slack_mac", Name: "Slack (mac)", Contributor: "mac"})
			d := &desk{}
			d.answer = func(w http.ResponseWriter, r *http.Request) bool {
				switch {
				case r.URL.Path == "/api/v1/token" && c.who == "mac":
					fmt.Fprint(w, `{"id":"m","kind":"contributor","contributor":"mac"}`)
				case r.Method == "POST" && c.id == "slack":
					w.WriteHeader(409)
					fmt.Fprint(w, `{"message":"There is a title 'slack_mac' already.","database_conflict":"slack_mac"}`)
				default:
					return false
				}
				return true
			}
			fields := []string{"@d.json", text(c.id)}
			if c.replace {
				fields = append(fields, "replace", "1")
			}
			w := postForm(t, newPage(s, &webui.Options{API: d}), "/upload", fields...)
			var asks []string
			for _, a := range d.asked[1:] { // the first is who it is
				asks = append(asks, strings.TrimSuffix(a, " admin"))
			}
			if diff := cmp.Diff(c.asks, asks); diff != "" || w.Code != c.status ||
				!strings.Contains(w.Body.String(), c.says) {
				t.Errorf("%d %s", w.Code, diff)
			}
		})
	}
}

// A title with very many versions is shown in parts.
func TestManyVersions(t *testing.T) {
	s := some()
	s.def.Patches = nil
	for i := range 250 {
		s.def.Patches = append(
			s.def.Patches,
			patch.Patch{Version: fmt.Sprint(1000 - i), ReleaseDate: "2018-02-02T17:39:58Z"},
		)
	}
	h := newPage(s, nil)
	for path, want := range map[string]string{"/titles/x": "1000 901", "/titles/x?from=101": "900 801", "/titles/x?from=201": "800 751", "/titles/x?from=250": "800 751", "/titles/x?from=9999": "800 751", "/titles/x?from=-5": "1000 901", "/titles/x?from=x": "1000 901", "/titles/x?from=150": "900 801"} {
		body := send(h, "GET", path, "").Body.String()
		var shown []string
		for part := range strings.SplitSeq(body, "<summary><strong>") {
			if v, _, ok := strings.Cut(part, "</strong>"); ok && len(v) < 5 {
				shown = append(shown, v)
			}
		}
		if len(shown) == 0 || shown[0]+" "+shown[len(shown)-1] != want {
			t.Errorf("%s: %v", path, shown)
		}
	}
	body := send(h, "GET", "/titles/x?from=101", "").Body.String()
	for _, want := range []string{`href="/titles/x?from=1#versions"`, `href="/titles/x?from=201#versions"`, "101 to 200 of 250", " warnings</span>"} {
		if !strings.Contains(body, want) {
			t.Errorf("it does not say %s", want)
		}
	}
}
