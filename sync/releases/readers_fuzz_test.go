package releases

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/theory/jsonpath"
	"howett.net/plist"

	"github.com/patchsource/patchsource/patch/recipe"
)

// checkRead reads a feed that passes its check, and asserts what all kinds promise: an error is an ErrUnreadable of a
// bounded length, and releases have a version of a bounded length.
func checkRead(t *testing.T, f recipe.Feed, a Answer) {
	t.Helper()
	kinds, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kinds.Request(f, false); err != nil {
		return
	}
	began := time.Now()
	found, next, err := kinds.Read(f, a)
	if took := time.Since(began); took > time.Minute {
		t.Errorf("took %v", took)
	}
	switch {
	case err != nil && (!errors.Is(err, ErrUnreadable) || len(err.Error()) > 3000):
		t.Errorf("Read = %T, %.3000v", err, err)
	case err == nil && len(found) == 0 && next == nil:
		t.Error("neither a release nor an error")
	case next != nil && checkURL(next.URL) != nil:
		t.Errorf("the next request is for %q", next.URL)
	}
	checkReleases(t, found)
	Select(f, found)
}

func checkReleases(t *testing.T, found []recipe.Release) {
	t.Helper()
	for _, r := range found {
		if r.Version == "" || len(r.Version) > maxVersion+1 || !(0 <= r.Rollout && r.Rollout <= 1) {
			t.Errorf("release %+v", r)
		}
	}
}

const fuzzURL = "https://vendor.example/feed"

// FuzzText asserts that matches are those of package regexp.
func FuzzText(f *testing.F) {
	f.Add(`App-(?P<version>[\d.]+)\.dmg`, "App-1.0.dmg App-1.1.dmg", "{version}")
	f.Add(`(?im)^(a|ab)(c|bcd)(d*)$|\b`, "abcd\nAB\n\nabc", "")
	f.Add(`x*|(?s:.)`, "axxb\xffé", "")
	f.Add(`\Bx|x\z|^`, "xxx x", "")
	f.Fuzz(func(t *testing.T, match, body, form string) {
		if len(match) > 100 || len(body) > 1000 {
			return
		}
		checkRead(t, recipe.Feed{Kind: "text", URL: fuzzURL, Match: match, As: form}, Answer{Body: []byte(body)})
		re, err := regexp.Compile(match)
		if err != nil {
			return
		}
		var got, want [][]string
		if err := findMatches(re, []byte(body), func(m []string) error {
			got = append(got, m)
			return nil
		}); err != nil {
			return
		}
		for _, m := range re.FindAllStringSubmatch(body, -1) {
			want = append(want, slices.Clone(m))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("matches of %q in %q (-want +got):\n%s", match, body, diff)
		}
	})
}

// FuzzJSON asserts that documents are those of package json, and that paths find what package jsonpath finds.
func FuzzJSON(f *testing.F) {
	f.Add(`{"a": [{"v": "1.0", "b": 1e3}, {"v": 1.10}], "c": null}`, "$.a[*].v")
	f.Add(`[[1, [2]], {"a": {"b": true}}, "x"]`, "$..[?@.b == true || @[0] > 1]")
	f.Add(`[{"a": "b,]"}]`, `$[?@.a == 'b,]' && !match(@.a, 'x.*')]['a','b',1:3:1]`)
	f.Add("\ufeff[]", "$")
	f.Fuzz(func(t *testing.T, body, path string) {
		if len(body) > 2000 || len(path) > 200 {
			return
		}
		checkRead(t, recipe.Feed{Kind: "json", URL: fuzzURL, Items: "$..*", Version: path}, Answer{Body: []byte(body)})
		got, err := readJSON([]byte(body))
		var want any
		d := json.NewDecoder(strings.NewReader(strings.TrimPrefix(body, "\ufeff")))
		d.UseNumber()
		if wrong := d.Decode(&want); wrong == nil && !d.More() && err == nil {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("-want +got:\n%s", diff)
			}
		} else if wrong != nil && err == nil {
			t.Fatalf("readJSON accepts %q", body)
		}
		checkPath(t, path, got, err)
	})
}

