package auth_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// TestRecover checks that the first use of a recovered token, and nothing before it, ends the owner's other tokens.
func TestRecover(t *testing.T) {
	for _, c := range []struct {
		name string
		g    auth.Grant
	}{
		{"title", titleGrant},
		{"contributor", annGrant},
	} {
		t.Run(c.name, func(t *testing.T) { testRecover(t, c.g) })
	}
	a := open(t, memstore.New(), nil)
	several := auth.Grant{Kind: auth.TitleToken, Titles: []string{"u", "v"}}
	for _, g := range []auth.Grant{adminGrant, {Kind: auth.Editor}, several, {}} {
		if _, _, err := a.Recover(t.Context(), g); !errors.Is(err, auth.ErrGrant) {
			t.Errorf("Recover(%+v): %v, want ErrGrant", g, err)
		}
	}
}

func testRecover(t *testing.T, g auth.Grant) {
	ctx := t.Context()
	s := &countingStore{Store: memstore.New()}
	a := open(t, s, nil)
	tokens := map[string]string{}
	tokens["admin"], _ = issue(t, a, adminGrant)
	tokens["made by admin"], _ = issueWith(t, a, tokens["admin"], g)
	tokens["old"], _ = issue(t, a, g)
	tokens["made with old"], _ = issueWith(t, a, tokens["old"], titleGrant)
	tokens["other owner"], _ = issue(t, a, auth.Grant{Kind: auth.TitleToken, Titles: []string{"v"}})
	var err error
	if tokens["first new"], _, err = a.Recover(ctx, g); err != nil {
		t.Fatal(err)
	}
	if tokens["new"], _, err = a.Recover(ctx, g); err != nil {
		t.Fatal(err)
	}
	before := map[string]bool{"made by admin": true, "old": true, "made with old": true, "other owner": true}
	checkValid(t, a, before, tokens)
	a = open(t, s, nil) // a restart changes nothing
	tokens["made meanwhile"], _ = issueWith(t, a, tokens["made with old"], titleGrant)

	// The new token is not valid until the old ones have ended.
	kind := "epochs"
	s.refused.Store(&kind)
	if _, err := a.Authenticate(ctx, tokens["new"]); !errors.Is(err, auth.ErrUnavailable) {
		t.Errorf("Authenticate while the store refuses writes: %v, want ErrUnavailable", err)
	}
	checkValid(t, a, before, tokens)
	s.refused.Store(nil)
	puts := s.puts.Load()
	if _, err := a.Authenticate(ctx, tokens["new"]); err != nil {
		t.Fatal(err)
	}
	if n := s.puts.Load() - puts; n != 1 {
		t.Errorf("the first use took %d writes, want 1", n)
	}
	tokens["made with new"], _ = issueWith(t, a, tokens["new"], titleGrant)
	for _, a := range []*auth.Service{a, open(t, s, nil)} {
		checkValid(t, a, map[string]bool{
			"admin": true, "made by admin": true, "other owner": true,
			"old": false, "made with old": false, "made meanwhile": false, "first new": false,
			"new": true, "made with new": true,
		}, tokens)
	}
	// A token that is issued after the first use is valid.
	tokens["issued later"], _ = issue(t, a, g)
	checkValid(t, a, map[string]bool{"new": true, "issued later": true}, tokens)
}

// TestRecoverRaces checks that no token survives that is made while a recovered token is used for the first time: with
// the old token, with one that was made with it, or in its place.
func TestRecoverRaces(t *testing.T) {
	made, survived := 0, 0
	for range 300 {
		a := open(t, memstore.New(), nil)
		tokens, next := raceRecovery(t, a)
		made += len(tokens)
		for _, token := range tokens {
			if _, err := a.Authenticate(t.Context(), token); !errors.Is(err, auth.ErrUnauthorized) {
				survived++
			}
		}
		if _, err := a.Authenticate(t.Context(), next); err != nil {
			t.Errorf("the recovered token: %v", err)
		}
	}
	if survived > 0 {
		t.Errorf("%d of %d tokens survived", survived, made)
	}
}

// raceRecovery makes tokens while it uses a recovered token. It returns the tokens that must have ended, and the
// recovered one.
func raceRecovery(t *testing.T, a *auth.Service) (tokens []string, recovered string) {
	ctx := t.Context()
	old, oldID := issue(t, a, titleGrant)
	recovered, _, err := a.Recover(ctx, titleGrant)
	if err != nil {
		t.Fatal(err)
	}
	tokens = []string{old}
	var mu sync.Mutex
	add := func(token string) {
		mu.Lock()
		defer mu.Unlock()
		tokens = append(tokens, token)
	}
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range 4 {
		wg.Go(func() {
			<-start
			token := old
			for range 3 {
				p, err := a.Authenticate(ctx, token)
				if err != nil {
					return
				}
				made, id, err := a.IssueFor(ctx, p, titleGrant, anyTitle)
				if i == 0 && err == nil {
					made, _, err = a.Rotate(ctx, id)
				}
				if err != nil {
					return
				}
				add(made)
				token = made
			}
		})
	}
	wg.Go(func() {
		<-start
		if token, _, err := a.Rotate(ctx, oldID); err == nil {
			add(token)
		}
	})
	wg.Go(func() {
		<-start
		if _, err := a.Authenticate(ctx, recovered); err != nil {
			t.Error(err)
		}
	})
	close(start)
	wg.Wait()
	return tokens, recovered
}

