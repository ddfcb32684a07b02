package community_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/auth/community"
	"github.com/patchsource/patchsource/auth/mail"
	"github.com/patchsource/patchsource/store"
)

// TestRegister checks that a pending contributor is not shown and holds the name, and that neither the store nor the
// link contains the address.
func TestRegister(t *testing.T) {
	ctx := t.Context()
	s := newService(t, community.Options{Site: site})
	if err := s.Register(ctx, "MacMan", "mac@example.com"); err != nil {
		t.Fatal(err)
	}
	if _, ok := s.Contributor("macman"); ok || len(s.Contributors()) != 0 {
		t.Error("a pending contributor is shown")
	}
	for r := range s.store.List(ctx, "contributors") {
		if strings.Contains(string(r.Value), "example.com") {
			t.Errorf("the record contains the address: %s", r.Value)
		}
	}
	if err := s.Register(ctx, "macman", "other@example.com"); !errors.Is(err, community.ErrNameTaken) {
		t.Errorf("Register of a pending name: %v, want ErrNameTaken", err)
	}
	_, code := s.mailbag.link(t, "mac@example.com")
	sealed, err := base64.RawURLEncoding.DecodeString(code)
	if err != nil || bytes.Contains(sealed, []byte("mac@example.com")) {
		t.Errorf("the code contains the address; error %v", err)
	}
}

func TestRegisterRejects(t *testing.T) {
	s := newService(t, community.Options{})
	for _, name := range []string{
		"", "a b", "software", "API", "-a", "a.", "é", "a/b", strings.Repeat("a", 65), "..", "a\nb",
	} {
		if err := s.Register(t.Context(), name, "a@example.com"); !errors.Is(err, community.ErrName) {
			t.Errorf("Register(%q): %v, want ErrName", name, err)
		}
	}
	if err := s.Register(t.Context(), "ann", "nobody"); !errors.Is(err, mail.ErrAddress) {
		t.Errorf("Register with an invalid address: %v, want mail.ErrAddress", err)
	}
	s.checkMails(t, 0, 0)
	s.checkRecords(t, "contributors", 0)
}

// TestVerify checks that the right link confirms an address once, even if it is opened several times at once.
func TestVerify(t *testing.T) {
	ctx := t.Context()
	s := newService(t, community.Options{Site: site})
	if err := s.Register(ctx, "MacMan", "mac@example.com"); err != nil {
		t.Fatal(err)
	}
	id, code := s.mailbag.link(t, "mac@example.com")
	for _, wrong := range [][2]string{{id, "wrong"}, {id, code + "A"}, {id, ""}, {"nobody", code}, {"", ""}} {
		if _, err := s.Verify(ctx, wrong[0], wrong[1]); !errors.Is(err, community.ErrCode) {
			t.Errorf("Verify(%q): %v, want ErrCode", wrong, err)
		}
	}
	confirmed := verifyAtOnce(t, s, id, code)
	if confirmed != 1 {
		t.Errorf("%d calls of Verify succeeded, want 1", confirmed)
	}
	s.checkMails(t, 0, 2)
	who, err := s.tokens.Authenticate(ctx, s.mailbag.lastToken(t, "mac@example.com"))
	if err != nil || who.Kind != auth.Contributor || who.Contributor != "macman" {
		t.Errorf("the token is for %+v, error %v; want the contributor macman", who, err)
	}
	for name, s := range map[string]*community.Service{"same server": s.Service, "restart": s.restart(t, nil)} {
		all := s.Contributors()
		if len(all) != 1 || all[0] != (community.Contributor{ID: "macman", Name: "MacMan"}) {
			t.Errorf("%s: Contributors() = %+v, want MacMan", name, all)
		}
	}
}

// verifyAtOnce opens a link several times at the same time. It returns how often that succeeds.
func verifyAtOnce(t *testing.T, s *service, id, code string) (confirmed int) {
	t.Helper()
	var wg sync.WaitGroup
	var mu sync.Mutex
	for range 10 {
		wg.Go(func() {
			_, err := s.Verify(context.Background(), id, code)
			if err != nil && !errors.Is(err, community.ErrCode) {
				t.Error(err)
			}
			if err == nil {
				mu.Lock()
				defer mu.Unlock()
				confirmed++
			}
		})
	}
	wg.Wait()
	return confirmed
}

// TestRegisterMailFails checks that a mail that fails leaves no registration behind.
func TestRegisterMailFails(t *testing.T) {
	s := newService(t, community.Options{Site: site})
	s.mailbag.fail = errors.New("no")
	if err := s.Register(t.Context(), "ann", "ann@example.com"); !errors.Is(err, community.ErrMail) {
		t.Errorf("Register: %v, want ErrMail", err)
	}
	s.checkRecords(t, "contributors", 0)
	s.mailbag.fail = nil
	if err := s.Register(t.Context(), "ann", "ann@example.com"); err != nil {
		t.Errorf("Register again: %v", err)
	}
}

