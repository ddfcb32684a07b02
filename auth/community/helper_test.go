package community_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/auth/community"
	"github.com/patchsource/patchsource/auth/mail"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// site is the address of the service in tests that follow links.
const site = "https://patches.example.com"

// A mailbag is a Mailer that keeps the messages.
type mailbag struct {
	mu     sync.Mutex
	mails  []mail.Message
	fail   error  // if not nil, Send fails with it
	onSend func() // called while a mail is being sent
}

func (b *mailbag) Send(_ context.Context, m mail.Message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.onSend != nil {
		b.onSend()
	}
	if b.fail != nil {
		return b.fail
	}
	b.mails = append(b.mails, m)
	return nil
}

var tokenPattern = regexp.MustCompile(`pst_[A-Z2-7]{59}`)

// tokens returns, for each mail to an address, the token in it or an empty string.
func (b *mailbag) tokens(to string) (all []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.mails {
		if strings.EqualFold(m.To, to) {
			all = append(all, tokenPattern.FindString(m.Text))
		}
	}
	return all
}

// lastToken returns the token in the last mail to an address.
func (b *mailbag) lastToken(t testing.TB, to string) string {
	t.Helper()
	all := b.tokens(to)
	if len(all) == 0 || all[len(all)-1] == "" {
		t.Fatalf("no token was mailed to %s", to)
	}
	return all[len(all)-1]
}

var linkPattern = regexp.MustCompile(`https://\S+/api/v1/contributors/verify\?\S+`)

// link returns the id and the code of the link that was last mailed to an address.
func (b *mailbag) link(t testing.TB, to string) (id, code string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := len(b.mails) - 1; i >= 0; i-- {
		link := linkPattern.FindString(b.mails[i].Text)
		if b.mails[i].To != to || link == "" {
			continue
		}
		u, err := url.Parse(link)
		if err != nil {
			t.Fatal(err)
		}
		return u.Query().Get("id"), u.Query().Get("code")
	}
	t.Fatalf("no link was mailed to %s", to)
	return "", ""
}

// A service is a Service and its parts.
type service struct {
	*community.Service
	catalog *catalog.Catalog
	tokens  *auth.Service
	mailbag *mailbag
	store   store.Store
	secret  auth.Secret
	log     bytes.Buffer
}

// newService opens a Service over a store in memory.
func newService(t testing.TB, opts community.Options) *service {
	t.Helper()
	s := &service{mailbag: &mailbag{}, store: memstore.New()}
	var err error
	if s.catalog, err = catalog.Open(context.Background(), s.store, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.catalog.Close() })
	if s.tokens, err = auth.Open(context.Background(), s.store, nil); err != nil {
		t.Fatal(err)
	}
	if s.secret, _, err = auth.LoadSecret(filepath.Join(t.TempDir(), "secret")); err != nil {
		t.Fatal(err)
	}
	opts.Logger = slog.New(slog.NewTextHandler(&s.log, nil))
	if s.Service, err = community.Open(context.Background(), s.parts(), &opts); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// newServiceAt opens a Service without a limit of mails whose clock is *now.
func newServiceAt(t testing.TB, now *time.Time) *service {
	t.Helper()
	return newService(t, community.Options{
		Site:         site,
		MailsPerHour: -1,
		Now:          func() time.Time { return *now },
	})
}

// parts returns the parts of s.
func (s *service) parts() community.Parts {
	return community.Parts{Store: s.store, Catalog: s.catalog, Tokens: s.tokens, Mailer: s.mailbag, Secret: s.secret}
}

// restart opens another Service over the same parts.
func (s *service) restart(t testing.TB, opts *community.Options) *community.Service {
	t.Helper()
	again, err := community.Open(context.Background(), s.parts(), opts)
	if err != nil {
		t.Fatal(err)
	}
	return again
}

// secondServer opens a Service of another server that shares the records, through a store of its own.
func (s *service) secondServer(t testing.TB, over store.Store) *community.Service {
	t.Helper()
	parts := s.parts()
	parts.Store = over
	var err error
	if parts.Tokens, err = auth.Open(context.Background(), over, nil); err != nil {
		t.Fatal(err)
	}
	second, err := community.Open(context.Background(), parts, nil)
	if err != nil {
		t.Fatal(err)
	}
	return second
}

// register registers a contributor and confirms the address. It returns the contributor's token.
func (s *service) register(t testing.TB, name, address string) (token string) {
	t.Helper()
	if err := s.Register(context.Background(), name, address); err != nil {
		t.Fatal(err)
	}
	id, code := s.mailbag.link(t, address)
	if _, err := s.Verify(context.Background(), id, code); err != nil {
		t.Fatal(err)
	}
	return s.mailbag.lastToken(t, address)
}

// publishAs publishes a title under an author's name.
func (s *service) publishAs(author, id string) error {
	p := publication(author, "someone@example.com")
	p.Definition = definition(id)
	_, err := s.Publish(context.Background(), p)
	return err
}

// wait waits for pending mails.
func (s *service) wait(t testing.TB) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// records returns the number of records of a kind.
func (s *service) records(t testing.TB, kind string) (n int) {
	t.Helper()
	for _, err := range s.store.List(context.Background(), kind) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

// checkRecords checks the number of records of a kind.
func (s *service) checkRecords(t testing.TB, kind string, want int) {
	t.Helper()
	if n := s.records(t, kind); n != want {
		t.Errorf("the store has %d %s, want %d", n, kind, want)
	}
}

// checkMails checks the number of mails that were sent since there were before.
func (s *service) checkMails(t testing.TB, before, want int) {
	t.Helper()
	if n := len(s.mailbag.mails) - before; n != want {
		t.Errorf("%d mails were sent, want %d", n, want)
	}
}

// checkLog checks that the log contains neither an address nor a token.
func (s *service) checkLog(t testing.TB) {
	t.Helper()
	if log := s.log.String(); strings.Contains(log, "example.com") || strings.Contains(log, "pst_") {
		t.Errorf("the log contains an address or a token: %s", log)
	}
}

// checkStored checks that a token is valid according to the store.
func (s *service) checkStored(t testing.TB, token string) {
	t.Helper()
	tokens, err := auth.Open(context.Background(), s.store, nil)
	if err == nil {
		_, err = tokens.Authenticate(context.Background(), token)
	}
	if err != nil {
		t.Errorf("the token is not valid: %v", err)
	}
}

// definition returns a valid definition.
func definition(id string) *patch.Definition {
	yes := true
	return &patch.Definition{
		ID: id, Name: id, Publisher: "P",
		Requirements: []patch.Criterion{
			{Name: "Application Bundle ID", Operator: "is", Value: "x", Type: "recon", And: &yes},
		},
		Patches: []patch.Patch{{Version: "1", ReleaseDate: "2018-02-02T17:39:58Z"}},
	}
}

// publication returns a request to publish the title Xcode.
func publication(author, address string) community.Publication {
	return community.Publication{AuthorName: author, AuthorEmail: address, Definition: definition("Xcode")}
}
