package auth_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

func TestRevoke(t *testing.T) {
	s := memstore.New()
	a := open(t, s, nil)
	token, id := issue(t, a, adminGrant)
	if err := a.Revoke(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	for name, a := range map[string]*auth.Service{"same server": a, "after a restart": open(t, s, nil)} {
		t.Run(name, func(t *testing.T) {
			checkUnauthorized(t, a, token)
			if err := a.Adopt(t.Context(), token); !errors.Is(err, auth.ErrRevoked) {
				t.Errorf("Adopt: %v, want ErrRevoked", err)
			}
			for _, id := range []string{id, "nobody", ""} {
				if err := a.Revoke(t.Context(), id); !errors.Is(err, auth.ErrNotFound) {
					t.Errorf("Revoke(%q): %v, want ErrNotFound", id, err)
				}
			}
		})
	}
}

// A forgetfulStore performs writes and reports that they failed.
type forgetfulStore struct{ store.Store }

func (f forgetfulStore) Put(ctx context.Context, k store.Key, v []byte, c store.Condition) (store.Revision, error) {
	if _, err := f.Store.Put(ctx, k, v, c); err != nil {
		return "", err
	}
	return "", errors.New("connection lost")
}

// TestRevokeWithUnknownOutcome checks that a revocation that the store has performed but not confirmed is effective.
func TestRevokeWithUnknownOutcome(t *testing.T) {
	s := memstore.New()
	token, id := issue(t, open(t, s, nil), adminGrant)
	a := open(t, forgetfulStore{s}, nil)
	if err := a.Revoke(t.Context(), id); err == nil {
		t.Error("Revoke: no error")
	}
	checkUnauthorized(t, a, token)
}

// TestRevokeAfterConflict checks that a server that loses against another one learns of its change.
func TestRevokeAfterConflict(t *testing.T) {
	s := memstore.New()
	token, id := issue(t, open(t, s, nil), adminGrant)
	a, b := open(t, s, nil), open(t, s, nil)
	if err := a.Revoke(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if err := b.Revoke(t.Context(), id); !errors.Is(err, auth.ErrNotFound) {
		t.Errorf("Revoke: %v, want ErrNotFound", err)
	}
	checkUnauthorized(t, b, token)
}

func TestRevokeTitle(t *testing.T) {
	a := open(t, memstore.New(), nil)
	tokens := map[string]string{}
	tokens["one title"], _ = issue(t, a, titleGrant)
	tokens["two titles"], _ = issue(t, a, auth.Grant{Kind: auth.TitleToken, Titles: []string{"u", "v"}})
	if err := a.RevokeTitle(t.Context(), "u"); err != nil {
		t.Fatal(err)
	}
	checkValid(t, a, map[string]bool{"one title": false, "two titles": true}, tokens)
}

// TestRevokeTitleDeletesTheEpoch checks that no record of a deleted title remains.
func TestRevokeTitleDeletesTheEpoch(t *testing.T) {
	s := memstore.New()
	a := open(t, s, nil)
	token, _ := recoverAndUse(t, a, titleGrant)
	if err := a.RevokeTitle(t.Context(), "u"); err != nil {
		t.Fatal(err)
	}
	if n := records(t, s, "epochs"); n != 0 {
		t.Errorf("%d epochs remain", n)
	}
	checkUnauthorized(t, a, token)
}

func TestRevokeUnlessLast(t *testing.T) {
	ctx := t.Context()
	a := open(t, memstore.New(), nil)
	first, firstID := issue(t, a, adminGrant)
	_, belowID := issueWith(t, a, first, adminGrant)
	_, titleID := issueWith(t, a, first, titleGrant)
	if err := a.RevokeUnlessLast(ctx, "none"); !errors.Is(err, auth.ErrNotFound) {
		t.Errorf("an unknown token: %v, want ErrNotFound", err)
	}
	if err := a.RevokeUnlessLast(ctx, firstID); !errors.Is(err, auth.ErrLastAdministrator) {
		t.Errorf("the maker of the only other administrator's token: %v, want ErrLastAdministrator", err)
	}
	if err := errors.Join(a.RevokeUnlessLast(ctx, belowID), a.RevokeUnlessLast(ctx, titleID)); err != nil {
		t.Errorf("the tokens that were made with it: %v", err)
	}
	_, otherID := issue(t, a, adminGrant)
	if err := a.RevokeUnlessLast(ctx, firstID); err != nil {
		t.Errorf("one of two administrator's tokens: %v", err)
	}
	if err := a.RevokeUnlessLast(ctx, otherID); !errors.Is(err, auth.ErrLastAdministrator) {
		t.Errorf("the last administrator's token: %v, want ErrLastAdministrator", err)
	}
	if err := a.Revoke(ctx, otherID); err != nil {
		t.Errorf("Revoke of the last administrator's token: %v", err)
	}
}

// TestRevokeLastTwoAtOnce checks that one administrator's token remains if two are revoked at the same time.
func TestRevokeLastTwoAtOnce(t *testing.T) {
	for range 100 {
		a := open(t, memstore.New(), nil)
		var refused atomic.Int32
		var wg sync.WaitGroup
		for range 2 {
			_, id := issue(t, a, adminGrant)
			wg.Go(func() {
				if errors.Is(a.RevokeUnlessLast(t.Context(), id), auth.ErrLastAdministrator) {
					refused.Add(1)
				}
			})
		}
		wg.Wait()
		if refused.Load() > 1 {
			t.Fatal("both revocations were refused")
		}
		if n := len(a.List()); n != 1 {
			t.Fatalf("%d administrators' tokens remain, want 1", n)
		}
	}
}

func TestRotate(t *testing.T) {
	ctx := t.Context()
	s := memstore.New()
	a := open(t, s, nil)
	old, oldID := issue(t, a, titleGrant)
	next, _, err := a.Rotate(ctx, oldID)
	if err != nil {
		t.Fatal(err)
	}
	for name, a := range map[string]*auth.Service{"same server": a, "after a restart": open(t, s, nil)} {
		t.Run(name, func(t *testing.T) {
			checkUnauthorized(t, a, old)
			p, err := a.Authenticate(ctx, next)
			if err != nil || !allows(p, auth.ActionChange, auth.Title{UID: "u"}) {
				t.Errorf("the new token: %+v, %v", p, err)
			}
		})
	}
	if _, _, err := a.Rotate(ctx, oldID); !errors.Is(err, auth.ErrNotFound) {
		t.Errorf("Rotate of the old token: %v, want ErrNotFound", err)
	}
}
