package server_test

import (
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// Changes that are made after a form was shown are not lost.

func TestFormOfTitleThatChanged(t *testing.T) {
	b := newEditorBench(t)
	b.api("POST", "/api/v1/title", titleWith("App"), 201)
	form := b.fill("/titles/App/draft", "/titles/App/draft") // no draft yet
	b.api("PUT", "/api/v1/title/App", strings.Replace(titleWith("App"), `"name":"App"`, `"name":"Renamed"`, 1), 200)
	form.Set("publisher", "New publisher")
	status, _, _ := b.post("/titles/App/draft", form)
	if status == 303 {
		b.save("/titles/App/draft/publish", url.Values{})
		if !strings.Contains(b.served("App"), `"name":"Renamed"`) {
			t.Error("the name that another caller set after the page was opened was reverted, without a conflict")
		}
	}
}

func TestTextOfTitleThatChanged(t *testing.T) {
	b := newEditorBench(t)
	b.api("POST", "/api/v1/title", titleWith("App"), 201)
	form := b.fill("/titles/App/draft/json", "/titles/App/draft/json")
	b.api("POST", "/api/v1/title/App/version", versionOf("2"), 201)
	status, page := b.upload("/titles/App/draft/json", map[string]string{"tag": form.Get("tag"),
		"json": strings.Replace(form.Get("json"), `"publisher": "P"`, `"publisher": "Q"`, 1)}, "", "")
	if status != 303 {
		t.Skip(page)
	}
	page = b.get("/titles/App/draft/publish")
	if strings.Contains(page, "has changed since") {
		return
	}
	b.save("/titles/App/draft/publish", url.Values{})
	if !strings.Contains(b.served("App"), `"version":"2"`) {
		t.Error("version 2, added after the page was opened, was removed without a conflict")
	}
}

func TestChangedDraftIsNotDiscarded(t *testing.T) {
	b := newEditorBench(t)
	b.api("POST", "/api/v1/title", titleWith("App"), 201)
	const draft = "/titles/App/draft"
	b.save(draft, url.Values{"name": {"A"}, "publisher": {"P"}})
	form := b.fill(draft+"/discard", draft+"/discard")
	b.save(draft, url.Values{"name": {"Work of another"}, "publisher": {"P"}})
	if status, _, _ := b.post(draft+"/discard", form); status == 303 {
		t.Error("a draft that another visitor changed after the question was discarded")
	}
}

func TestOneOfTwoFirstSavesWins(t *testing.T) {
	for range 60 {
		b := newEditorBench(t)
		b.api("POST", "/api/v1/title", titleWith("App"), 201)
		const draft = "/titles/App/draft"
		tag := b.tag(b.get(draft))
		var one, two int
		var group sync.WaitGroup
		group.Go(func() {
			one, _, _ = b.post(draft, url.Values{"tag": {tag}, "name": {"AAA"}, "publisher": {"P"}})
		})
		group.Go(func() {
			two, _, _ = b.post(draft, url.Values{"tag": {tag}, "do": {"add 0"}, "version": {"7"}})
		})
		group.Wait()
		if (one == 303) == (two == 303) {
			t.Fatalf("two forms of one page were answered with %d and %d, want that one is saved", one, two)
		}
	}
}

func TestOneOfTwoNewTitlesWins(t *testing.T) {
	for range 60 {
		b := newEditorBench(t)
		var status [2]int
		var group sync.WaitGroup
		for i := range status {
			group.Go(func() {
				fields := map[string]string{"from": "blank", "id": "X", "name": fmt.Sprint("N", i)}
				status[i], _ = b.upload("/new", fields, "", "")
			})
		}
		group.Wait()
		if status == [2]int{303, 303} {
			t.Fatal("two visitors created the same title: the draft of one is overwritten")
		}
	}
}

func TestMergeKeepsBrokenValues(t *testing.T) {
	b := newEditorBench(t)
	b.api("POST", "/api/v1/title", titleWith("App"), 201)
	const draft = "/titles/App/draft"
	d := titleWith("App", "PATCHES",
		`[{"version":3,"releaseDate":"2026-01-01T00:00:00Z","killApps":"oops"},`+versionOf("1")+"]")
	b.api("PUT", "/api/v1/titles/App/draft", d, 201-1)
	b.api("POST", "/api/v1/title/App/version", versionOf("2"), 201)
	form := b.fill(draft+"/publish", draft+"/merge")
	status, _, _ := b.post(draft+"/merge", form)
	if got := b.draft("App"); status == 303 && !strings.Contains(got, "oops") {
		t.Errorf("the merge removed values of a wrong type from the draft: %s", got)
	}
}

func TestMergeKeepsTheirOrder(t *testing.T) {
	b := newEditorBench(t)
	b.api("POST", "/api/v1/title", titleWith("App", "PATCHES", "["+versionOf("2")+","+versionOf("1")+"]"), 201)
	const draft = "/titles/App/draft"
	b.save(draft, url.Values{"name": {"Mine"}, "publisher": {"P"}})
	b.api("POST", "/api/v1/titles/App/order", `{"versions":["1","2"]}`, 200)
	page := b.get(draft + "/publish")
	b.must(draft+"/merge", b.fill(draft+"/publish", draft+"/merge"), 303)
	d := b.draft("App")
	if strings.Index(d, `"version":"2"`) < strings.Index(d, `"version":"1"`) &&
		strings.Contains(page, "None of these") {
		t.Error("the page says that nothing collides, and the merge reverts the order that the title got")
	}
}

// api makes a call that must have a status.
func (b *editorBench) api(method, path, body string, status int) string {
	b.Helper()
	w := call(b.server, method, path, body, bearer(b.token))
	if w.Code != status {
		b.Fatalf("%s %s: got status %d, want %d: %s", method, path, w.Code, status, w.Body)
	}
	return w.Body.String()
}

// draft returns the draft of a title, compacted.
func (b *editorBench) draft(id string) string {
	b.Helper()
	var d struct {
		Definition json.RawMessage `json:"definition"`
	}
	if err := json.Unmarshal([]byte(b.api("GET", "/api/v1/titles/"+id+"/draft", "", 200)), &d); err != nil {
		b.Fatal(err)
	}
	return string(d.Definition)
}

func (b *editorBench) must(path string, form url.Values, want int) (location, page string) {
	b.Helper()
	status, location, page := b.post(path, form)
	if status != want {
		b.Errorf("POST %s: got status %d, want %d", path, status, want)
	}
	return location, page
}

// titleWith returns a definition with some of its members replaced.
func titleWith(id string, pairs ...string) string {
	d := `{"id":"` + id + `","name":"` + id + `","publisher":"P","appName":null,"bundleId":null,` +
		`"requirements":REQ,"patches":PATCHES,"extensionAttributes":EAS}`
	r := map[string]string{
		"REQ":     `[{"name":"n","operator":"is","value":"v","type":"recon","and":true}]`,
		"PATCHES": "[" + versionOf("1") + "]",
		"EAS":     "[]",
	}
	for i := 0; i < len(pairs); i += 2 {
		r[pairs[i]] = pairs[i+1]
	}
	for k, v := range r {
		d = strings.ReplaceAll(d, k, v)
	}
	return d
}

// inputs parses the values of the inputs, selects and textareas with a name, as a browser would send them. Only what
// the forms of the editor need.
var fieldOf = regexp.MustCompile(`(?s)<input[^>]*name="([^"]+)"[^>]*>|<textarea[^>]*name="([^"]+)"[^>]*>(.*?)` +
	`</textarea>|<select[^>]*name="([^"]+)"[^>]*>(.*?)</select>`)
var valueOf = regexp.MustCompile(`value="([^"]*)"`)
var optionOf = regexp.MustCompile(`<option(?: value="([^"]*)")?( selected)?>([^<]*)`)

func (b *editorBench) fill(path, action string) url.Values {
	b.Helper()
	w := call(b.server, "GET", path, "", b.browser)
	if w.Code != 200 {
		b.Fatalf("GET %s: %d %s", path, w.Code, w.Body)
	}
	return b.parse(w.Body.String(), action)
}

// filled returns the fields of a form on a page that post has returned.
func (b *editorBench) filled(page, action string) url.Values {
	b.Helper()
	form := b.parse(page, action)
	form.Set("tag", b.tag(page)) // post has replaced the entities, so that the quotes of the tag end its value
	return form
}

// parse returns the fields of the first form of a page whose action begins so.
func (b *editorBench) parse(page, action string) url.Values {
	b.Helper()
	_, page, ok := strings.Cut(page, `action="`+action)
	if !ok {
		b.Fatalf("the page has no form for %s: %s", action, page)
	}
	page, _, _ = strings.Cut(page, "</form>")
	form := url.Values{}
	for _, m := range fieldOf.FindAllStringSubmatch(page, -1) {
		switch {
		case m[1] != "":
			if strings.Contains(m[0], `type="checkbox"`) && !strings.Contains(m[0], " checked") {
				continue
			}
			v := ""
			if x := valueOf.FindStringSubmatch(m[0]); x != nil {
				v = html.UnescapeString(x[1])
			}
			form.Add(m[1], v)
		case m[2] != "":
			form.Add(m[2], browserLines(html.UnescapeString(m[3])))
		default:
			v, first := "", true
			for _, o := range optionOf.FindAllStringSubmatch(m[5], -1) {
				if first || o[2] != "" {
					v, first = html.UnescapeString(o[3]), false
					if strings.Contains(o[0], "value=") {
						v = html.UnescapeString(o[1])
					}
				}
			}
			form.Add(m[4], v)
		}
	}
	return form
}

// browserLines returns the content of a textarea as a browser sends it.
func browserLines(text string) string {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	return strings.ReplaceAll(strings.TrimPrefix(text, "\n"), "\n", "\r\n")
}

const emptyVersion = `"releaseDate":"2026-01-01T00:00:00Z","standalone":true,"minimumOperatingSystem":"12",` +
	`"reboot":false,"killApps":[],"components":[],"capabilities":[]}`

func versionOf(v string) string { return `{"version":"` + v + `",` + emptyVersion }
