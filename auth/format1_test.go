package auth_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// A format1Token describes a token in a record of format 1.
type format1Token struct {
	name        string
	kind        auth.Kind
	titles      []string
	contributor string
	by          string // the name of the token that it was made with
	replaces    []string
	revoked     bool
	purged      bool // whether its record is missing
}

// format1Store returns a store with records of format 1, and the tokens and their ids by name.
func format1Store(t testing.TB, described ...format1Token) (s store.Store, tokens, ids map[string]string) {
	t.Helper()
	s, scratch := memstore.New(), memstore.New()
	a := open(t, scratch, nil)
	tokens, ids = map[string]string{}, map[string]string{}
	for _, d := range described {
		tokens[d.name], ids[d.name] = issue(t, a, adminGrant)
		r, err := scratch.Get(t.Context(), store.Key{Kind: "tokens", ID: ids[d.name]})
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]any
		if err := json.Unmarshal(r.Value, &fields); err != nil {
			t.Fatal(err)
		}
		fields["format"], fields["kind"] = 1, d.kind
		if fields["titles"] = d.titles; d.contributor != "" {
			fields["contributor"] = d.contributor
		}
		if d.by != "" {
			fields["created_by"] = ids[d.by]
		}
		if d.revoked {
			fields["revoked"] = time.Now().UTC()
		}
		var replaces []string
		for _, name := range d.replaces {
			replaces = append(replaces, ids[name])
		}
		fields["replaces"] = replaces
		if d.purged {
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
	return s, tokens, ids
}

// title describes a title's token.
func title(name, by string) format1Token {
	return format1Token{name: name, kind: auth.TitleToken, titles: []string{"u"}, by: by}
}

// TestFormat1 checks that tokens of format 1 remain valid or end by the rules of the release that wrote them.
func TestFormat1(t *testing.T) {
	contributor := func(name, by string) format1Token {
		return format1Token{name: name, kind: auth.Contributor, contributor: "ann", by: by}
	}
	admin := format1Token{name: "admin", kind: auth.Administrator}
	purged := func(d format1Token) format1Token { d.purged = true; return d }
	revoked := func(d format1Token) format1Token { d.revoked = true; return d }
	replacing := func(name string, others ...string) format1Token {
		d := title(name, "")
		d.replaces = others
		return d
	}

	type action = func(t *testing.T, a *auth.Service, tokens, ids map[string]string)
	nothing := func(*testing.T, *auth.Service, map[string]string, map[string]string) {}
	revoke := func(name string) action {
		return func(t *testing.T, a *auth.Service, _, ids map[string]string) {
			if err := a.Revoke(t.Context(), ids[name]); err != nil {
				t.Fatal(err)
			}
		}
	}
	recovery := func(g auth.Grant) action {
		return func(t *testing.T, a *auth.Service, _, _ map[string]string) { recoverAndUse(t, a, g) }
	}
	use := func(name string) action {
		return func(t *testing.T, a *auth.Service, tokens, _ map[string]string) {
			if _, err := a.Authenticate(t.Context(), tokens[name]); err != nil {
				t.Fatal(err)
			}
		}
	}

	for _, c := range []struct {
		name   string
		tokens []format1Token
		do     action
		valid  string // the names of the tokens that are valid afterwards
		ended  string // the names of the tokens that are not
	}{
		{
			name: "nothing happens",
			tokens: []format1Token{
				admin, title("a", ""), title("b", "a"), revoked(title("c", "")), title("d", "c"),
				purged(title("e", "")), title("f", "e"),
			},
			do:    nothing,
			valid: "admin a b d f",
			ended: "c",
		},
		{
			name:   "a maker is revoked",
			tokens: []format1Token{admin, title("a", "admin"), title("b", "a"), title("c", "admin")},
			do:     revoke("a"),
			valid:  "admin c",
			ended:  "a b",
		},
		{
			name:   "the root of a replaced token is revoked",
			tokens: []format1Token{admin, revoked(title("a", "admin")), title("b", "a")},
			do:     revoke("admin"),
			ended:  "admin a b",
		},
		{
			name: "a title is recovered",
			tokens: []format1Token{
				admin, title("a", ""), title("b", "a"), title("made-by-admin", "admin"),
				revoked(title("c", "")), title("d", "c"), purged(title("e", "")), title("f", "e"),
			},
			do:    recovery(titleGrant),
			valid: "admin made-by-admin",
			ended: "a b c d f",
		},
		{
			name: "a contributor is recovered",
			tokens: []format1Token{
				admin, contributor("a", ""), title("b", "a"), contributor("c", "admin"), contributor("d", "c"),
				title("e", ""),
			},
			do:    recovery(annGrant),
			valid: "c d e",
			ended: "a b",
		},
		{
			name:   "a replacing token is not used",
			tokens: []format1Token{title("a", ""), title("b", "a"), replacing("new", "a")},
			do:     nothing,
			valid:  "a b",
		},
		{
			name: "a replacing token is used after the others have made more",
			tokens: []format1Token{
				title("a", ""), title("b", "a"), revoked(title("c", "")), title("d", "c"), replacing("new", "a", "c"),
			},
			do: func(t *testing.T, a *auth.Service, tokens, ids map[string]string) {
				tokens["later"], _ = issueWith(t, a, tokens["b"], titleGrant)
				var err error
				if tokens["rotated"], _, err = a.Rotate(t.Context(), ids["a"]); err != nil {
					t.Fatal(err)
				}
				use("new")(t, a, tokens, ids)
				tokens["made"], _ = issueWith(t, a, tokens["new"], titleGrant)
			},
			valid: "new made",
			ended: "a b c d later rotated",
		},
		{
			name: "a token that replaces those of an administrator is used",
			tokens: []format1Token{
				admin, title("a", "admin"), title("b", "a"), revoked(title("c", "admin")), title("d", "c"),
				replacing("new", "a", "c"),
			},
			do:    use("new"),
			valid: "admin new a b d",
			ended: "c",
		},
		{
			name:   "a maker is rotated",
			tokens: []format1Token{admin, title("a", "admin")},
			do: func(t *testing.T, a *auth.Service, tokens, ids map[string]string) {
				tokens["made"], _ = issueWith(t, a, tokens["a"], titleGrant)
				if _, _, err := a.Rotate(t.Context(), ids["a"]); err != nil {
					t.Fatal(err)
				}
			},
			valid: "admin",
			ended: "a made",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, tokens, ids := format1Store(t, c.tokens...)
			a := open(t, s, nil)
			c.do(t, a, tokens, ids)
			want := map[string]bool{}
			for _, name := range strings.Fields(c.valid) {
				want[name] = true
			}
			for _, name := range strings.Fields(c.ended) {
				want[name] = false
			}
			checkValid(t, a, want, tokens)
			checkValid(t, open(t, s, nil), want, tokens)
			// Purging records later does not change which tokens are valid.
			for range 3 {
				later := time.Now().Add(time.Hour)
				if err := open(t, s, func() time.Time { return later }).Purge(t.Context(), later); err != nil {
					t.Fatal(err)
				}
			}
			checkValid(t, open(t, s, nil), want, tokens)
		})
	}
}

