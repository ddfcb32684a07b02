package community_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth/community"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
)

// register makes a contributor, who confirms their address.
func (s *service) register(t testing.TB, name, address string) (token string) {
	t.Helper()
	if err := s.Register(context.Background(), name, address); err != nil {
		t.Fatal(err)
	}
	id, code := s.box.link(t, address)
	if _, err := s.Verify(context.Background(), id, code); err != nil {
		t.Fatal(err)
	}
	tokens := s.box.tokens(address)
	return tokens[len(tokens)-1]
}

// under publishes a title under a name.
func (s *service) under(author, id string) error {
	p := publication(author, "someone@example.com")
	p.Definition = definition(id)
	_, err := s.Publish(context.Background(), p)
	return err
}

func newNames(t testing.TB, now *time.Time) *service {
	return newService(t, community.Options{
		Site:         "https://patches.example.com",
		MailsPerHour: -1,
		Now:          func() time.Time { return *now },
	})
}

// Names that look alike are one name, for authors and contributors, confirmed or not.
func TestNamesThatLookAlike(t *testing.T) {
	ctx := t.Context()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := newNames(t, &now)
	for _, name := range []string{"soft-ware", "A.P.I", "ad_min", "READYZ"} {
		if err := s.Register(ctx, name, "x@example.com"); !errors.Is(err, community.ErrName) {
			t.Errorf("%s looks like a reserved name: %v", name, err)
		}
	}
	s.register(t, "MacMan", "mac@example.com")
	if err := s.Register(ctx, "Pending", "pending@example.com"); err != nil {
		t.Fatal(err)
	}
	if err := s.under("Núñez", "Xcode"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"MACMAN", "mac-man", "M.a.c_Man", "pen-ding", "PENDING", "nunez", "Nu.Nez"} {
		if err := s.Register(ctx, name, "x@example.com"); !errors.Is(err, community.ErrNameTaken) {
			t.Errorf("contributor %s: %v", name, err)
		}
	}
	for _, author := range []string{"MacMan", "mac man", "Mäc-Man", "Pending", "p.ending"} {
		if err := s.under(author, "Slack"); !errors.Is(err, patch.ErrAuthor) {
			t.Errorf("author %s: %v", author, err)
		}
	}
	now = now.Add(24 * time.Hour)
	if err := s.under("pend ing", "Slack"); err != nil {
		t.Errorf("a day later the name that was not confirmed is free: %v", err)
	}
}

// A title's author is who it is recorded for, and not what its id ends in.
func TestIDThatEndsInAnotherName(t *testing.T) {
	ctx := t.Context()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := newNames(t, &now)
	if err := s.under("x", "Zoom_man"); err != nil {
		t.Fatal(err)
	}
	s.register(t, "man_x", "man@example.com")
	c, ok := s.Contributor("man_x")
	if !ok || c.Titles != 0 {
		t.Fatalf("%+v", c)
	}
	_, err := s.Create(ctx, c.ID, definition("Zoom"), nil)
	if !errors.Is(err, community.ErrIDTaken) || !errors.Is(err, catalog.ErrExists) {
		t.Errorf("%v, want ErrIDTaken", err)
	}
	res, err := s.Create(ctx, c.ID, definition("Slack"), nil)
	if err != nil || res.Title.ID != "Slack_man_x" || res.Title.Author != "man_x" || res.Title.Contributor != "man_x" {
		t.Errorf("%+v %v", res, err)
	}
	_, err = s.Create(ctx, c.ID, definition("Slack"), nil)
	if errors.Is(err, community.ErrIDTaken) || !errors.Is(err, catalog.ErrExists) {
		t.Errorf("their own: %v", err)
	}
}

// What has happened to a name since it was registered is looked at again when the address is confirmed.
func TestVerifyLooksAgain(t *testing.T) {
	ctx := t.Context()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := newNames(t, &now)
	if err := s.Register(ctx, "Ann", "ann@example.com"); err != nil {
		t.Fatal(err)
	}
	id, code := s.box.link(t, "ann@example.com")
	// Another server, which does not know of the registration, publishes under the name.
	if _, err := s.cat.Create(ctx, definition("Xcode_Ann"), &catalog.CreateOptions{Author: "Ann"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Verify(ctx, id, code); !errors.Is(err, community.ErrNameTaken) {
		t.Errorf("%v, want ErrNameTaken", err)
	}
	if n := s.records(t, "contributors"); n != 0 || len(s.Contributors()) != 0 || len(s.tokens.List()) != 0 {
		t.Errorf("%d records, %v, %v", n, s.Contributors(), s.tokens.List())
	}
	if _, err := s.Verify(ctx, id, code); !errors.Is(err, community.ErrCode) {
		t.Errorf("again: %v, want ErrCode", err)
	}
}

// A name that a single title of an author, or a registration that nobody confirms, keeps from a contributor can be
// released.
func TestRelease(t *testing.T) {
	ctx := t.Context()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := newNames(t, &now)
	if err := s.under("Vendor", "Xcode"); err != nil {
		t.Fatal(err)
	}
	if err := s.Register(ctx, "vendor", "vendor@example.com"); !errors.Is(err, community.ErrNameTaken) ||
		!strings.Contains(err.Error(), "release") {
		t.Fatalf("%v, want ErrNameTaken", err)
	}
	for range 2 {
		if err := s.Release(ctx, "VENDOR"); err != nil {
			t.Fatal(err)
		}
	}
	s.register(t, "vendor", "vendor@example.com")
	if err := s.again(t).Release(ctx, "vendor"); !errors.Is(err, community.ErrNameTaken) {
		t.Errorf("of a contributor: %v", err)
	}
	if err := s.under("Vendor", "Slack"); !errors.Is(err, patch.ErrAuthor) {
		t.Errorf("the author publishes on: %v", err)
	}
	if err := s.Register(ctx, "Squatter", "squatter@example.com"); err != nil {
		t.Fatal(err)
	}
	id, code := s.box.link(t, "squatter@example.com")
	if err := s.Release(ctx, "squat-ter"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Verify(ctx, id, code); !errors.Is(err, community.ErrCode) {
		t.Errorf("the link of a registration that was dropped: %v", err)
	}
	s.register(t, "Squatter", "other@example.com")
	for _, name := range []string{"", "\n", "._-", strings.Repeat("a", 256)} {
		if err := s.Release(ctx, name); !errors.Is(err, community.ErrName) {
			t.Errorf("%q is no name: %v", name, err)
		}
	}
}
