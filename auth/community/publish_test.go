package community_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/auth/community"
	"github.com/patchsource/patchsource/auth/mail"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
)

// TestOpenMissingParts checks that Open names each part that is missing.
func TestOpenMissingParts(t *testing.T) {
	s := newService(t, community.Options{})
	for name, remove := range map[string]func(*community.Parts){
		"Store":   func(p *community.Parts) { p.Store = nil },
		"Catalog": func(p *community.Parts) { p.Catalog = nil },
		"Tokens":  func(p *community.Parts) { p.Tokens = nil },
		"Mailer":  func(p *community.Parts) { p.Mailer = nil },
		"Secret":  func(p *community.Parts) { p.Secret = auth.Secret{} },
	} {
		parts := s.parts()
		remove(&parts)
		if _, err := community.Open(t.Context(), parts, nil); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("Open without %s: %v, want an error that names it", name, err)
		}
	}
}

func TestPublish(t *testing.T) {
	s := newService(t, community.Options{Site: site + "/"})
	s.mailbag.onSend = func() {
		if _, err := s.catalog.Title("Xcode_Jose_Nunez"); !errors.Is(err, catalog.ErrNotFound) {
			t.Error("the title is visible before its token is mailed")
		}
	}
	p := publication("José Núñez", " jose@example.com ")
	res, err := s.Publish(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	title := res.Title
	if title.ID != "Xcode_Jose_Nunez" || title.Name != "Xcode (José Núñez)" || title.Author != "José Núñez" {
		t.Errorf("the title is %+v", title)
	}
	if p.Definition.ID != "Xcode" {
		t.Error("the caller's definition has changed")
	}
	token := s.mailbag.lastToken(t, "jose@example.com")
	who, err := s.tokens.Authenticate(t.Context(), token)
	if err != nil || who.Kind != auth.TitleToken || len(who.Titles) != 1 || who.Titles[0] != title.UID {
		t.Errorf("the token is for %+v, error %v; want title %s", who, err, title.UID)
	}
	s.checkStoreHasNone(t, "jose@", "example.com", token, token[len(token)-20:])
	s.checkLog(t)
}

// checkStoreHasNone checks that no title or token in the store contains one of some secrets.
func (s *service) checkStoreHasNone(t *testing.T, secrets ...string) {
	t.Helper()
	for _, kind := range []string{"titles", "tokens"} {
		for r := range s.store.List(t.Context(), kind) {
			for _, secret := range secrets {
				if bytes.Contains(bytes.ToLower(r.Value), []byte(strings.ToLower(secret))) {
					t.Errorf("%v contains %s: %s", r.Key, secret, r.Value)
				}
			}
		}
	}
}

// TestPublishedMail checks the mail with a token.
func TestPublishedMail(t *testing.T) {
	s := newService(t, community.Options{Site: site + "/"})
	if _, err := s.Publish(t.Context(), publication("José Núñez", " jose@example.com ")); err != nil {
		t.Fatal(err)
	}
	m := s.mailbag.mails[0]
	if m.To != "jose@example.com" {
		t.Errorf("the mail is to %q", m.To)
	}
	const id = "Xcode_Jose_Nunez"
	if !strings.Contains(m.Subject, id) || !strings.Contains(m.HTML, id) {
		t.Errorf("the mail does not name the title: %+v", m)
	}
	if usage := site + "/api/v1/title/" + id + "/version"; !strings.Contains(m.Text, usage) {
		t.Errorf("the mail does not contain %s: %s", usage, m.Text)
	}
	if strings.Contains(m.Subject+m.Text+m.HTML, "José") {
		t.Errorf("the mail contains the author's name: %+v", m)
	}
}

func TestPublishRejects(t *testing.T) {
	s := newService(t, community.Options{MaxTitles: 2})
	if _, err := s.Publish(t.Context(), publication("Ann", "ann@example.com")); err != nil {
		t.Fatal(err)
	}
	invalid := publication("Ann", "ann@example.com")
	invalid.Definition.Patches = nil
	missing := publication("Ann", "ann@example.com")
	missing.Definition = nil
	for _, c := range []struct {
		name string
		p    community.Publication
		err  error
	}{
		{"no author", publication("", "ann@example.com"), patch.ErrAuthor},
		{"author without a letter", publication("中文", "ann@example.com"), patch.ErrAuthor},
		{"author of two lines", publication("Ann\r\nBcc: x", "ann@example.com"), patch.ErrAuthor},
		{"no address", publication("Bob", "bob"), mail.ErrAddress},
		{"header in the address", publication("Bob", "b@c.de\r\nBcc: x@y.zz"), mail.ErrAddress},
		{"no definition", missing, patch.ErrInvalid},
		{"invalid definition", invalid, patch.ErrInvalid},
		{"existing title", publication("Ann", "ann@example.com"), catalog.ErrExists},
		{"author with the same skeleton", publication("Änn", "other@example.com"), catalog.ErrExists},
	} {
		if _, err := s.Publish(t.Context(), c.p); !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", c.name, err, c.err)
		}
	}
	if _, err := s.Publish(t.Context(), publication("Ann Two", "Ann@Example.com")); err != nil {
		t.Errorf("second title: %v", err)
	}
	_, err := s.Publish(t.Context(), publication("Ann Three", "ann@example.com"))
	if !errors.Is(err, community.ErrTooMany) {
		t.Errorf("third title: %v, want ErrTooMany", err)
	}
	s.checkMails(t, 0, 2)
	s.checkRecords(t, "titles", 2)
	s.checkRecords(t, "tokens", 2)
}