// TestVerifyMailFails checks that a link still works after the mail with the token has failed.
func TestVerifyMailFails(t *testing.T) {
	s := newService(t, community.Options{Site: site})
	if err := s.Register(t.Context(), "Ann", "ann@example.com"); err != nil {
		t.Fatal(err)
	}
	id, code := s.mailbag.link(t, "ann@example.com")
	s.mailbag.fail = errors.New("no")
	if _, err := s.Verify(t.Context(), id, code); !errors.Is(err, community.ErrMail) {
		t.Errorf("Verify: %v, want ErrMail", err)
	}
	if len(s.tokens.List()) != 0 || len(s.Contributors()) != 0 {
		t.Errorf("the tokens %+v and the contributors %+v remain", s.tokens.List(), s.Contributors())
	}
	s.mailbag.fail = nil
	if _, err := s.Verify(t.Context(), id, code); err != nil {
		t.Errorf("Verify again: %v", err)
	}
}

// TestRegistrationExpires checks that a link expires after a day, and that the name is then free.
func TestRegistrationExpires(t *testing.T) {
	ctx := t.Context()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := newServiceAt(t, &now)
	if err := s.Register(ctx, "ann", "ann@example.com"); err != nil {
		t.Fatal(err)
	}
	id, code := s.mailbag.link(t, "ann@example.com")
	now = now.Add(24 * time.Hour)
	if _, err := s.Verify(ctx, id, code); !errors.Is(err, community.ErrCode) {
		t.Errorf("Verify a day later: %v, want ErrCode", err)
	}
	if err := s.Register(ctx, "Ann", "other@example.com"); err != nil {
		t.Fatalf("Register of an expired name: %v", err)
	}
	if _, err := s.Verify(ctx, id, code); !errors.Is(err, community.ErrCode) {
		t.Errorf("Verify with the old link: %v, want ErrCode", err)
	}
	if err := s.Register(ctx, "Bob", "bob@example.com"); err != nil {
		t.Fatal(err)
	}
	// Open deletes expired registrations.
	s.restart(t, &community.Options{Now: func() time.Time { return now.Add(24 * time.Hour) }})
	s.checkRecords(t, "contributors", 0)
}

// TestUsedLinkOnAnotherServer checks that a used link confirms nothing on a server that does not know of its use, and
// ends no token.
func TestUsedLinkOnAnotherServer(t *testing.T) {
	s := newService(t, community.Options{MailsPerHour: -1, Site: site})
	if err := s.Register(t.Context(), "macman", "mac@example.com"); err != nil {
		t.Fatal(err)
	}
	others := map[string]*community.Service{"same parts": s.restart(t, nil), "own parts": s.secondServer(t, s.store)}
	id, code := s.mailbag.link(t, "mac@example.com")
	if _, err := s.Verify(t.Context(), id, code); err != nil {
		t.Fatal(err)
	}
	mails, records := len(s.mailbag.mails), s.records(t, "tokens")
	for range 2 {
		for name, other := range others {
			if _, err := other.Verify(t.Context(), id, code); !errors.Is(err, community.ErrCode) {
				t.Errorf("%s: Verify: %v, want ErrCode", name, err)
			}
			if _, ok := other.Contributor("macman"); !ok {
				t.Errorf("%s: the contributor is not known after Verify", name)
			}
		}
	}
	s.checkMails(t, mails, 0)
	s.checkRecords(t, "tokens", records)
	s.checkStored(t, s.mailbag.lastToken(t, "mac@example.com"))
}

// TestReleasedLinkOnAnotherServer checks the same for a registration that was released.
func TestReleasedLinkOnAnotherServer(t *testing.T) {
	s := newService(t, community.Options{MailsPerHour: -1, Site: site})
	if err := s.Register(t.Context(), "gone", "gone@example.com"); err != nil {
		t.Fatal(err)
	}
	other := s.secondServer(t, s.store)
	if err := s.Release(t.Context(), "gone"); err != nil {
		t.Fatal(err)
	}
	id, code := s.mailbag.link(t, "gone@example.com")
	mails := len(s.mailbag.mails)
	if _, err := other.Verify(t.Context(), id, code); !errors.Is(err, community.ErrCode) {
		t.Errorf("Verify: %v, want ErrCode", err)
	}
	s.checkMails(t, mails, 0)
}

// A hookStore calls a function once, after a contributor was read.
type hookStore struct {
	store.Store
	hook func()
}

func (h *hookStore) Get(ctx context.Context, k store.Key) (store.Record, error) {
	r, err := h.Store.Get(ctx, k)
	if hook := h.hook; k.Kind == "contributors" && hook != nil {
		h.hook = nil
		hook()
	}
	return r, err
}

