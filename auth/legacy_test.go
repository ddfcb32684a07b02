package auth_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// An oldToken is a token as the first format had it.
type oldToken struct {
	name        string
	kind        auth.Kind
	titles      []string
	contributor string
	by          string // the name of the token that it was made with
	replaces    []string
	revoked     bool
	missing     bool // its record was swept away
}

// oldStore returns a store with tokens of the first format, the tokens and their ids by name.
func oldStore(t testing.TB, tokens ...oldToken) (s store.Store, names, ids map[string]string) {
	t.Helper()
	s, scratch := memstore.New(), memstore.New()
	a := open(t, scratch, nil)
	names, ids = map[string]string{}, map[string]string{}
	for _, o := range tokens {
		names[o.name], ids[o.name] = issue(t, a, auth.Grant{Kind: auth.Administrator})
		r, err := scratch.Get(t.Context(), store.Key{Kind: "tokens", ID: ids[o.name]})
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]any
		if err := json.Unmarshal(r.Value, &fields); err != nil {
			t.Fatal(err)
		}
		fields["format"], fields["kind"] = 1, o.kind
		for member, value := range map[string]any{"titles": o.titles, "contributor": o.contributor, "created_by": ids[o.by]} {
			if text, ok := value.(string); !ok || text != "" {
				fields[member] = value
			}
		}
		if o.revoked {
			fields["revoked"] = time.Now().UTC()
		}
		var replaces []string
		for _, name := range o.replaces {
			replaces = append(replaces, ids[name])
		}
		fields["replaces"] = replaces
		if o.missing {
			continue
		}
		data, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Put(t.Context(), r.Key, data, store.IfAbsent()); err != nil {
			t.Fatal(err)
		}
	}
	return s, names, ids
}

func title(name, by string) oldToken {
	return oldToken{name: name, kind: auth.TitleToken, titles: []string{"u"}, by: by}
}

