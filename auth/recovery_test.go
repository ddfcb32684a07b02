package auth_test

import (
	"errors"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// A request that began with a token which has ended meanwhile makes nothing with it, also when its record is gone.
func TestMakerWhoseRecordIsGone(t *testing.T) {
	ctx := t.Context()
	now := time.Now()
	a := open(t, memstore.New(), func() time.Time { return now })
	leaked, _ := issue(t, a, titles)
	thief, err := a.Authenticate(ctx, leaked)
	if err != nil {
		t.Fatal(err)
	}
	recovered, _, err := a.Recover(ctx, titles)
	if err == nil {
		_, err = a.Authenticate(ctx, recovered)
	}
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Hour)
	if err := a.Purge(ctx, now); err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.IssueFor(ctx, thief, titles, func(string) bool { return true }); !errors.Is(err, auth.ErrUnauthorized) {
		t.Errorf("%v, want ErrUnauthorized", err)
	}
	if n := len(a.List()); n != 1 {
		t.Errorf("%d tokens are good", n)
	}
}

// A token that waits for its first use is told apart, so that it is not ended by the holders of those that it will end;
// and it does not wait for ever.
func TestRecoveryToken(t *testing.T) {
	ctx := t.Context()
	now := time.Now()
	a := open(t, memstore.New(), func() time.Time { return now })
	_, oldID := issue(t, a, titles)
	used, usedID, err := a.Recover(ctx, titles)
	if err != nil {
		t.Fatal(err)
	}
	late, _, err := a.Recover(ctx, titles)
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]bool{oldID: false, usedID: true} {
		if i, ok := a.Info(id); !ok || i.Recovery != want {
			t.Errorf("%+v %v, want Recovery %v", i, ok, want)
		}
	}
	if _, err := a.Authenticate(ctx, used); err != nil {
		t.Fatal(err)
	}
	if i, ok := a.Info(usedID); !ok || i.Recovery {
		t.Errorf("once used: %+v %v", i, ok)
	}
	now = now.Add(8 * 24 * time.Hour)
	if _, err := a.Authenticate(ctx, late); !errors.Is(err, auth.ErrUnauthorized) {
		t.Errorf("eight days later: %v", err)
	}
	if _, err := a.Authenticate(ctx, used); err != nil {
		t.Errorf("the one that was used: %v", err)
	}
}

// Tokens are made and exchanged at a bounded rate: each leaves a record.
func TestTokensAreNotMadeWithoutEnd(t *testing.T) {
	ctx := t.Context()
	now := time.Now()
	a := open(t, memstore.New(), func() time.Time { return now })
	token, id := issue(t, a, titles)
	made := 0
	for range 3 * auth.MaxMadePerHour {
		next, nextID, err := a.Rotate(ctx, id)
		if errors.Is(err, auth.ErrTooMany) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		token, id = next, nextID
		made++
	}
	if made < auth.MaxMadePerHour/2 || made > auth.MaxMadePerHour {
		t.Errorf("%d were exchanged within an hour", made)
	}
	if _, err := a.Authenticate(ctx, token); err != nil {
		t.Errorf("the last one: %v", err)
	}
	now = now.Add(61 * time.Minute)
	if _, _, err := a.Rotate(ctx, id); err != nil {
		t.Errorf("an hour later: %v", err)
	}
	admin, _ := issue(t, a, auth.Grant{Kind: auth.Administrator})
	for range 2 * auth.MaxMadePerHour {
		with(t, a, admin, titles) // an administrator's are not counted
	}
}

// If what an owner's epoch has come to is lost, a recovery ends the owner's tokens all the same.
func TestLostEpoch(t *testing.T) {
	ctx := t.Context()
	s := memstore.New()
	a := open(t, s, nil)
	for range 3 {
		token, _, err := a.Recover(ctx, titles)
		if err == nil {
			_, err = a.Authenticate(ctx, token)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for r, err := range s.List(ctx, "epochs") {
		if err == nil {
			err = s.Delete(ctx, r.Key, store.Condition{})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	a = open(t, s, nil)
	token, id, err := a.Recover(ctx, titles)
	if err == nil {
		_, err = a.Authenticate(ctx, token)
	}
	if all := a.List(); err != nil || len(all) != 1 || all[0].ID != id {
		t.Errorf("%+v, %v", all, err)
	}
}

// A name that passes from one owner to another takes no token with it.
func TestEndAll(t *testing.T) {
	ctx := t.Context()
	a := open(t, memstore.New(), nil)
	g := auth.Grant{Kind: auth.Contributor, Contributor: "macman"}
	before, _ := issue(t, a, g)
	pending, _, err := a.Recover(ctx, g)
	if err == nil {
		err = a.EndAll(ctx, g)
	}
	if err != nil {
		t.Fatal(err)
	}
	after, _ := issue(t, a, g)
	for token, good := range map[string]bool{before: false, pending: false, after: true} {
		if _, err := a.Authenticate(ctx, token); (err == nil) != good {
			t.Errorf("good is %v: %v", !good, err)
		}
	}
	if err := a.EndAll(ctx, auth.Grant{Kind: auth.Administrator}); !errors.Is(err, auth.ErrGrant) {
		t.Errorf("of nobody: %v", err)
	}
}
