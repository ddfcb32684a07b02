package auth_test

import (
	"errors"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/store/memstore"
)

// TestListAndFlush checks that List returns the valid tokens, and that Flush keeps the time of their last use.
func TestListAndFlush(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	s := memstore.New()
	a := open(t, s, clock)
	token, id := issue(t, a, adminGrant)
	now = now.Add(time.Hour)
	_, revoked := issue(t, a, titleGrant)
	_, short := issue(t, a, auth.Grant{Kind: auth.Administrator, Expires: now.Add(time.Hour)})
	if err := a.Revoke(t.Context(), revoked); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Authenticate(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	all := a.List()
	if len(all) != 2 || all[0].ID != short || all[1].ID != id {
		t.Fatalf("List() = %+v, want %s and %s", all, short, id)
	}
	if !all[0].Used.IsZero() || !all[1].Used.Equal(now) {
		t.Errorf("the tokens were used at %v and %v, want never and %v", all[0].Used, all[1].Used, now)
	}
	if err := a.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	used := now
	now = now.Add(2 * time.Hour)
	if all := open(t, s, clock).List(); len(all) != 1 || !all[0].Used.Equal(used) {
		t.Errorf("after a restart, List() = %+v; want the token that was used at %v", all, used)
	}
}

// TestPurge checks that Purge deletes the records of tokens that have ended, but not those of revoked administrators'.
func TestPurge(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := memstore.New()
	a := open(t, s, func() time.Time { return now })
	valid, _ := issue(t, a, titleGrant)
	_, revoked := issue(t, a, titleGrant)
	admin, adminID := issue(t, a, adminGrant)
	issue(t, a, auth.Grant{Kind: auth.TitleToken, Titles: []string{"u"}, Expires: now.Add(time.Hour)})
	for _, id := range []string{revoked, adminID} {
		if err := a.Revoke(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		before time.Time
		want   int
	}{{now, 4}, {now.Add(48 * time.Hour), 2}} {
		if err := a.Purge(t.Context(), c.before); err != nil {
			t.Fatal(err)
		}
		if n := records(t, s, "tokens"); n != c.want {
			t.Errorf("after Purge(%v), %d records remain, want %d", c.before, n, c.want)
		}
	}
	if _, err := a.Authenticate(t.Context(), valid); err != nil {
		t.Errorf("the valid token: %v", err)
	}
	if err := a.Adopt(t.Context(), admin); !errors.Is(err, auth.ErrRevoked) {
		t.Errorf("Adopt of the revoked administrator's token: %v, want ErrRevoked", err)
	}
}
