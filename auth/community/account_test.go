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

// Addresses that differ in what follows a plus sign are one mailbox, for the titles that it may have and for the mails.
func TestPlusAddressesAreOneMailbox(t *testing.T) {
	t.Run("titles", func(t *testing.T) {
		s := newService(t, community.Options{MaxTitles: 2})
		for i, want := range []error{nil, nil, community.ErrTooMany} {
			_, err := s.Publish(t.Context(), publication(fmt.Sprintf("Ann%d", i), fmt.Sprintf("ann+%d@example.com", i)))
			if !errors.Is(err, want) {
				t.Errorf("%d: %v, want %v", i, err, want)
			}
		}
		for title := range s.cat.Find(catalog.Filter{}) {
			if title.Account == "" {
				t.Errorf("%s has no account", title.ID)
			}
		}
		// Recovery goes on matching, and mailing, the whole address.
		for _, address := range []string{"ann@example.com", "ann+1@example.com", "ann+0@example.com"} {
			if err := s.Reset(t.Context(), "Xcode_Ann0", address); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if n, all := len(s.box.tokens("ann+0@example.com")), len(s.box.mails); n != 2 || all != 3 {
			t.Errorf("%d of %d mails to the address", n, all)
		}
	})
	t.Run("mails", func(t *testing.T) {
		s := newService(t, community.Options{MailsPerHour: 2})
		for i, want := range []error{nil, nil, community.ErrLimited} {
			err := s.Register(t.Context(), fmt.Sprintf("ann%d", i), fmt.Sprintf("ann+%d@example.com", i))
			if !errors.Is(err, want) {
				t.Errorf("%d: %v, want %v", i, err, want)
			}
		}
	})
	t.Run("titles from before there were accounts", func(t *testing.T) {
		s := newService(t, community.Options{MaxTitles: 1})
		mailbox, err := s.HashAddress(t.Context(), "ann@example.com")
		if err != nil {
			t.Fatal(err)
		}
		opts := &catalog.CreateOptions{Author: "Ann", Mailbox: mailbox}
		if _, err := s.cat.Create(t.Context(), definition("Xcode_Ann"), opts); err != nil {
			t.Fatal(err)
		}
		for _, address := range []string{"ann@example.com", "ann+x@example.com"} {
			if _, err := s.Publish(t.Context(), publication("Other", address)); !errors.Is(err, community.ErrTooMany) {
				t.Errorf("%s: %v, want ErrTooMany", address, err)
			}
		}
	})
}

// A contributor who creates many titles at once gets no more than the limit.
func TestMaxTitlesOfAContributorUnderRaces(t *testing.T) {
	const most = 3
	s := newService(t, community.Options{MaxTitles: most, Site: "https://patches.example.com"})
	s.register(t, "macman", "mac@example.com")
	c, _ := s.Contributor("macman")
	old := &catalog.CreateOptions{Author: c.Name, Contributor: c.ID} // from before there were accounts
	if _, err := s.cat.Create(t.Context(), definition("Old_macman"), old); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			_, err := s.Create(context.Background(), c.ID, definition(fmt.Sprintf("App%d", i)), nil)
			if err != nil && !errors.Is(err, community.ErrTooMany) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if s.cat.Len() != most {
		t.Errorf("%d titles, want %d", s.cat.Len(), most)
	}
	for title := range s.cat.Find(catalog.Filter{}) {
		if title.ID != "Old_macman" && !strings.HasPrefix(title.Account, "mailbox/") {
			t.Errorf("%s is counted for %q", title.ID, title.Account)
		}
	}
}

// Names are cheap: the titles of all contributors of a mailbox, and those that it publishes without one, count
// together.
func TestNamesOfAMailboxCountTogether(t *testing.T) {
	s := newService(t, community.Options{MaxTitles: 3, MailsPerHour: -1, Site: "https://patches.example.com"})
	var errs []error
	for i, name := range []string{"macman", "otherman"} {
		s.register(t, name, fmt.Sprintf("mac+%d@example.com", i))
		c, _ := s.Contributor(name)
		for j := range 2 {
			_, err := s.Create(t.Context(), c.ID, definition(fmt.Sprintf("App%d", j)), nil)
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