// TestInfoRecovery checks that Info tells a token that waits for its first use from others, and that such a token
// expires.
func TestInfoRecovery(t *testing.T) {
	ctx := t.Context()
	now := time.Now()
	a := open(t, memstore.New(), func() time.Time { return now })
	_, oldID := issue(t, a, titleGrant)
	used, usedID, err := a.Recover(ctx, titleGrant)
	if err != nil {
		t.Fatal(err)
	}
	unused, _, err := a.Recover(ctx, titleGrant)
	if err != nil {
		t.Fatal(err)
	}
	checkRecovery := func(id string, want bool) {
		t.Helper()
		if i, ok := a.Info(id); !ok || i.Recovery != want {
			t.Errorf("Info() = %+v, %v; want Recovery %v", i, ok, want)
		}
	}
	checkRecovery(oldID, false)
	checkRecovery(usedID, true)
	if _, err := a.Authenticate(ctx, used); err != nil {
		t.Fatal(err)
	}
	checkRecovery(usedID, false)
	now = now.Add(8 * 24 * time.Hour)
	checkUnauthorized(t, a, unused)
	if _, err := a.Authenticate(ctx, used); err != nil {
		t.Errorf("the used token eight days later: %v", err)
	}
}

// TestRecoverAfterLostEpoch checks that a recovery ends the owner's tokens even if the owner's epoch was lost.
func TestRecoverAfterLostEpoch(t *testing.T) {
	ctx := t.Context()
	s := memstore.New()
	a := open(t, s, nil)
	for range 3 {
		recoverAndUse(t, a, titleGrant)
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
	_, id := recoverAndUse(t, a, titleGrant)
	if all := a.List(); len(all) != 1 || all[0].ID != id {
		t.Errorf("List() = %+v, want %s alone", all, id)
	}
}

// TestRevokeOwned checks that a name can pass from one owner to another without its tokens.
func TestRevokeOwned(t *testing.T) {
	ctx := t.Context()
	a := open(t, memstore.New(), nil)
	tokens := map[string]string{}
	tokens["before"], _ = issue(t, a, annGrant)
	var err error
	if tokens["pending"], _, err = a.Recover(ctx, annGrant); err != nil {
		t.Fatal(err)
	}
	if err := a.RevokeOwned(ctx, annGrant); err != nil {
		t.Fatal(err)
	}
	tokens["after"], _ = issue(t, a, annGrant)
	checkValid(t, a, map[string]bool{"before": false, "pending": false, "after": true}, tokens)
	if err := a.RevokeOwned(ctx, adminGrant); !errors.Is(err, auth.ErrGrant) {
		t.Errorf("RevokeOwned without an owner: %v, want ErrGrant", err)
	}
}

// TestRevokeOwnedWithoutTokens checks that names that never had a token, of which there can be many, leave no records.
func TestRevokeOwnedWithoutTokens(t *testing.T) {
	ctx := t.Context()
	s := &countingStore{Store: memstore.New()}
	a := open(t, s, nil)
	issue(t, a, auth.Grant{Kind: auth.Contributor, Contributor: "bob"})
	before := s.puts.Load()
	if err := a.RevokeOwned(ctx, annGrant); err != nil || s.puts.Load() != before {
		t.Errorf("RevokeOwned: %v with %d writes, want none", err, s.puts.Load()-before)
	}
	token, _ := issue(t, a, annGrant)
	for range 2 { // once the name has a record, it is kept up to date
		if err := a.RevokeOwned(ctx, annGrant); err != nil {
			t.Fatal(err)
		}
		checkUnauthorized(t, a, token)
		token, _ = issue(t, a, annGrant)
	}
}

// TestIssueAfterRevokeOwnedElsewhere checks that a new token is valid although another server has revoked the owner's
// earlier ones and this one does not know of it.
func TestIssueAfterRevokeOwnedElsewhere(t *testing.T) {
	s := memstore.New()
	here, there := open(t, s, nil), open(t, s, nil)
	issue(t, there, annGrant)
	if err := there.RevokeOwned(t.Context(), annGrant); err != nil {
		t.Fatal(err)
	}
	token, _ := issue(t, here, annGrant)
	for name, a := range map[string]*auth.Service{"same server": here, "after a restart": open(t, s, nil)} {
		if _, err := a.Authenticate(t.Context(), token); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