func TestTokensOfTheFirstFormat(t *testing.T) {
	ctx := context.Background()
	contributor := func(name, by string) oldToken {
		return oldToken{name: name, kind: auth.Contributor, contributor: "ann", by: by}
	}
	admin := oldToken{name: "admin", kind: auth.Administrator}
	revoke := func(name string) func(*testing.T, *auth.Service, map[string]string, map[string]string) {
		return func(t *testing.T, a *auth.Service, _, ids map[string]string) {
			if err := a.Revoke(ctx, ids[name]); err != nil {
				t.Fatal(err)
			}
		}
	}
	recovered := func(g auth.Grant) func(*testing.T, *auth.Service, map[string]string, map[string]string) {
		return func(t *testing.T, a *auth.Service, _, _ map[string]string) {
			token, _, err := a.Recover(ctx, g)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := a.Authenticate(ctx, token); err != nil {
				t.Fatal(err)
			}
		}
	}
	swept := func(o oldToken) oldToken { o.missing = true; return o }
	replaced := func(o oldToken) oldToken { o.revoked = true; return o }
	for _, c := range []struct {
		name   string
		tokens []oldToken
		do     func(t *testing.T, a *auth.Service, names, ids map[string]string)
		want   map[string]bool
	}{
		{"nothing is done", []oldToken{admin, title("a", ""), title("b", "a"), replaced(title("c", "")), title("d", "c"), swept(title("e", "")), title("f", "e")},
			func(*testing.T, *auth.Service, map[string]string, map[string]string) {},
			map[string]bool{"admin": true, "a": true, "b": true, "c": false, "d": true, "f": true}},
		{"a maker is revoked", []oldToken{admin, title("a", "admin"), title("b", "a"), title("c", "admin")}, revoke("a"),
			map[string]bool{"admin": true, "a": false, "b": false, "c": true}},
		{"the root is revoked above one that was replaced", []oldToken{admin, replaced(title("a", "admin")), title("b", "a")}, revoke("admin"),
			map[string]bool{"admin": false, "a": false, "b": false}},
		{"a title is recovered", []oldToken{admin, title("a", ""), title("b", "a"), title("administrator's", "admin"), replaced(title("c", "")), title("d", "c"), swept(title("e", "")), title("f", "e")},
			recovered(titles),
			map[string]bool{"admin": true, "a": false, "b": false, "administrator's": true, "d": false, "f": false}},
		{"a contributor is recovered", []oldToken{admin, contributor("a", ""), title("b", "a"), contributor("c", "admin"), contributor("d", "c"), title("e", "")},
			recovered(auth.Grant{Kind: auth.Contributor, Contributor: "ann"}),
			map[string]bool{"a": false, "b": false, "c": true, "d": true, "e": true}},
		{"a token that replaces others is not used", []oldToken{title("a", ""), title("b", "a"), {name: "new", kind: auth.TitleToken, titles: []string{"u"}, replaces: []string{"a"}}},
			func(*testing.T, *auth.Service, map[string]string, map[string]string) {},
			map[string]bool{"a": true, "b": true}},
		{"a token that replaces others is used, and the others had made more", []oldToken{title("a", ""), title("b", "a"), replaced(title("c", "")), title("d", "c"),
			{name: "new", kind: auth.TitleToken, titles: []string{"u"}, replaces: []string{"a", "c"}}},
			func(t *testing.T, a *auth.Service, names, ids map[string]string) {
				names["made later"], _ = with(t, a, names["b"], titles)
				var err error
				if names["exchanged later"], _, err = a.Rotate(ctx, ids["a"]); err != nil {
					t.Fatal(err)
				}
				if _, err := a.Authenticate(ctx, names["new"]); err != nil {
					t.Fatal(err)
				}
				names["made with the new"], _ = with(t, a, names["new"], titles)
			},
			map[string]bool{"a": false, "b": false, "c": false, "d": false, "made later": false, "exchanged later": false, "new": true, "made with the new": true}},
		{"a token is made and exchanged further down", []oldToken{admin, title("a", "admin")},
			func(t *testing.T, a *auth.Service, names, ids map[string]string) {
				names["made"], _ = with(t, a, names["a"], titles)
				if _, _, err := a.Rotate(ctx, ids["a"]); err != nil {
					t.Fatal(err)
				}
			},
			map[string]bool{"admin": true, "a": false, "made": false}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, names, ids := oldStore(t, c.tokens...)
			a := open(t, s, nil)
			c.do(t, a, names, ids)
			check(t, a, c.want, names)
			check(t, open(t, s, nil), c.want, names)
			// What is swept away later changes nothing.
			for range 3 {
				later := time.Now().Add(time.Hour)
				if err := open(t, s, func() time.Time { return later }).Purge(ctx, later); err != nil {
					t.Fatal(err)
				}
			}
			check(t, open(t, s, nil), c.want, names)
		})
	}
}

// A record of the first format keeps it until it says what only the second can, so that the old program still reads it.
func TestFormats(t *testing.T) {
	s, names, ids := oldStore(t, title("a", ""), title("b", "a"))
	a := open(t, s, nil)
	text := func(name string) string {
		t.Helper()
		r, err := s.Get(t.Context(), store.Key{Kind: "tokens", ID: ids[name]})
		if err != nil {
			t.Fatal(err)
		}
		return string(r.Value)
	}
	if _, err := a.Authenticate(t.Context(), names["b"]); err != nil {
		t.Fatal(err)
	}
	if err := a.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := text("b"); !strings.Contains(got, `"format":1`) || !strings.Contains(got, `"used"`) {
		t.Errorf("used: %s", got)
	}
	if err := a.Revoke(t.Context(), ids["a"]); err != nil {
		t.Fatal(err)
	}
	if got := text("a"); !strings.Contains(got, `"format":2`) {
		t.Errorf("revoked: %s", got)
	}
	newer := strings.Replace(text("b"), `"format":1`, `"format":3`, 1)
	if _, err := s.Put(t.Context(), store.Key{Kind: "tokens", ID: ids["b"]}, []byte(newer), store.Condition{}); err != nil {
		t.Fatal(err)
	}
	if _, err := auth.Open(t.Context(), s, nil); err == nil || !strings.Contains(err.Error(), "newer") {
		t.Errorf("a newer format: %v", err)
	}
}
