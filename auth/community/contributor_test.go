package community_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/auth/community"
	"github.com/patchsource/patchsource/auth/mail"
	"github.com/patchsource/patchsource/store"
)

// link returns the id and the code of the link that was last mailed to an address.
func (b *box) link(t testing.TB, to string) (id, code string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := len(b.mails) - 1; i >= 0; i-- {
		if l := regexp.MustCompile(`https://\S+/api/v1/contributors/verify\?\S+`).FindString(b.mails[i].Text); b.mails[i].To == to &&
			l != "" {
			u, err := url.Parse(l)
			if err != nil {
				t.Fatal(err)
			}
			return u.Query().Get("id"), u.Query().Get("code")
		}
	}
	t.Fatalf("no link was mailed to %s", to)
	return "", ""
}

func TestContributors(t *testing.T) {
	ctx := t.Context()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := newService(t, community.Options{Site: "https://patches.example.com", Now: func() time.Time { return now }})
	if err := s.Register(ctx, "MacMan", "mac@example.com"); err != nil {
		t.Fatal(err)
	}
	if _, ok := s.Contributor("macman"); ok || len(s.Contributors()) != 0 {
		t.Error("a contributor who has not confirmed is shown")
	}
	for r := range s.store.List(ctx, "contributors") {
		if strings.Contains(string(r.Value), "example.com") {
			t.Errorf("the address is kept: %s", r.Value)
		}
	}
	if err := s.Register(ctx, "macman", "other@example.com"); !errors.Is(err, community.ErrNameTaken) {
		t.Errorf("%v", err)
	}
	id, code := s.box.link(t, "mac@example.com")
	sealed, err := base64.RawURLEncoding.DecodeString(code)
	if err != nil || bytes.Contains(sealed, []byte("mac@example.com")) {
		t.Errorf("the link shows the address: %v", err)
	}
	for _, wrong := range [][2]string{{id, "wrong"}, {id, code + "A"}, {id, ""}, {"nobody", code}, {"", ""}} {
		if _, err := s.Verify(ctx, wrong[0], wrong[1]); !errors.Is(err, community.ErrCode) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for range 10 {
		wg.Go(func() {
			info, err := s.Verify(context.Background(), id, code)
			if err != nil && !errors.Is(err, community.ErrCode) {
				t.Error(err)
			}
			if err == nil && info.Name == "MacMan" {
				mu.Lock()
				won++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	tokens := s.box.tokens("mac@example.com")
	if won != 1 || len(s.box.mails) != 2 || len(tokens) != 2 {
		t.Fatalf("%d have confirmed, %d mails", won, len(s.box.mails))
	}
	who, err := s.tokens.Authenticate(ctx, tokens[1])
	if err != nil || who.Kind != auth.Contributor || who.Contributor != "macman" || !who.MayCreate() ||
		who.MayAdminister() ||
		!who.MayChange("u", "macman") ||
		who.MayChange("u", "") {
		t.Errorf("%+v %v", who, err)
	}
	// And after a restart.
	again, err := community.Open(
		ctx,
		community.Parts{Store: s.store, Catalog: s.cat, Tokens: s.tokens, Mailer: s.box, Secret: s.secret},
		nil,
	)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*community.Service{s.Service, again} {
		if all := s.Contributors(); len(all) != 1 || all[0].ID != "macman" || all[0].Name != "MacMan" {
			t.Errorf("%+v", all)
		}
	}
}

func TestRegisterRefuses(t *testing.T) {
	s := newService(t, community.Options{})
	for _, name := range []string{"", "a b", "software", "API", "-a", "a.", "é", "a/b", strings.Repeat("a", 65), "..", "a\nb"} {
		if err := s.Register(t.Context(), name, "a@example.com"); !errors.Is(err, community.ErrName) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if err := s.Register(t.Context(), "ann", "nobody"); !errors.Is(err, mail.ErrAddress) {
		t.Errorf("%v", err)
	}
	if len(s.box.mails) != 0 || s.records(t, "contributors") != 0 {
		t.Errorf("%d mails, %d records", len(s.box.mails), s.records(t, "contributors"))
	}
}

// A link ends after a day, and the name is free again; a mail that fails leaves
// nothing, or can be tried again.
func TestContributorsThatComeToNothing(t *testing.T) {
	ctx := t.Context()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := newService(t, community.Options{Site: "https://patches.example.com", Now: func() time.Time { return now }})
	s.box.fail = errors.New("no")
	if err := s.Register(ctx, "ann", "ann@example.com"); !errors.Is(err, community.ErrMail) ||
		s.records(t, "contributors") != 0 {
		t.Errorf("%v, %d records", err, s.records(t, "contributors"))
	}
	s.box.fail = nil
	if err := s.Register(ctx, "ann", "ann@example.com"); err != nil {
		t.Fatal(err)
	}
	id, code := s.box.link(t, "ann@example.com")
	now = now.Add(24 * time.Hour)
	if _, err := s.Verify(ctx, id, code); !errors.Is(err, community.ErrCode) {
		t.Errorf("a day later: %v", err)
	}
	// A start sweeps what came to nothing; without one, the name is free as well.
	if err := s.Register(ctx, "Swept", "swept@example.com"); err != nil {
		t.Fatal(err)
	}
	later := community.Options{Now: func() time.Time { return now.Add(24 * time.Hour) }}
	if _, err := community.Open(ctx, community.Parts{Store: s.store, Catalog: s.cat, Tokens: s.tokens, Mailer: s.box, Secret: s.secret}, &later); err != nil ||
		s.records(t, "contributors") != 0 {
		t.Errorf("%v, %d records", err, s.records(t, "contributors"))
	}
	s = newService(t, community.Options{Site: "https://patches.example.com", Now: func() time.Time { return now }})
	now = now.Add(-48 * time.Hour)
	if err := s.Register(ctx, "ann", "ann@example.com"); err != nil {
		t.Fatal(err)
	}
	now = now.Add(48 * time.Hour)
	if err := s.Register(ctx, "Ann", "other@example.com"); err != nil {
		t.Fatalf("the name is not free again: %v", err)
	}
	if _, err := s.Verify(ctx, id, code); !errors.Is(err, community.ErrCode) {
		t.Errorf("the old link: %v", err)
	}
	id, code = s.box.link(t, "other@example.com")
	s.box.fail = errors.New("no")
	if _, err := s.Verify(ctx, id, code); !errors.Is(err, community.ErrMail) || len(s.tokens.List()) != 0 ||
		len(s.Contributors()) != 0 {
		t.Errorf("%v, %v", err, s.tokens.List())
	}
	s.box.fail = nil
	if _, err := s.Verify(ctx, id, code); err != nil {
		t.Errorf("tried again: %v", err)
	}
}

// other opens a second server over the same store.
func (s *service) other(t testing.TB, over store.Store) *community.Service {
	t.Helper()
	tokens, err := auth.Open(context.Background(), over, nil)
	if err != nil {
		t.Fatal(err)
	}
	parts := community.Parts{Store: over, Catalog: s.cat, Tokens: tokens, Mailer: s.box, Secret: s.secret}
	other, err := community.Open(context.Background(), parts, nil)
	if err != nil {
		t.Fatal(err)
	}
	return other
}

// good checks that a token is good by what the store has.
func (s *service) good(t testing.TB, token string) {
	t.Helper()
	tokens, err := auth.Open(context.Background(), s.store, nil)
	if err == nil {
		_, err = tokens.Authenticate(context.Background(), token)
	}
	if err != nil {
		t.Errorf("the contributor's token: %v", err)
	}
}

// A link that was used is of no use on a server that has not heard of it either, and ends nothing.
func TestUsedLinkOnAnotherServer(t *testing.T) {
	s := newService(t, community.Options{MailsPerHour: -1, Site: "https://patches.example.com"})
	if err := s.Register(t.Context(), "macman", "mac@example.com"); err != nil {
		t.Fatal(err)
	}
	sharing, apart := s.again(t), s.other(t, s.store)
	id, code := s.box.link(t, "mac@example.com")
	if _, err := s.Verify(t.Context(), id, code); err != nil {
		t.Fatal(err)
	}
	tokens := s.box.tokens("mac@example.com")
	mails, records := len(s.box.mails), s.records(t, "tokens")
	for range 2 {
		for name, other := range map[string]*community.Service{"sharing": sharing, "apart": apart} {
			if _, err := other.Verify(t.Context(), id, code); !errors.Is(err, community.ErrCode) {
				t.Errorf("%s: %v, want ErrCode", name, err)
			}
			if _, ok := other.Contributor("macman"); !ok {
				t.Errorf("%s: the contributor is not known there now", name)
			}
		}
	}
	if len(s.box.mails) != mails || s.records(t, "tokens") != records {
		t.Errorf("%d mails and %d tokens more", len(s.box.mails)-mails, s.records(t, "tokens")-records)
	}
	s.good(t, tokens[len(tokens)-1])

	// And when the registration is gone.
	if err := s.Register(t.Context(), "gone", "gone@example.com"); err != nil {
		t.Fatal(err)
	}
	other := s.other(t, s.store)
	if err := s.Release(t.Context(), "gone"); err != nil {
		t.Fatal(err)
	}
	id, code = s.box.link(t, "gone@example.com")
	mails = len(s.box.mails)
	if _, err := other.Verify(t.Context(), id, code); !errors.Is(err, community.ErrCode) || len(s.box.mails) != mails {
		t.Errorf("%v, want ErrCode; %d mails", err, len(s.box.mails)-mails)
	}
}

// hooked calls hook once a contributor was read.
type hooked struct {
	store.Store
	hook func()
}

func (h *hooked) Get(ctx context.Context, k store.Key) (store.Record, error) {
	r, err := h.Store.Get(ctx, k)
	if hook := h.hook; k.Kind == "contributors" && hook != nil {
		h.hook = nil
		hook()
	}
	return r, err
}

// Of two servers on which a link is opened at once, the slower one ends nothing of what the faster one has made.
func TestLinkOpenedOnTwoServers(t *testing.T) {
	s := newService(t, community.Options{MailsPerHour: -1, Site: "https://patches.example.com"})
	if err := s.Register(t.Context(), "macman", "mac@example.com"); err != nil {
		t.Fatal(err)
	}
	id, code := s.box.link(t, "mac@example.com")
	over := &hooked{Store: s.store}
	slow := s.other(t, over)
	token := ""
	over.hook = func() {
		if _, err := s.Verify(t.Context(), id, code); err != nil {
			t.Error(err)
		}
		tokens := s.box.tokens("mac@example.com")
		token = tokens[len(tokens)-1]
	}
	if _, err := slow.Verify(t.Context(), id, code); !errors.Is(err, community.ErrCode) {
		t.Errorf("%v, want ErrCode", err)
	}
	if token == "" {
		t.Fatal("the registration was not read again")
	}
	s.good(t, token)
	tokens, err := auth.Open(t.Context(), s.store, nil)
	if err != nil || len(tokens.List()) != 1 {
		t.Errorf("%+v, %v: want one token", tokens.List(), err)
	}
}

// Tokens of a name end when it is registered, before anybody can confirm it; however it became free.
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
		{"expired, of the same mailbox", func(s *service, now *time.Time) error {
			err := s.Register(ctx, "ann", "ann@example.com")
			*now = now.Add(24 * time.Hour)
			return err
		}},
		{"released", func(s *service, _ *time.Time) error {
			return errors.Join(s.Register(ctx, "ann", "before@example.com"), s.Release(ctx, "ann"))
		}},
		{"a mail that failed", func(s *service, _ *time.Time) error {
			s.box.fail = errors.New("no")
			err := s.Register(ctx, "ann", "ann@example.com")
			s.box.fail = nil
			if errors.Is(err, community.ErrMail) {
				return nil
			}
			return err
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			s := newNames(t, &now)
			if err := c.free(s, &now); err != nil {
				t.Fatal(err)
			}
			if n := s.records(t, "epochs"); n != 0 {
				t.Errorf("%d epochs of a name that has no tokens", n)
			}
			old, _, err := s.tokens.Issue(ctx, auth.Grant{Kind: auth.Contributor, Contributor: "ann"})
			if err != nil {
				t.Fatal(err)
			}
			s.box.watch = func() {
				if _, err := s.tokens.Authenticate(ctx, old); !errors.Is(err, auth.ErrUnauthorized) {
					t.Errorf("the old token, while a mail is sent: %v", err)
				}
			}
			token := s.register(t, "Ann", "ann@example.com")
			s.good(t, token)
			// Who asks again for a name that is held ends nothing.
			if err := s.Register(ctx, "ann", "ann@example.com"); !errors.Is(err, community.ErrNameTaken) {
				t.Errorf("%v, want ErrNameTaken", err)
			}
			s.good(t, token)
		})
	}
}

// full refuses the epochs.
type full struct{ store.Store }

func (f full) Put(ctx context.Context, k store.Key, v []byte, c store.Condition) (store.Revision, error) {
	if k.Kind == "epochs" {
		return "", errors.New("the disk is full")
	}
	return f.Store.Put(ctx, k, v, c)
}

// A name whose old tokens cannot be ended is not registered.
func TestRegisterCannotEndOldTokens(t *testing.T) {
	s := newService(t, community.Options{Site: "https://patches.example.com"})
	if _, _, err := s.tokens.Issue(t.Context(), auth.Grant{Kind: auth.Contributor, Contributor: "ann"}); err != nil {
		t.Fatal(err)
	}
	err := s.other(t, full{s.store}).Register(t.Context(), "ann", "ann@example.com")
	if !errors.Is(err, auth.ErrUnavailable) || s.records(t, "contributors") != 0 || len(s.box.mails) != 0 {
		t.Errorf("%v, %d records, %d mails", err, s.records(t, "contributors"), len(s.box.mails))
	}
}