// TestPublishWithoutFetcher checks that publishing by URL is refused without a Fetcher.
func TestPublishWithoutFetcher(t *testing.T) {
	s := newService(t, community.Options{})
	p := community.Publication{AuthorName: "Ann", AuthorEmail: "ann@example.com", URL: "https://example.com/x.json"}
	if _, err := s.Publish(t.Context(), p); err == nil || !strings.Contains(err.Error(), "Fetcher") {
		t.Errorf("Publish: %v, want an error that names the Fetcher", err)
	}
}

// TestPublishMailFails checks that a publication whose mail fails leaves nothing behind.
func TestPublishMailFails(t *testing.T) {
	s := newService(t, community.Options{})
	s.mailbag.fail = errors.New("550 no such user ann@example.com")
	_, err := s.Publish(t.Context(), publication("Ann", "ann@example.com"))
	if !errors.Is(err, community.ErrMail) {
		t.Fatalf("Publish: %v, want ErrMail", err)
	}
	s.checkRecords(t, "titles", 0)
	if all := s.tokens.List(); s.catalog.Len() != 0 || len(all) != 0 {
		t.Errorf("%d titles and the tokens %+v remain", s.catalog.Len(), all)
	}
	s.mailbag.fail = nil
	if _, err := s.Publish(t.Context(), publication("Ann", "ann@example.com")); err != nil {
		t.Errorf("Publish afterwards: %v", err)
	}
}

// TestPublishCallerGone checks that a caller that goes away when the mail is sent has a title.
func TestPublishCallerGone(t *testing.T) {
	s := newService(t, community.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	s.mailbag.onSend = cancel
	if _, err := s.Publish(ctx, publication("Ann", "ann@example.com")); err != nil {
		t.Fatal(err)
	}
	if n, all := s.catalog.Len(), s.tokens.List(); n != 1 || len(all) != 1 {
		t.Errorf("%d titles and %d tokens, want 1 and 1", n, len(all))
	}
}

// TestPublishSameTitleAtOnce checks that one of many publications of the same title succeeds.
func TestPublishSameTitleAtOnce(t *testing.T) {
	s := newService(t, community.Options{MailsPerHour: -1})
	var wg sync.WaitGroup
	var mu sync.Mutex
	published := 0
	for range 50 {
		wg.Go(func() {
			_, err := s.Publish(context.Background(), publication("Ann", "ann@example.com"))
			if err != nil && !errors.Is(err, catalog.ErrExists) {
				t.Error(err)
			}
			if err == nil {
				mu.Lock()
				defer mu.Unlock()
				published++
			}
		})
	}
	wg.Wait()
	if published != 1 || len(s.tokens.List()) != 1 {
		t.Errorf("%d publications and %d tokens, want 1 and 1", published, len(s.tokens.List()))
	}
	s.checkMails(t, 0, 1)
}

func TestMailsPerHour(t *testing.T) {
	s := newService(t, community.Options{MailsPerHour: 2})
	for i := range 2 {
		p := publication(fmt.Sprintf("Ann%d", i), "ann@example.com")
		if _, err := s.Publish(t.Context(), p); err != nil {
			t.Errorf("mail %d: %v", i, err)
		}
	}
	_, err := s.Publish(t.Context(), publication("Ann2", "ann@example.com"))
	var limited *community.LimitedError
	if !errors.As(err, &limited) {
		t.Fatalf("the third mail: %v, want a LimitedError", err)
	}
	if limited.After <= 0 || limited.After > time.Hour {
		t.Errorf("After = %v, want up to an hour", limited.After)
	}
	if _, err := s.Publish(t.Context(), publication("Bob", "bob@example.com")); err != nil {
		t.Errorf("another mailbox: %v", err)
	}
	s.checkRecords(t, "titles", 3)
}

func BenchmarkPublish(b *testing.B) {
	s := newService(b, community.Options{MaxTitles: -1, MailsPerHour: -1})
	i := 0
	for b.Loop() {
		i++
		p := publication(fmt.Sprintf("Ann%d", i), "ann@example.com")
		if _, err := s.Publish(context.Background(), p); err != nil {
			b.Fatal(err)
		}
	}
}
