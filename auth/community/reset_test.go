package community_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/auth/community"
	"github.com/patchsource/patchsource/auth/mail"
)

// Contributors who lost their token are mailed another one, which ends the lost one when it is first used.
func TestResetContributor(t *testing.T) {
	ctx := t.Context()
	s := newService(t, community.Options{Site: "https://patches.example.com"})
	lost := s.register(t, "MacMan", "mac@example.com")
	s.register(t, "macgirl", "mac@example.com")
	if err := s.Register(ctx, "pending", "pending@example.com"); err != nil {
		t.Fatal(err)
	}
	before := len(s.box.mails)
	asking := []string{"MAC@example.com", "stranger@example.com", "pending@example.com", "mac+x@example.com"}
	for _, address := range asking {
		if err := s.ResetContributor(ctx, address); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
	if err := s.ResetContributor(ctx, "nobody"); !errors.Is(err, mail.ErrAddress) {
		t.Errorf("%v, want ErrAddress", err)
	}
	if err := s.Close(); err != nil { // waits for the mails
		t.Fatal(err)
	}
	var next string
	for _, m := range s.box.mails[before:] {
		if m.To != "mac@example.com" {
			t.Errorf("a mail to %s", m.To)
		}
		if strings.Contains(m.Subject, "MacMan") {
			next = tokenPattern.FindString(m.Text)
		}
	}
	if n := len(s.box.mails) - before; n != 2 || next == "" {
		t.Fatalf("%d mails, want one for each contributor", n)
	}
	who, err := s.tokens.Authenticate(ctx, lost)
	if err != nil {
		t.Fatalf("the old token, before the new one is used: %v", err)
	}
	made, _, err := s.tokens.IssueFor(ctx, who, auth.Grant{Kind: auth.Contributor, Contributor: "macman"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if who, err := s.tokens.Authenticate(ctx, next); err != nil || who.Contributor != "macman" || !who.MayCreate() {
		t.Errorf("%+v %v", who, err)
	}
	for name, token := range map[string]string{"lost": lost, "made with the lost one": made} {
		if _, err := s.tokens.Authenticate(ctx, token); !errors.Is(err, auth.ErrUnauthorized) {
			t.Errorf("the token %s, after the new one was used: %v", name, err)
		}
	}
	if strings.Contains(s.log.String(), "example.com") || strings.Contains(s.log.String(), "pst_") {
		t.Errorf("the log: %s", s.log.String())
	}
}

// No more mails go to a contributor than the limit says, and a mail that fails leaves no token.
func TestResetContributorIsLimited(t *testing.T) {
	s := newService(t, community.Options{Site: "https://patches.example.com", MailsPerHour: 2})
	s.register(t, "macman", "mac@example.com")
	before := len(s.box.mails)
	for range 4 {
		if err := s.ResetContributor(t.Context(), "mac@example.com"); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if n := len(s.box.mails) - before; n != 2 {
		t.Errorf("%d mails, want 2", n)
	}
	s = newService(t, community.Options{Site: "https://patches.example.com"})
	s.register(t, "macman", "mac@example.com")
	s.box.fail = errors.New("no")
	if err := s.ResetContributor(t.Context(), "mac@example.com"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if n := len(s.tokens.List()); n != 1 {
		t.Errorf("%d tokens", n)
	}
}
