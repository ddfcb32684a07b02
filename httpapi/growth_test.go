package httpapi_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"net/http/httptest"
	"testing"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/patchtest"
	"github.com/patchsource/patchsource/store/memstore"
)

// hostileBytes is the size of the smaller of two hostile bodies.
const hostileBytes = 128 << 10

// The cost of a call grows no faster than its body, whatever the body is made of.
func TestCallsAreLinear(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a minute with the race detector")
	}
	for _, name := range patchtest.HostileNames() {
		for _, call := range []struct {
			name, method, path string
			body               func(definition []byte) []byte
		}{
			{"lint", "POST", "/api/v1/lint", nil},
			{"create", "POST", "/api/v1/title", nil},
			{"replace", "PUT", "/api/v1/title/a", nil},
			{"add a version", "POST", "/api/v1/title/a/version", nil},
			{"add versions", "POST", "/api/v1/title/a/version?insert=ordered", itemsOf},
			{"import", "POST", "/api/v1/titles/import?dry_run=1&replace=1", nil},
			{"import an array", "POST", "/api/v1/titles/import?dry_run=1", arrayOf},
			{"plan a restore", "POST", "/api/v1/restore?mode=replace&dry_run=1", zipOf},
		} {
			t.Run(name+"/"+call.name, func(t *testing.T) {
				b := newBench(t, memstore.New())
				b.handler = newHandler(t, b.catalog, &httpapi.Options{Tokens: b.auth})
				b.create("a")
				bodies := map[int][]byte{}
				for _, n := range []int{hostileBytes, patchtest.Growth * hostileBytes} {
					bodies[n] = patchtest.Hostile(name, n)
					if call.body != nil {
						bodies[n] = call.body(bodies[n])
					}
				}
				patchtest.Linear(t, func(n int) func() {
					return func() {
						// Each call begins with the same title, so that it has the same to change.
						require(t, b.asAdmin("PUT", "/api/v1/title/a", definition("a", "base")), 200)
						r := httptest.NewRequest(call.method, call.path, bytes.NewReader(bodies[n]))
						r.Header.Set("Authorization", "Bearer "+b.admin)
						if w := answer(b.handler, r); w.Code >= 500 {
							t.Errorf("got status %d: %.300s", w.Code, w.Body)
						}
					}
				}, hostileBytes)
			})
		}
	}
}

// itemsOf returns the versions of a definition as Patch Server's clients send several, or its argument, which is
// refused, if that is no definition.
func itemsOf(definition []byte) []byte {
	d, err := patch.Parse(definition, &patch.ParseOptions{Stored: true, MaxBytes: len(definition)})
	if err != nil {
		return definition
	}
	var b bytes.Buffer
	b.WriteString(`{"items":[`)
	for i, p := range d.Patches {
		if i > 0 {
			b.WriteByte(',')
		}
		data, err := p.MarshalJSON()
		if err != nil {
			return definition
		}
		b.Write(data)
	}
	b.WriteString("]}")
	return b.Bytes()
}

// arrayOf returns a JSON array of one definition.
func arrayOf(definition []byte) []byte { return append(append([]byte("["), definition...), ']') }

// zipOf returns a zip of one definition.
func zipOf(definition []byte) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create("patch_archive/x.json")
	if err == nil {
		_, err = w.Write(definition)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		panic(err) // a bytes.Buffer does not fail
	}
	return b.Bytes()
}