// TestFormatOfRecords checks that a record keeps format 1, which the earlier release reads, until it needs a member
// that only format 2 has, and that a record of a later format is refused.
func TestFormatOfRecords(t *testing.T) {
	s, tokens, ids := format1Store(t, title("a", ""), title("b", "a"))
	a := open(t, s, nil)
	text := func(name string) string {
		t.Helper()
		r, err := s.Get(t.Context(), store.Key{Kind: "tokens", ID: ids[name]})
		if err != nil {
			t.Fatal(err)
		}
		return string(r.Value)
	}
	if _, err := a.Authenticate(t.Context(), tokens["b"]); err != nil {
		t.Fatal(err)
	}
	if err := a.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := text("b"); !strings.Contains(got, `"format":1`) || !strings.Contains(got, `"used"`) {
		t.Errorf("the record of a used token is %s, want format 1", got)
	}
	if err := a.Revoke(t.Context(), ids["a"]); err != nil {
		t.Fatal(err)
	}
	if got := text("a"); !strings.Contains(got, `"format":2`) {
		t.Errorf("the record of a revoked token is %s, want format 2", got)
	}
	later := strings.Replace(text("b"), `"format":1`, `"format":3`, 1)
	key := store.Key{Kind: "tokens", ID: ids["b"]}
	if _, err := s.Put(t.Context(), key, []byte(later), store.Condition{}); err != nil {
		t.Fatal(err)
	}
	if _, err := auth.Open(t.Context(), s, nil); !errors.Is(err, store.ErrFormat) {
		t.Errorf("Open with a record of format 3: %v, want store.ErrFormat", err)
	}
}
