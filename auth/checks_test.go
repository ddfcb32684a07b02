package auth_test

import (
	"testing"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/store/memstore"
)

// It is counted how many tokens were good for something, and how many were not.
func TestChecks(t *testing.T) {
	s, err := auth.Open(t.Context(), memstore.New(), nil)
	if err != nil {
		t.Fatal(err)
	}
	token, id, err := s.Issue(t.Context(), auth.Grant{Kind: auth.Administrator})
	if err != nil {
		t.Fatal(err)
	}
	for _, tried := range []string{token, token, "pst_wrong", ""} {
		_, _ = s.Authenticate(t.Context(), tried)
	}
	if err := s.Revoke(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	_, _ = s.Authenticate(t.Context(), token)
	if accepted, refused := s.Checks(); accepted != 2 || refused != 3 {
		t.Errorf("%d accepted, %d refused", accepted, refused)
	}
}

// TestMissingParts checks that Open reports a missing store.
func TestMissingParts(t *testing.T) {
	if _, err := auth.Open(t.Context(), nil, nil); err == nil {
		t.Error("Open without a store: no error")
	}
}