// A list of tokens grows with the tokens, not with the product of tokens and titles.
func TestTokenListsAreLinear(t *testing.T) {
	for _, c := range []struct {
		name  string
		token func(b *bench, uid string) string
	}{
		{"administrator", func(b *bench, _ string) string { return b.admin }},
		{"editor", func(b *bench, _ string) string { return b.token(auth.Grant{Kind: auth.Editor}) }},
		{"title token", func(b *bench, uid string) string {
			return b.token(auth.Grant{Kind: auth.TitleToken, Titles: []string{uid}})
		}},
		{"contributor", func(b *bench, _ string) string {
			return b.token(auth.Grant{Kind: auth.Contributor, Contributor: "c"})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			patchtest.Linear(t, func(n int) func() {
				b := newBench(t, memstore.New())
				b.handler = newHandler(t, b.catalog, &httpapi.Options{Tokens: b.auth})
				var uid string
				for i := range n {
					def := parse(t, definition(fmt.Sprintf("T%d", i), "1"))
					res, err := b.catalog.Create(t.Context(), def, nil)
					if err != nil {
						t.Fatal(err)
					}
					uid = res.Title.UID
					b.token(auth.Grant{Kind: auth.TitleToken, Titles: []string{uid}})
				}
				token := c.token(b, uid)
				return func() {
					w := b.do("GET", "/api/v1/tokens", "", "Authorization", "Bearer "+token)
					require(t, w, 200)
				}
			}, 500)
		})
	}
}

func BenchmarkTokenList(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		x := newBench(b, memstore.New())
		x.handler = newHandler(b, x.catalog, &httpapi.Options{Tokens: x.auth})
		var uid string
		for i := range n {
			def := parse(b, definition(fmt.Sprintf("T%d", i), "1"))
			res, err := x.catalog.Create(b.Context(), def, nil)
			if err != nil {
				b.Fatal(err)
			}
			uid = res.Title.UID
			x.token(auth.Grant{Kind: auth.TitleToken, Titles: []string{uid}})
		}
		for name, token := range map[string]string{
			"administrator": x.admin,
			"title token":   x.token(auth.Grant{Kind: auth.TitleToken, Titles: []string{uid}}),
		} {
			b.Run(fmt.Sprint(name, "/", n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					require(b, x.do("GET", "/api/v1/tokens", "", "Authorization", "Bearer "+token), 200)
				}
			})
		}
	}
}

// TestTokenListsUnderTheDefaultPolicy checks that the tokens that are looked at for a list under the default policy are
// enough: another policy, for which all tokens are looked at, decides the same.
func TestTokenListsUnderTheDefaultPolicy(t *testing.T) {
	b := withTokens(t)
	b.create("A", "B", "C")
	uid := func(id string) string {
		title, err := b.catalog.Title(id)
		if err != nil {
			t.Fatal(err)
		}
		return title.UID
	}
	own, err := b.catalog.Create(t.Context(), parse(t, definition("D", "1")),
		&catalog.CreateOptions{Author: "c", Contributor: "c"})
	if err != nil {
		t.Fatal(err)
	}
	grants := []auth.Grant{
		{Kind: auth.Editor},
		{Kind: auth.Contributor, Contributor: "c"},
		{Kind: auth.Contributor, Contributor: "d"},
		{Kind: auth.TitleToken, Titles: []string{uid("A")}},
		{Kind: auth.TitleToken, Titles: []string{uid("B"), uid("A")}},
		{Kind: auth.TitleToken, Titles: []string{uid("A"), uid("C"), own.Title.UID}},
		{Kind: auth.TitleToken, Titles: []string{own.Title.UID}},
	}
	tokens := []string{b.admin}
	for _, g := range grants {
		tokens = append(tokens, b.token(g), b.token(g))
	}
	for _, token := range tokens[:len(tokens):len(tokens)] {
		for _, body := range []string{`{}`, `{"titles_in_scope":["A"]}`, `{"titles_in_scope":["D"]}`} {
			w := b.do("POST", "/api/v1/tokens", body, bearer(token)...)
			if w.Code == 201 {
				made, _ := made(t, w)
				tokens = append(tokens, made)
			}
		}
	}
	all := newHandler(t, b.catalog, &httpapi.Options{Tokens: b.auth, Authorize: auth.Authorize})
	quick := b.handler
	for _, token := range tokens {
		b.handler = all
		want := b.do("GET", "/api/v1/tokens", "", bearer(token)...).Body.String()
		b.handler = quick
		if got := b.do("GET", "/api/v1/tokens", "", bearer(token)...).Body.String(); got != want {
			t.Errorf("the list is\n%s\nwant\n%s", got, want)
		}
	}
}
