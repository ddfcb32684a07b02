package community_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/patchsource/patchsource/auth/community"
	"github.com/patchsource/patchsource/patch/catalog"
)

// TestPlusAddresses checks that addresses that differ only in what follows a plus sign are one mailbox when titles are
// counted, and different addresses when a token is reset.
func TestPlusAddresses(t *testing.T) {
	s := newService(t, community.Options{MaxTitles: 2})
	for i, want := range []error{nil, nil, community.ErrTooMany} {
		_, err := s.Publish(t.Context(), publication(fmt.Sprintf("Ann%d", i), fmt.Sprintf("ann+%d@example.com", i)))
		if !errors.Is(err, want) {
			t.Errorf("title %d: %v, want %v", i, err, want)
		}
	}
	for title := range s.catalog.Find(catalog.Filter{}) {
		if title.Account == "" {
			t.Errorf("%s has no account", title.ID)
		}
	}
	before := len(s.mailbag.mails)
	for _, address := range []string{"ann@example.com", "ann+1@example.com", "ann+0@example.com"} {
		if err := s.Reset(t.Context(), "Xcode_Ann0", address); err != nil {
			t.Fatal(err)
		}
	}
	s.wait(t)
	s.checkMails(t, before, 1)
	if n := len(s.mailbag.tokens("ann+0@example.com")); n != 2 {
		t.Errorf("ann+0@example.com received %d mails, want 2", n)
	}
}

// TestPlusAddressesShareMails checks the same when mails are counted.
func TestPlusAddressesShareMails(t *testing.T) {
	s := newService(t, community.Options{MailsPerHour: 2})
	for i := range 3 {
		err := s.Register(t.Context(), fmt.Sprintf("ann%d", i), fmt.Sprintf("ann+%d@example.com", i))
		var limited *community.LimitedError
		switch {
		case i < 2 && err != nil:
			t.Errorf("mail %d: %v", i, err)
		case i == 2 && !errors.As(err, &limited):
			t.Errorf("mail %d: %v, want a LimitedError", i, err)
		}
	}
}

// TestTitlesWithoutAccount checks that titles that were created before accounts existed count for the mailbox.
func TestTitlesWithoutAccount(t *testing.T) {
	s := newService(t, community.Options{MaxTitles: 1})
	mailbox, err := s.HashAddress(t.Context(), "ann@example.com")
	if err != nil {
		t.Fatal(err)
	}
	opts := &catalog.CreateOptions{Author: "Ann", Mailbox: mailbox}
	if _, err := s.catalog.Create(t.Context(), definition("Xcode_Ann"), opts); err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{"ann@example.com", "ann+x@example.com"} {
		if _, err := s.Publish(t.Context(), publication("Other", address)); !errors.Is(err, community.ErrTooMany) {
			t.Errorf("Publish for %s: %v, want ErrTooMany", address, err)
		}
	}
}

// TestMaxTitlesAtOnce checks that the limit of a mailbox holds if many titles are published at the same time.
func TestMaxTitlesAtOnce(t *testing.T) {
	s := newService(t, community.Options{MaxTitles: 3, MailsPerHour: -1})
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			_, err := s.Publish(context.Background(), publication(fmt.Sprintf("Ann%d", i), "ann@example.com"))
			if err != nil && !errors.Is(err, community.ErrTooMany) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if s.catalog.Len() != 3 {
		t.Errorf("%d titles were published, want 3", s.catalog.Len())
	}
}

// TestMaxTitlesOfContributorAtOnce checks the same for a contributor.
func TestMaxTitlesOfContributorAtOnce(t *testing.T) {
	const limit = 3
	s := newService(t, community.Options{MaxTitles: limit, Site: site})
	s.register(t, "macman", "mac@example.com")
	old := &catalog.CreateOptions{Author: "macman", Contributor: "macman"} // without an account
	if _, err := s.catalog.Create(t.Context(), definition("Old_macman"), old); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			_, err := s.Create(context.Background(), "macman", definition(fmt.Sprintf("App%d", i)), nil)
			if err != nil && !errors.Is(err, community.ErrTooMany) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if s.catalog.Len() != limit {
		t.Errorf("there are %d titles, want %d", s.catalog.Len(), limit)
	}
	for title := range s.catalog.Find(catalog.Filter{}) {
		if title.ID != "Old_macman" && !strings.HasPrefix(title.Account, "mailbox/") {
			t.Errorf("%s has the account %q, want a mailbox", title.ID, title.Account)
		}
	}
}

// TestContributorsOfOneMailbox checks that the titles of all contributors with a mailbox, and those that are published
// from it without a contributor, count together.
func TestContributorsOfOneMailbox(t *testing.T) {
	s := newService(t, community.Options{MaxTitles: 3, MailsPerHour: -1, Site: site})
	var errs []error
	for i, name := range []string{"macman", "otherman"} {
		s.register(t, name, fmt.Sprintf("mac+%d@example.com", i))
		for j := range 2 {
			_, err := s.Create(t.Context(), name, definition(fmt.Sprintf("App%d", j)), nil)
			errs = append(errs, err)
		}
	}
	_, err := s.Publish(t.Context(), publication("Ann", "mac@example.com"))
	errs = append(errs, err)
	for i, want := range []error{nil, nil, nil, community.ErrTooMany, community.ErrTooMany} {
		if !errors.Is(errs[i], want) {
			t.Errorf("title %d: %v, want %v", i, errs[i], want)
		}
	}
}

// TestMaxTitlesNegative checks that a negative limit is no limit.
func TestMaxTitlesNegative(t *testing.T) {
	s := newService(t, community.Options{MaxTitles: -1, Site: site})
	s.register(t, "macman", "mac@example.com")
	for i := range 101 {
		if _, err := s.Create(t.Context(), "macman", definition(fmt.Sprintf("App%d", i)), nil); err != nil {
			t.Fatalf("title %d: %v", i, err)
		}
	}
}

// TestCreateWithoutContributor checks that a name that is not registered, or not confirmed, creates nothing.
func TestCreateWithoutContributor(t *testing.T) {
	s := newService(t, community.Options{Site: site})
	if err := s.Register(t.Context(), "pending", "ann@example.com"); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"", "nobody", "pending"} {
		if _, err := s.Create(t.Context(), id, definition("App"), nil); !errors.Is(err, community.ErrNoContributor) {
			t.Errorf("Create for %q: %v, want ErrNoContributor", id, err)
		}
	}
}