// checkPath asserts that a path finds what package jsonpath finds, in any order.
func checkPath(t *testing.T, path string, document any, err error) {
	t.Helper()
	p, wrong := parseJSONPath(path)
	if wrong != nil || err != nil {
		return
	}
	found, err := p.find(document, &steps{10_000})
	if err != nil {
		return
	}
	texts := func(list []any) []string {
		all := []string{}
		for _, v := range list {
			text, _ := json.Marshal(v)
			all = append(all, string(text))
		}
		slices.Sort(all)
		return all
	}
	if diff := cmp.Diff(texts(jsonpath.MustParse(path).Select(document)), texts(found)); diff != "" {
		t.Errorf("path %s (-want +got):\n%s", path, diff)
	}
}

func FuzzXML(f *testing.F) {
	f.Add(`<?xml version="1.0"?><r xmlns:s="u"><i v="1.0"><s:v>2.0</s:v><![CDATA[x]]><!-- y --></i></r>`,
		"//i", "@v | s:v")
	f.Add(`<r><a>1</a><a>2</a></r>`, "/r", "a[last()]")
	f.Add("\xff\xfe<\x00a\x00/\x00>\x00", "/", "string(.)")
	f.Add(`<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>`, ".", "concat(a, '-', count(//a))")
	f.Fuzz(func(t *testing.T, body, items, version string) {
		feed := recipe.Feed{Kind: "xml", URL: fuzzURL, Items: items, Version: version}
		checkRead(t, feed, Answer{Body: []byte(body)})
	})
}

// FuzzPropertyList asserts that texts are those of package plist, where it reads the same document.
func FuzzPropertyList(f *testing.F) {
	const dict = `<plist version="1.0"><dict><key>a</key><string>1 &amp; 2</string>` +
		`<key>b</key><integer>3</integer></dict></plist>`
	f.Add(dict, "$.a")
	f.Add("<plist><array><dict/><true/><real>1.5</real><data>AA==</data></array></plist>", "$[*]")
	f.Add("bplist00", "$")
	f.Fuzz(func(t *testing.T, body, path string) {
		checkRead(t, recipe.Feed{Kind: "plist", URL: fuzzURL, Version: path}, Answer{Body: []byte(body)})
		document, err := readPropertyList([]byte(body))
		members, ok := document.(map[string]any)
		if err != nil || !ok {
			return
		}
		var want struct {
			A string `plist:"a"`
		}
		text, isText := members["a"].(string)
		_, wrong := plist.Unmarshal([]byte(body), &want)
		simple := bytes.Count([]byte(body), []byte("<key>a</key>")) == 1 &&
			bytes.Contains([]byte(body), []byte("<key>a</key><string>"))
		if wrong == nil && isText && simple && text != want.A {
			t.Errorf("a = %q, want %q", text, want.A)
		}
	})
}

func FuzzRedirect(f *testing.F) {
	f.Add("https://cdn.example/App-1.0.dmg", `attachment; filename*=UTF-8''App%201.0.dmg`, `([\d.]+)\.dmg`, 302, 0)
	f.Add("/relative?q", "", "x", 301, 5)
	f.Add("//host", "", "x", 200, 1)
	f.Fuzz(func(t *testing.T, location, disposition, match string, status, pages int) {
		a := Answer{URL: fuzzURL, Status: status, Pages: pages, Header: http.Header{}}
		a.Header.Set("Location", location)
		a.Header.Set("Content-Disposition", disposition)
		if a.Status < 100 || a.Status > 599 || a.Pages < 0 {
			return
		}
		checkRead(t, recipe.Feed{Kind: "redirect", URL: fuzzURL, Match: match}, a)
	})
}

func FuzzPreset(f *testing.F) {
	f.Add("office:word", "<plist><array/></plist>")
	f.Add("jetbrains:CL", `{"CL": [{"version": "2026.1"}]}`)
	f.Fuzz(func(t *testing.T, name, body string) {
		feed := recipe.Feed{Kind: "preset", Name: name}
		checkRead(t, feed, Answer{Body: []byte(body)})
		if expanded, err := expand(feed); err == nil && expanded.Kind == "preset" {
			t.Errorf("%q expands to a preset", name)
		}
	})
}
