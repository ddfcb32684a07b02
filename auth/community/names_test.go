package community_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth/community"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
)

// TestSimilarNames checks that names that look alike count as the same name, for authors and for contributors, pending
// or confirmed.
func TestSimilarNames(t *testing.T) {
	ctx := t.Context()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := newServiceAt(t, &now)
	for _, name := range []string{"soft-ware", "A.P.I", "ad_min", "READYZ"} {
		if err := s.Register(ctx, name, "x@example.com"); !errors.Is(err, community.ErrName) {
			t.Errorf("Register(%q), which looks like a reserved name: %v, want ErrName", name, err)
		}
	}
	s.register(t, "MacMan", "mac@example.com")
	if err := s.Register(ctx, "Pending", "pending@example.com"); err != nil {
		t.Fatal(err)
	}
	if err := s.publishAs("Núñez", "Xcode"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"MACMAN", "mac-man", "M.a.c_Man", "pen-ding", "PENDING", "nunez", "Nu.Nez"} {
		if err := s.Register(ctx, name, "x@example.com"); !errors.Is(err, community.ErrNameTaken) {
			t.Errorf("Register(%q): %v, want ErrNameTaken", name, err)
		}
	}
	for _, author := range []string{"MacMan", "mac man", "Mäc-Man", "Pending", "p.ending"} {
		if err := s.publishAs(author, "Slack"); !errors.Is(err, patch.ErrAuthor) {
			t.Errorf("Publish as %q: %v, want patch.ErrAuthor", author, err)
		}
	}
	now = now.Add(24 * time.Hour)
	if err := s.publishAs("pend ing", "Slack"); err != nil {
		t.Errorf("Publish under a name whose registration has expired: %v", err)
	}
}

// TestIDWithAnotherName checks that the author of a title is the one that its record names, not the one that its id
// ends with.
func TestIDWithAnotherName(t *testing.T) {
	ctx := t.Context()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := newServiceAt(t, &now)
	if err := s.publishAs("x", "Zoom_man"); err != nil {
		t.Fatal(err)
	}
	s.register(t, "man_x", "man@example.com")
	if c, ok := s.Contributor("man_x"); !ok || c.Titles != 0 {
		t.Fatalf("Contributor() = %+v, %v; want no titles", c, ok)
	}
	_, err := s.Create(ctx, "man_x", definition("Zoom"), nil)
	if !errors.Is(err, community.ErrIDTaken) || !errors.Is(err, catalog.ErrExists) {
		t.Errorf("Create with the id of another author's title: %v, want ErrIDTaken", err)
	}
	res, err := s.Create(ctx, "man_x", definition("Slack"), nil)
	if err != nil || res.Title.ID != "Slack_man_x" || res.Title.Author != "man_x" || res.Title.Contributor != "man_x" {
		t.Errorf("Create() = %+v, %v", res, err)
	}
	_, err = s.Create(ctx, "man_x", definition("Slack"), nil)
	if errors.Is(err, community.ErrIDTaken) || !errors.Is(err, catalog.ErrExists) {
		t.Errorf("Create with the id of the contributor's own title: %v, want catalog.ErrExists alone", err)
	}
}

// TestVerifyNameTaken checks that Verify refuses a name that an author has taken since it was registered.
func TestVerifyNameTaken(t *testing.T) {
	ctx := t.Context()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := newServiceAt(t, &now)
	if err := s.Register(ctx, "Ann", "ann@example.com"); err != nil {
		t.Fatal(err)
	}
	id, code := s.mailbag.link(t, "ann@example.com")
	// Another server, which does not know of the registration, publishes under the name.
	if _, err := s.catalog.Create(ctx, definition("Xcode_Ann"), &catalog.CreateOptions{Author: "Ann"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Verify(ctx, id, code); !errors.Is(err, community.ErrNameTaken) {
		t.Errorf("Verify: %v, want ErrNameTaken", err)
	}
	s.checkRecords(t, "contributors", 0)
	if len(s.Contributors()) != 0 || len(s.tokens.List()) != 0 {
		t.Errorf("the contributors %+v and the tokens %+v remain, want none", s.Contributors(), s.tokens.List())
	}
	if _, err := s.Verify(ctx, id, code); !errors.Is(err, community.ErrCode) {
		t.Errorf("Verify again: %v, want ErrCode", err)
	}
}

// TestReleaseOfAuthor checks that a name under which an author has titles can be released for a contributor.
func TestReleaseOfAuthor(t *testing.T) {
	ctx := t.Context()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := newServiceAt(t, &now)
	if err := s.publishAs("Vendor", "Xcode"); err != nil {
		t.Fatal(err)
	}
	err := s.Register(ctx, "vendor", "vendor@example.com")
	if !errors.Is(err, community.ErrNameTaken) || !strings.Contains(err.Error(), "release") {
		t.Fatalf("Register: %v, want an ErrNameTaken that mentions how to release the name", err)
	}
	for range 2 {
		if err := s.Release(ctx, "VENDOR"); err != nil {
			t.Fatal(err)
		}
	}
	s.register(t, "vendor", "vendor@example.com")
	if err := s.restart(t, nil).Release(ctx, "vendor"); !errors.Is(err, community.ErrNameTaken) {
		t.Errorf("Release of a contributor's name: %v, want ErrNameTaken", err)
	}
	if err := s.publishAs("Vendor", "Slack"); !errors.Is(err, patch.ErrAuthor) {
		t.Errorf("Publish under the contributor's name: %v, want patch.ErrAuthor", err)
	}
}

// TestReleaseOfRegistration checks that a pending registration can be released.
func TestReleaseOfRegistration(t *testing.T) {
	ctx := t.Context()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := newServiceAt(t, &now)
	if err := s.Register(ctx, "Squatter", "squatter@example.com"); err != nil {
		t.Fatal(err)
	}
	id, code := s.mailbag.link(t, "squatter@example.com")
	if err := s.Release(ctx, "squat-ter"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Verify(ctx, id, code); !errors.Is(err, community.ErrCode) {
		t.Errorf("Verify with the link of the released registration: %v, want ErrCode", err)
	}
	s.register(t, "Squatter", "other@example.com")
	for _, name := range []string{"", "\n", "._-", strings.Repeat("a", 256)} {
		if err := s.Release(ctx, name); !errors.Is(err, community.ErrName) {
			t.Errorf("Release(%q): %v, want ErrName", name, err)
		}
	}
}
