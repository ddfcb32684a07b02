package community_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
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

// A box is a mailer that keeps what it is given.
type box struct {
	mu    sync.Mutex
	mails []mail.Message
	fail  error
	watch func() // called while a mail is being sent
}

func (b *box) Send(_ context.Context, m mail.Message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.watch != nil {
		b.watch()
	}
	if b.fail != nil {
		return b.fail
	}
	b.mails = append(b.mails, m)
	return nil
}

var tokenPattern = regexp.MustCompile(`pst_[A-Z2-7]{59}`)

// tokens returns the tokens in the mails to an address.
func (b *box) tokens(to string) (all []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.mails {
		if strings.EqualFold(m.To, to) {
			all = append(all, tokenPattern.FindString(m.Text))
		}
	}
	return all
}

type service struct {
	*community.Service
	cat    *catalog.Catalog
	tokens *auth.Service
	box    *box
	store  store.Store
	secret auth.Secret
	log    bytes.Buffer
}

// again opens another service over the same parts, as after a restart.
func (s *service) again(t testing.TB) *community.Service {
	t.Helper()
	parts := community.Parts{Store: s.store, Catalog: s.cat, Tokens: s.tokens, Mailer: s.box, Secret: s.secret}
	again, err := community.Open(context.Background(), parts, nil)
	if err != nil {
		t.Fatal(err)
	}
	return again
}

func newService(t testing.TB, opts community.Options) *service {
	t.Helper()
	s := &service{box: &box{}, store: memstore.New()}
	var err error
	if s.cat, err = catalog.Open(context.Background(), s.store, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.cat.Close() })
	if s.tokens, err = auth.Open(context.Background(), s.store, nil); err != nil {
		t.Fatal(err)
	}
	if s.secret, _, err = auth.LoadSecret(filepath.Join(t.TempDir(), "secret")); err != nil {
		t.Fatal(err)
	}
	opts.Logger = slog.New(slog.NewTextHandler(&s.log, nil))
	if s.Service, err = community.Open(context.Background(), community.Parts{Store: s.store, Catalog: s.cat, Tokens: s.tokens, Mailer: s.box, Secret: s.secret}, &opts); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func definition(id string) *patch.Definition {
	yes := true
	return &patch.Definition{ID: id, Name: id, Publisher: "P",
		Requirements: []patch.Criterion{
			{Name: "Application Bundle ID", Operator: "is", Value: "x", Type: "recon", And: &yes},
		},
		Patches: []patch.Patch{{Version: "1", ReleaseDate: "2018-02-02T17:39:58Z"}}}
}

func publication(author, address string) community.Publication {
	return community.Publication{AuthorName: author, AuthorEmail: address, Definition: definition("Xcode")}
}

// records counts what the store holds of a kind.
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

func TestPublish(t *testing.T) {
	ctx := t.Context()
	s := newService(t, community.Options{Site: "https://patches.example.com/"})
	s.box.watch = func() {
		if _, err := s.cat.Title("Xcode_Jose_Nunez"); !errors.Is(err, catalog.ErrNotFound) {
			t.Error("the title is seen before its token is mailed")
		}
	}
	p := publication("José Núñez", " jose@example.com ")
	res, err := s.Publish(ctx, p)
	if err != nil || res.Title.ID != "Xcode_Jose_Nunez" || res.Title.Name != "Xcode (José Núñez)" ||
		res.Title.Author != "José Núñez" {
		t.Fatalf("%+v %v", res, err)
	}
	if p.Definition.ID != "Xcode" {
		t.Error("the caller's definition was changed")
	}
	m := s.box.mails[0]
	usage := "https://patches.example.com/api/v1/title/Xcode_Jose_Nunez/version"
	if m.To != "jose@example.com" || !strings.Contains(m.Subject, "Xcode_Jose_Nunez") ||
		!strings.Contains(m.Text, usage) || !strings.Contains(m.HTML, "Xcode_Jose_Nunez") ||
		strings.Contains(m.Subject+m.Text+m.HTML, "José") {
		t.Errorf("%+v", m)
	}
	token := s.box.tokens("jose@example.com")[0]
	who, err := s.tokens.Authenticate(ctx, token)
	if err != nil || !who.MayChange(res.Title.UID, "") || who.MayCreate() {
		t.Errorf("%+v %v", who, err)
	}
	// Neither the address nor the token is anywhere.
	for _, kind := range []string{"titles", "tokens"} {
		for r := range s.store.List(ctx, kind) {
			for _, secret := range []string{"jose@", "example.com", token, token[len(token)-20:]} {
				if bytes.Contains(bytes.ToLower(r.Value), []byte(strings.ToLower(secret))) {
					t.Errorf("%s holds %s: %s", r.Key, secret, r.Value)
				}
			}
		}
	}
	if strings.Contains(s.log.String(), "example.com") || strings.Contains(s.log.String(), "pst_") {
		t.Errorf("the log: %s", s.log.String())
	}
}