// TestVerifyOnTwoServers checks that the slower of two servers on which a link is opened does not end the token of the
// faster one.
func TestVerifyOnTwoServers(t *testing.T) {
	s := newService(t, community.Options{MailsPerHour: -1, Site: site})
	if err := s.Register(t.Context(), "macman", "mac@example.com"); err != nil {
		t.Fatal(err)
	}
	id, code := s.mailbag.link(t, "mac@example.com")
	hooked := &hookStore{Store: s.store}
	slow := s.secondServer(t, hooked)
	token := ""
	hooked.hook = func() {
		if _, err := s.Verify(t.Context(), id, code); err != nil {
			t.Error(err)
		}
		token = s.mailbag.lastToken(t, "mac@example.com")
	}
	if _, err := slow.Verify(t.Context(), id, code); !errors.Is(err, community.ErrCode) {
		t.Errorf("Verify on the slower server: %v, want ErrCode", err)
	}
	if token == "" {
		t.Fatal("Verify did not read the registration from the store")
	}
	s.checkStored(t, token)
	tokens, err := auth.Open(t.Context(), s.store, nil)
	if err != nil || len(tokens.List()) != 1 {
		t.Errorf("the store has the tokens %+v, error %v; want 1", tokens.List(), err)
	}
}

// TestRegisterEndsOldTokens checks that the tokens of a name's earlier owner end before the name can be confirmed,
// however it became free.
func TestRegisterEndsOldTokens(t *testing.T) {
	ctx := t.Context()
	for _, c := range []struct {
		name string
		free func(s *service, now *time.Time) error
	}{
		{"never registered", func(*service, *time.Time) error { return nil }},
		{"expired", func(s *service, now *time.Time) error {
			err := s.Register(ctx, "Ann", "before@example.com")
			*now = now.Add(24 * time.Hour)
			return err
		}},
		{"expired, same mailbox", func(s *service, now *time.Time) error {
			err := s.Register(ctx, "ann", "ann@example.com")
			*now = now.Add(24 * time.Hour)
			return err
		}},
		{"released", func(s *service, _ *time.Time) error {
			return errors.Join(s.Register(ctx, "ann", "before@example.com"), s.Release(ctx, "ann"))
		}},
		{"mail failed", func(s *service, _ *time.Time) error {
			s.mailbag.fail = errors.New("no")
			err := s.Register(ctx, "ann", "ann@example.com")
			s.mailbag.fail = nil
			if errors.Is(err, community.ErrMail) {
				return nil
			}
			return err
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			s := newServiceAt(t, &now)
			if err := c.free(s, &now); err != nil {
				t.Fatal(err)
			}
			s.checkRecords(t, "epochs", 0) // a name without tokens has none
			old, _, err := s.tokens.Issue(ctx, auth.Grant{Kind: auth.Contributor, Contributor: "ann"})
			if err != nil {
				t.Fatal(err)
			}
			s.mailbag.onSend = func() {
				if _, err := s.tokens.Authenticate(ctx, old); !errors.Is(err, auth.ErrUnauthorized) {
					t.Errorf("the old token while a mail is sent: %v, want ErrUnauthorized", err)
				}
			}
			token := s.register(t, "Ann", "ann@example.com")
			s.checkStored(t, token)
			// A registration that is refused ends no token.
			if err := s.Register(ctx, "ann", "ann@example.com"); !errors.Is(err, community.ErrNameTaken) {
				t.Errorf("Register again: %v, want ErrNameTaken", err)
			}
			s.checkStored(t, token)
		})
	}
}

// A fullStore refuses to write epochs.
type fullStore struct{ store.Store }

func (f fullStore) Put(ctx context.Context, k store.Key, v []byte, c store.Condition) (store.Revision, error) {
	if k.Kind == "epochs" {
		return "", errors.New("the disk is full")
	}
	return f.Store.Put(ctx, k, v, c)
}

// TestRegisterCannotEndOldTokens checks that a name is not registered if its old tokens cannot be ended.
func TestRegisterCannotEndOldTokens(t *testing.T) {
	s := newService(t, community.Options{Site: site})
	if _, _, err := s.tokens.Issue(t.Context(), auth.Grant{Kind: auth.Contributor, Contributor: "ann"}); err != nil {
		t.Fatal(err)
	}
	err := s.secondServer(t, fullStore{s.store}).Register(t.Context(), "ann", "ann@example.com")
	if !errors.Is(err, auth.ErrUnavailable) {
		t.Errorf("Register: %v, want auth.ErrUnavailable", err)
	}
	s.checkRecords(t, "contributors", 0)
	s.checkMails(t, 0, 0)
}
