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
		if fields["titles"] = o.titles; o.contributor != "" {
			fields["contributor"] = o.contributor
		}
		if o.by != "" {
			fields["created_by"] = ids[o.by]
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
	type action = func(t *testing.T, a *auth.Service, names, ids map[string]string)
	ctx := context.Background()
	contributor := func(name, by string) oldToken {
		return oldToken{name: name, kind: auth.Contributor, contributor: "ann", by: by}
	}
	admin := oldToken{name: "admin", kind: auth.Administrator}
	revoke := func(name string) action {
		return func(t *testing.T, a *auth.Service, _, ids map[string]string) {
			if err := a.Revoke(ctx, ids[name]); err != nil {
				t.Fatal(err)
			}
		}
	}
	recovered := func(g auth.Grant) action {
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
	replacing := func(name string, others ...string) oldToken {
		o := title(name, "")
		o.replaces = others
		return o
	}
	replaced := func(o oldToken) oldToken { o.revoked = true; return o }
	for _, c := range []struct {
		name   string
		tokens []oldToken
		do     action
		good   string // the names of the tokens that are good afterwards
		ended  string // and of those that have ended
	}{
		{
			name: "nothing is done",
			tokens: []oldToken{
				admin, title("a", ""), title("b", "a"), replaced(title("c", "")), title("d", "c"),
				swept(title("e", "")), title("f", "e"),
			},
			do:    func(*testing.T, *auth.Service, map[string]string, map[string]string) {},
			good:  "admin a b d f",
			ended: "c",
		},
		{
			name:   "a maker is revoked",
			tokens: []oldToken{admin, title("a", "admin"), title("b", "a"), title("c", "admin")},
			do:     revoke("a"),
			good:   "admin c",
			ended:  "a b",
		},
		{
			name:   "the root is revoked above one that was replaced",
			tokens: []oldToken{admin, replaced(title("a", "admin")), title("b", "a")},
			do:     revoke("admin"),
			ended:  "admin a b",
		},
		{
			name: "a title is recovered",
			tokens: []oldToken{
				admin, title("a", ""), title("b", "a"), title("administrator's", "admin"),
				replaced(title("c", "")), title("d", "c"), swept(title("e", "")), title("f", "e"),
			},
			do:    recovered(titles),
			good:  "admin administrator's",
			ended: "a b c d f",
		},
		{
			name: "a contributor is recovered",
			tokens: []oldToken{
				admin, contributor("a", ""), title("b", "a"), contributor("c", "admin"), contributor("d", "c"),
				title("e", ""),
			},
			do:    recovered(auth.Grant{Kind: auth.Contributor, Contributor: "ann"}),
			good:  "c d e",
			ended: "a b",
		},
		{
			name:   "a token that replaces others is not used",
			tokens: []oldToken{title("a", ""), title("b", "a"), replacing("new", "a")},
			do:     func(*testing.T, *auth.Service, map[string]string, map[string]string) {},
			good:   "a b",
		},
		{
			name: "a token that replaces others is used, and the others had made more",
			tokens: []oldToken{
				title("a", ""), title("b", "a"), replaced(title("c", "")), title("d", "c"), replacing("new", "a", "c"),
			},
			do: func(t *testing.T, a *auth.Service, names, ids map[string]string) {
				names["later"], _ = with(t, a, names["b"], titles)
				var err error
				if names["exchanged"], _, err = a.Rotate(ctx, ids["a"]); err != nil {
					t.Fatal(err)
				}
				if _, err := a.Authenticate(ctx, names["new"]); err != nil {
					t.Fatal(err)
				}
				names["made"], _ = with(t, a, names["new"], titles)
			},
			good:  "new made",
			ended: "a b c d later exchanged",
		},
		{
			name: "a token that replaces others is used, which an administrator has made",
			tokens: []oldToken{
				admin, title("a", "admin"), title("b", "a"), replaced(title("c", "admin")), title("d", "c"),
				replacing("new", "a", "c"),
			},
			do: func(t *testing.T, a *auth.Service, names, _ map[string]string) {
				if _, err := a.Authenticate(ctx, names["new"]); err != nil {
					t.Fatal(err)
				}
			},
			good:  "admin new a b d",
			ended: "c",
		},
		{
			name:   "a token is made, and its maker exchanged",
			tokens: []oldToken{admin, title("a", "admin")},
			do: func(t *testing.T, a *auth.Service, names, ids map[string]string) {
				names["made"], _ = with(t, a, names["a"], titles)
				if _, _, err := a.Rotate(ctx, ids["a"]); err != nil {
					t.Fatal(err)
				}
			},
			good:  "admin",
			ended: "a made",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, names, ids := oldStore(t, c.tokens...)
			a := open(t, s, nil)
			c.do(t, a, names, ids)
			want := map[string]bool{}
			for _, name := range strings.Fields(c.good) {
				want[name] = true
			}
			for _, name := range strings.Fields(c.ended) {
				want[name] = false
			}
			check(t, a, want, names)
			check(t, open(t, s, nil), want, names)
			// What is swept away later changes nothing.
			for range 3 {
				later := time.Now().Add(time.Hour)
				if err := open(t, s, func() time.Time { return later }).Purge(ctx, later); err != nil {
					t.Fatal(err)
				}
			}
			check(t, open(t, s, nil), want, names)
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
	key := store.Key{Kind: "tokens", ID: ids["b"]}
	if _, err := s.Put(t.Context(), key, []byte(newer), store.Condition{}); err != nil {
		t.Fatal(err)
	}
	if _, err := auth.Open(t.Context(), s, nil); err == nil || !strings.Contains(err.Error(), "newer") {
		t.Errorf("a newer format: %v", err)
	}
}