func TestPublishRefuses(t *testing.T) {
	s := newService(t, community.Options{MaxTitles: 2})
	if _, err := s.Publish(t.Context(), publication("Ann", "ann@example.com")); err != nil {
		t.Fatal(err)
	}
	invalid := publication("Ann", "ann@example.com")
	invalid.Definition.Patches = nil
	for _, c := range []struct {
		name string
		p    community.Publication
		err  error
	}{
		{"no author", publication("", "ann@example.com"), patch.ErrAuthor},
		{"an author without a letter", publication("中文", "ann@example.com"), patch.ErrAuthor},
		{"an author of two lines", publication("Ann\r\nBcc: x", "ann@example.com"), patch.ErrAuthor},
		{"no address", publication("Bob", "bob"), mail.ErrAddress},
		{"a header in the address", publication("Bob", "b@c.de\r\nBcc: x@y.zz"), mail.ErrAddress},
		{"no definition", invalid, patch.ErrInvalid},
		{"the same title", publication("Ann", "ann@example.com"), catalog.ErrExists},
		{"a name that folds to the same", publication("Änn", "other@example.com"), catalog.ErrExists},
	} {
		if _, err := s.Publish(t.Context(), c.p); !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", c.name, err, c.err)
		}
	}
	if _, err := s.Publish(t.Context(), publication("Ann Two", "Ann@Example.com")); err != nil {
		t.Error(err)
	}
	if _, err := s.Publish(t.Context(), publication("Ann Three", "ann@example.com")); !errors.Is(
		err,
		community.ErrTooMany,
	) {
		t.Errorf("%v", err)
	}
	if n := len(s.box.mails); n != 2 || s.records(t, "titles") != 2 || s.records(t, "tokens") != 2 {
		t.Errorf("%d mails, %d titles, %d tokens", n, s.records(t, "titles"), s.records(t, "tokens"))
	}
}

