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
)

// link returns the id and the code of the link that was last mailed to an address.
func (b *box) link(t testing.TB, to string) (id, code string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := len(b.mails) - 1; i >= 0; i-- {
		if l := regexp.MustCompile(`https://\S+/api/v1/contributors/verify\?\S+`).FindString(b.mails[i].Text); b.mails[i].To == to && l != "" {
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
	if err != nil || who.Kind != auth.Contributor || who.Contributor != "macman" || !who.MayCreate() || who.MayAdminister() || !who.MayChange("u", "macman") || who.MayChange("u", "") {
		t.Errorf("%+v %v", who, err)
	}
	// And after a restart.
	again, err := community.Open(ctx, community.Parts{Store: s.store, Catalog: s.cat, Tokens: s.tokens, Mailer: s.box, Secret: s.secret}, nil)
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
	if err := s.Register(ctx, "ann", "ann@example.com"); !errors.Is(err, community.ErrMail) || s.records(t, "contributors") != 0 {
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
	if _, err := community.Open(ctx, community.Parts{Store: s.store, Catalog: s.cat, Tokens: s.tokens, Mailer: s.box, Secret: s.secret}, &later); err != nil || s.records(t, "contributors") != 0 {
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
	if _, err := s.Verify(ctx, id, code); !errors.Is(err, community.ErrMail) || len(s.tokens.List()) != 0 || len(s.Contributors()) != 0 {
		t.Errorf("%v, %v", err, s.tokens.List())
	}
	s.box.fail = nil
	if _, err := s.Verify(ctx, id, code); err != nil {
		t.Errorf("tried again: %v", err)
	}
}
