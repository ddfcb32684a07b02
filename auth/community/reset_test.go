package community_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/auth/community"
	"github.com/patchsource/patchsource/auth/mail"
	"github.com/patchsource/patchsource/patch/catalog"
)

// TestReset checks that only the author of a title is mailed another token, which ends the first one when it is used.
func TestReset(t *testing.T) {
	ctx := t.Context()
	s := newService(t, community.Options{})
	if _, err := s.Publish(ctx, publication("Ann", "ann@example.com")); err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{"stranger@example.com", "ANN@example.com"} {
		if err := s.Reset(ctx, "xcode_ann", address); err != nil {
			t.Errorf("Reset for %s: %v", address, err)
		}
	}
	s.wait(t)
	s.checkMails(t, 0, 2)
	tokens := s.mailbag.tokens("ann@example.com")
	if len(tokens) != 2 {
		t.Fatalf("the author received the tokens %q, want 2", tokens)
	}
	for _, token := range tokens {
		if _, err := s.tokens.Authenticate(ctx, token); err != nil {
			t.Error(err)
		}
	}
	if _, err := s.tokens.Authenticate(ctx, tokens[0]); !errors.Is(err, auth.ErrUnauthorized) {
		t.Errorf("the old token after the first use of the new one: %v, want ErrUnauthorized", err)
	}
	if err := s.Reset(ctx, "Nope", "ann@example.com"); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("Reset for an unknown title: %v, want catalog.ErrNotFound", err)
	}
	if err := s.Reset(ctx, "Xcode_Ann", "nobody"); !errors.Is(err, mail.ErrAddress) {
		t.Errorf("Reset for an invalid address: %v, want mail.ErrAddress", err)
	}
	s.checkLog(t)
}

// TestResetContributor checks that a new token is mailed to contributors with an address only.
func TestResetContributor(t *testing.T) {
	ctx := t.Context()
	s := newService(t, community.Options{Site: site})
	s.register(t, "MacMan", "mac@example.com")
	s.register(t, "macgirl", "mac@example.com")
	if err := s.Register(ctx, "pending", "pending@example.com"); err != nil {
		t.Fatal(err)
	}
	before := len(s.mailbag.mails)
	for _, address := range []string{
		"MAC@example.com", "stranger@example.com", "pending@example.com", "mac+x@example.com",
	} {
		if err := s.ResetContributor(ctx, address); err != nil {
			t.Errorf("ResetContributor for %s: %v", address, err)
		}
	}
	if err := s.ResetContributor(ctx, "nobody"); !errors.Is(err, mail.ErrAddress) {
		t.Errorf("ResetContributor for an invalid address: %v, want mail.ErrAddress", err)
	}
	s.wait(t)
	s.checkMails(t, before, 2)
	named := map[string]bool{}
	for _, m := range s.mailbag.mails[before:] {
		if m.To != "mac@example.com" {
			t.Errorf("a mail was sent to %s", m.To)
		}
		for _, name := range []string{"MacMan", "macgirl"} {
			named[name] = named[name] || strings.Contains(m.Subject, name)
		}
	}
	if !named["MacMan"] || !named["macgirl"] {
		t.Errorf("the mails name %v, want both contributors", named)
	}
	s.checkLog(t)
}

// TestResetContributorEndsTokens checks that the first use of the mailed token, and nothing before it, ends the
// contributor's other tokens.
func TestResetContributorEndsTokens(t *testing.T) {
	ctx := t.Context()
	s := newService(t, community.Options{Site: site})
	lost := s.register(t, "MacMan", "mac@example.com")
	if err := s.ResetContributor(ctx, "mac@example.com"); err != nil {
		t.Fatal(err)
	}
	s.wait(t)
	next := s.mailbag.lastToken(t, "mac@example.com")
	who, err := s.tokens.Authenticate(ctx, lost)
	if err != nil {
		t.Fatalf("the old token before the first use of the new one: %v", err)
	}
	made, _, err := s.tokens.IssueFor(ctx, who, auth.Grant{Kind: auth.Contributor, Contributor: "macman"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	who, err = s.tokens.Authenticate(ctx, next)
	if err != nil || who.Kind != auth.Contributor || who.Contributor != "macman" {
		t.Errorf("the new token is for %+v, error %v; want the contributor macman", who, err)
	}
	for name, token := range map[string]string{"lost": lost, "made with the lost one": made} {
		if _, err := s.tokens.Authenticate(ctx, token); !errors.Is(err, auth.ErrUnauthorized) {
			t.Errorf("the token %s: %v, want ErrUnauthorized", name, err)
		}
	}
}

// TestResetContributorLimit checks that a contributor is not mailed more tokens than the limit allows.
func TestResetContributorLimit(t *testing.T) {
	s := newService(t, community.Options{Site: site, MailsPerHour: 2})
	s.register(t, "macman", "mac@example.com")
	before := len(s.mailbag.mails)
	for range 4 {
		if err := s.ResetContributor(t.Context(), "mac@example.com"); err != nil {
			t.Fatal(err)
		}
	}
	s.wait(t)
	s.checkMails(t, before, 2)
}

// TestResetContributorMailFails checks that a mail that fails leaves no token behind.
func TestResetContributorMailFails(t *testing.T) {
	s := newService(t, community.Options{Site: site})
	s.register(t, "macman", "mac@example.com")
	s.mailbag.fail = errors.New("no")
	if err := s.ResetContributor(t.Context(), "mac@example.com"); err != nil {
		t.Fatal(err)
	}
	s.wait(t)
	if n := len(s.tokens.List()); n != 1 {
		t.Errorf("%d tokens are valid, want 1", n)
	}
}
