package auth_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/store/memstore"
)

// TestClaim checks that a server can be claimed once, with the right code.
func TestClaim(t *testing.T) {
	s := memstore.New()
	a := open(t, s, nil)
	code := a.ClaimCode()
	for _, wrong := range []string{"", "x", code + "x"} {
		if _, err := a.Claim(t.Context(), wrong); !errors.Is(err, auth.ErrClaimed) {
			t.Errorf("Claim(%q): %v, want ErrClaimed", wrong, err)
		}
	}
	var mu sync.Mutex
	var tokens []string
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			token, err := a.Claim(context.Background(), code)
			if err != nil && !errors.Is(err, auth.ErrClaimed) {
				t.Error(err)
			}
			if err == nil {
				mu.Lock()
				defer mu.Unlock()
				tokens = append(tokens, token)
			}
		})
	}
	wg.Wait()
	if len(tokens) != 1 {
		t.Fatalf("%d of 20 claims succeeded, want 1", len(tokens))
	}
	if p, err := a.Authenticate(t.Context(), tokens[0]); err != nil || p.Kind != auth.Administrator {
		t.Errorf("the token: %+v, %v; want an administrator's", p, err)
	}
	for name, a := range map[string]*auth.Service{"same server": a, "after a restart": open(t, s, nil)} {
		if code := a.ClaimCode(); code != "" {
			t.Errorf("%s: ClaimCode() = %q, want none", name, code)
		}
	}
}