// A mail that is refused leaves nothing.
func TestPublishIsAllOrNothing(t *testing.T) {
	s := newService(t, community.Options{})
	s.box.fail = errors.New("550 no such user ann@example.com")
	if _, err := s.Publish(t.Context(), publication("Ann", "ann@example.com")); !errors.Is(err, community.ErrMail) {
		t.Fatalf("%v", err)
	}
	if s.cat.Len() != 0 || s.records(t, "titles") != 0 || len(s.tokens.List()) != 0 {
		t.Errorf("%d titles, %d records, %v", s.cat.Len(), s.records(t, "titles"), s.tokens.List())
	}
	s.box.fail = nil
	if _, err := s.Publish(t.Context(), publication("Ann", "ann@example.com")); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// Of many at once, no more are published than a mailbox may have.
func TestMaxTitlesUnderRaces(t *testing.T) {
	s := newService(t, community.Options{MaxTitles: 3, MailsPerHour: -1})
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			if _, err := s.Publish(context.Background(), publication(fmt.Sprintf("Ann%d", i), "ann@example.com")); err != nil &&
				!errors.Is(err, community.ErrTooMany) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if s.cat.Len() != 3 {
		t.Errorf("%d titles", s.cat.Len())
	}
}

// What strangers have mailed to a mailbox does not keep its owner out, and what
// they say in it does no harm.
func TestStrangersAndAMailbox(t *testing.T) {
	s := newService(t, community.Options{MailsPerHour: 2})
	p := publication("Ann", "ann@example.com")
	p.Definition.Name = "X\". You won: http://evil.example/claim"
	if _, err := s.Publish(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if m := s.box.mails[0]; strings.Contains(m.Text+m.HTML+m.Subject, "evil") {
		t.Errorf("%+v", m)
	}
	for i := range 3 {
		_ = s.Register(t.Context(), fmt.Sprintf("junk%d", i), "ann@example.com")
	}
	if err := s.Register(t.Context(), "ann", "bob@example.com"); !errors.Is(err, community.ErrNameTaken) {
		t.Errorf("a name that an author has: %v", err)
	}
	if err := s.Reset(t.Context(), "Xcode_Ann", "ann@example.com"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if len(s.box.tokens("ann@example.com")) < 2 || s.box.tokens("ann@example.com")[len(s.box.mails)-1] == "" {
		t.Errorf("the owner's reset was not mailed: %d mails", len(s.box.mails))
	}
}

// Who hangs up when the mail is out has a title all the same.
func TestPublishOutlivesItsCaller(t *testing.T) {
	s := newService(t, community.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	s.box.watch = cancel
	if _, err := s.Publish(ctx, publication("Ann", "ann@example.com")); err != nil || s.cat.Len() != 1 ||
		len(s.tokens.List()) != 1 {
		t.Errorf("%v; %d titles, %d tokens", err, s.cat.Len(), len(s.tokens.List()))
	}
}

func TestOneOfManyPublishes(t *testing.T) {
	s := newService(t, community.Options{MailsPerHour: -1})
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for range 50 {
		wg.Go(func() {
			_, err := s.Publish(context.Background(), publication("Ann", "ann@example.com"))
			if err != nil && !errors.Is(err, catalog.ErrExists) {
				t.Error(err)
			}
			if err == nil {
				mu.Lock()
				won++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if won != 1 || len(s.box.mails) != 1 || len(s.tokens.List()) != 1 {
		t.Errorf("%d have published, %d mails, %d tokens", won, len(s.box.mails), len(s.tokens.List()))
	}
}

func TestReset(t *testing.T) {
	ctx := t.Context()
	s := newService(t, community.Options{})
	if _, err := s.Publish(ctx, publication("Ann", "ann@example.com")); err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{"stranger@example.com", "ANN@example.com"} {
		if err := s.Reset(ctx, "xcode_ann", address); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
	if err := s.Close(); err != nil { // waits for the mails
		t.Fatal(err)
	}
	tokens := s.box.tokens("ann@example.com")
	if len(tokens) != 2 || len(s.box.mails) != 2 {
		t.Fatalf("%d mails, %q", len(s.box.mails), tokens)
	}
	if _, err := s.tokens.Authenticate(ctx, tokens[0]); err != nil {
		t.Errorf("the old one, before the new one is used: %v", err)
	}
	if _, err := s.tokens.Authenticate(ctx, tokens[1]); err != nil {
		t.Error(err)
	}
	if _, err := s.tokens.Authenticate(ctx, tokens[0]); !errors.Is(err, auth.ErrUnauthorized) {
		t.Errorf("the old one, after the new one was used: %v", err)
	}
	if err := s.Reset(ctx, "Nope", "ann@example.com"); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("%v", err)
	}
	if err := s.Reset(ctx, "Xcode_Ann", "nobody"); !errors.Is(err, mail.ErrAddress) {
		t.Errorf("%v", err)
	}
	if strings.Contains(s.log.String(), "@example.com") {
		t.Errorf("the log: %s", s.log.String())
	}
}

func TestMailboxLimit(t *testing.T) {
	s := newService(t, community.Options{MailsPerHour: 2})
	for i := range 3 {
		_, err := s.Publish(t.Context(), publication(fmt.Sprintf("Ann%d", i), "ann@example.com"))
		var limited *community.LimitedError
		if (i == 2) != errors.As(err, &limited) || i < 2 && err != nil {
			t.Errorf("%d: %v", i, err)
		}
		if i == 2 && (limited.After <= 0 || limited.After > time.Hour) {
			t.Errorf("%v", limited.After)
		}
	}
	if _, err := s.Publish(t.Context(), publication("Bob", "bob@example.com")); err != nil {
		t.Errorf("another mailbox: %v", err)
	}
	if s.records(t, "titles") != 3 {
		t.Errorf("%d records", s.records(t, "titles"))
	}
}

// What is missing is an error, and no panic later.
func TestMissingParts(t *testing.T) {
	s := newService(t, community.Options{})
	all := community.Parts{Store: s.store, Catalog: s.cat, Tokens: s.tokens, Mailer: s.box, Secret: s.secret}
	for name, without := range map[string]func(*community.Parts){
		"Store":   func(p *community.Parts) { p.Store = nil },
		"Catalog": func(p *community.Parts) { p.Catalog = nil },
		"Tokens":  func(p *community.Parts) { p.Tokens = nil },
		"Mailer":  func(p *community.Parts) { p.Mailer = nil },
		"Secret":  func(p *community.Parts) { p.Secret = auth.Secret{} },
	} {
		parts := all
		without(&parts)
		if _, err := community.Open(t.Context(), parts, nil); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

// A mail to an address that is not confirmed carries no words of a stranger, and nothing that a mail client would take
// for a link but ours.
func TestMailsCarryNoWordsOfStrangers(t *testing.T) {
	for _, c := range []struct {
		name, id, site, shown string
	}{
		{"a plain id", "Xcode", "https://patches.example.com", "Xcode_Ann"},
		{"a host in the id", "evil.example", "https://patches.example.com", "evil(.)example_Ann"},
		{"a host in the id, and no site", "evil.example", "", "evil(.)example_Ann"},
		{"a version in the id", "App_12.5", "https://patches.example.com", "App_12.5_Ann"},
		{"a host that begins as a version", "3.5x.example", "https://patches.example.com", "3(.)5x(.)example_Ann"},
		{"a dot at the end", "App.", "https://patches.example.com", "App(.)_Ann"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newService(t, community.Options{Site: c.site})
			p := publication("Ann", "ann@example.com")
			p.Definition.ID, p.Definition.Name = c.id, "You won: evil.example/login"
			if _, err := s.Publish(t.Context(), p); err != nil {
				t.Fatal(err)
			}
			if err := s.Reset(t.Context(), c.id+"_Ann", "ann@example.com"); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if len(s.box.mails) != 2 {
				t.Fatalf("%d mails", len(s.box.mails))
			}
			for _, m := range s.box.mails {
				if !strings.Contains(m.Subject, c.shown) || !strings.Contains(m.Text, c.shown) {
					t.Errorf("%q and %q do not show %s", m.Subject, m.Text, c.shown)
				}
				all := m.Subject + "\n" + m.Text + "\n" + m.HTML
				if c.site != "" {
					all = regexp.MustCompile(regexp.QuoteMeta(c.site)+`/\S*`).ReplaceAllString(all, "(our link)")
				}
				if strings.Contains(all, "won") || regexp.MustCompile(`(?i)[a-z0-9]\.(com|example)`).MatchString(all) {
					t.Errorf("%s", all)
				}
			}
		})
	}
	s := newService(t, community.Options{Site: "https://patches.example.com"})
	if err := s.Register(t.Context(), "Evil.Example", "ann@example.com"); err != nil {
		t.Fatal(err)
	}
	m := s.box.mails[0]
	if all := m.Subject + m.Text + m.HTML; strings.Contains(strings.ToLower(all), "evil.example") {
		t.Errorf("%s", all)
	}
	id, code := s.box.link(t, "ann@example.com")
	if _, err := s.Verify(t.Context(), id, code); err != nil || id != "evil.example" {
		t.Errorf("%s: %v", id, err)
	}
}

func TestTexts(t *testing.T) {
	s := newService(t, community.Options{Templates: community.Templates{
		Published: community.Template{Subject: "For\n{{.Name}}", Text: "{{.Token}}", HTML: "<b>{{.Name}}</b>"},
	}})
	parts := community.Parts{Store: s.store, Catalog: s.cat, Tokens: s.tokens, Mailer: s.box, Secret: s.secret}
	for _, bad := range []string{"{{", "{{.Nothing}}"} {
		opts := &community.Options{Templates: community.Templates{Reset: community.Template{Text: bad}}}
		if _, err := community.Open(t.Context(), parts, opts); err == nil || !strings.Contains(err.Error(), "Reset") {
			t.Errorf("Open with the template %q: %v, want an error that names Reset", bad, err)
		}
	}
	p := publication("Ann", "ann@example.com")
	p.Definition.Name = "<script> Bcc: x@y.zz"
	if _, err := s.Publish(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if m := s.box.mails[0]; m.Subject != "For Xcode_Ann" || strings.Contains(m.Text+m.HTML, "script") {
		t.Errorf("%+v", m)
	}
}

func BenchmarkPublish(b *testing.B) {
	s := newService(b, community.Options{MaxTitles: 1 << 30, MailsPerHour: -1})
	i := 0
	for b.Loop() {
		i++
		if _, err := s.Publish(context.Background(), publication(fmt.Sprintf("Ann%d", i), "ann@example.com")); err != nil {
			b.Fatal(err)
		}
	}
}

// outbox prints what is sent.
type outbox struct{}

func (outbox) Send(_ context.Context, m mail.Message) error {
	fmt.Println("to", m.To+":", m.Subject)
	return nil
}

func Example() {
	ctx := context.Background()
	s := memstore.New()
	cat, err := catalog.Open(ctx, s, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cat.Close()
	tokens, err := auth.Open(ctx, s, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	var secret auth.Secret // of auth.LoadSecret
	dir, err := os.MkdirTemp("", "community")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	if secret, _, err = auth.LoadSecret(filepath.Join(dir, "secret")); err != nil {
		fmt.Println(err)
		return
	}
	service, err := community.Open(
		ctx,
		community.Parts{Store: s, Catalog: cat, Tokens: tokens, Mailer: outbox{}, Secret: secret},
		nil,
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer service.Close()
	res, err := service.Publish(
		ctx,
		community.Publication{AuthorName: "Bryson", AuthorEmail: "bryson@example.com", Definition: definition("Xcode")},
	)
	fmt.Println(res.Title.ID, err)
	// Output:
	// to bryson@example.com: Your token for Xcode_Bryson
	// Xcode_Bryson <nil>
}
