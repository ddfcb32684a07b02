// Package community is the public service without HTTP: anybody publishes a title
// under their name, is mailed a token for it, and manages it with that.
//
// Publishing is all or nothing. The title's id is reserved, which nobody sees; a
// token is made for the title's UID; the token is mailed; then the title goes
// live. If the mail is refused, the reservation is withdrawn and the token
// revoked. Who is stopped in between leaves a reservation that ends by itself.
//
// An address is used for the one mail, and not kept: with the title goes a hash of
// it (see auth.MailboxHash), by which its owner can ask for a new token. What is
// answered to that says nothing about whether the address was the right one, and
// takes no longer when it was.
//
// Who publishes much becomes a contributor: with a name of their own and an address
// that they have confirmed, a token for all their titles, and a feed of their own.
package community

import (
	"context"
	"crypto/cipher"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/auth/mail"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
)

var (
	// ErrMail is a token that could not be mailed. Nothing was published.
	ErrMail = errors.New("the mail with the token could not be sent")
	// ErrLimited is too much for one mailbox. errors.As finds the
	// *[LimitedError] that says when to try again.
	ErrLimited = errors.New("too many requests for this mailbox")
	// ErrTooMany is a mailbox that has as many titles as it may.
	ErrTooMany = errors.New("this mailbox has as many titles as it may have")
)

// A LimitedError says when to try again. It is [ErrLimited].
type LimitedError struct{ After time.Duration }

// Error says what is wrong, and where.
func (e *LimitedError) Error() string {
	return fmt.Sprintf("%v: try again in %v", ErrLimited, e.After.Round(time.Second))
}

// Is makes a LimitedError an ErrLimited.
func (e *LimitedError) Is(target error) bool { return target == ErrLimited }

const (
	// DefaultMaxTitles is how many titles a mailbox may have when [Options] says
	// nothing else.
	DefaultMaxTitles = 100
	// DefaultMailsPerHour is how many mails a mailbox is sent in an hour, and how
	// many at once, when Options says nothing else.
	DefaultMailsPerHour = 10
	// mailTimeout bounds the sending of one mail.
	mailTimeout = 30 * time.Second
	// mostMailboxes is how many mailboxes the limit remembers; the one that was
	// written to longest ago is forgotten first.
	mostMailboxes = 10_000
	// mostPending is how many requests for new tokens wait at once.
	mostPending = 100
)

// Options are options of [Open]. Nil means the zero value.
type Options struct {
	// Logger is told of tokens that could not be mailed. It is never told an
	// address or a token. Nil: silent.
	Logger *slog.Logger
	// Texts make the mails; see [DefaultTexts]. Nil: those.
	Texts *Texts
	// MaxTitles is how many titles a mailbox may have. 0: DefaultMaxTitles.
	MaxTitles int
	// MailsPerHour is how many mails a mailbox is sent. 0: DefaultMailsPerHour;
	// negative: any number.
	MailsPerHour int
	// Site is where the service is found, such as https://patches.example.com,
	// for the mails. Empty: they leave it out.
	Site string
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// A Service publishes titles for those who have no account. Make one with [Open].
// It is safe for concurrent use.
type Service struct {
	store     store.Store
	now       func() time.Time
	sealer    cipher.AEAD // of addresses, in links
	cat       *catalog.Catalog
	tokens    *auth.Service
	mailer    mail.Mailer
	fetcher   Fetcher
	mailboxes *auth.Mailboxes
	log       *slog.Logger
	texts     *Texts
	maxTitles int
	perHour   int
	site      string

	verifying sync.Mutex // held while a contributor is mailed their token

	mu           sync.Mutex
	publishing   map[string]int         // by mailbox: how many of its titles are on the way
	contributors map[string]contributor // by id
	limiters     *simplelru.LRU[string, *rate.Limiter]

	pending chan struct{} // a place for each reset under way
	resets  sync.WaitGroup
}

// Parts are what a Service works with. All but Fetcher are needed.
type Parts struct {
	Store   store.Store // where contributors are kept
	Catalog *catalog.Catalog
	Tokens  *auth.Service
	Mailer  mail.Mailer
	Secret  auth.Secret
	Fetcher Fetcher // nil: nobody publishes by URL
}

// check returns an error that names what is missing.
func (p Parts) check() error {
	missing := ""
	switch {
	case p.Store == nil:
		missing = "Store"
	case p.Catalog == nil:
		missing = "Catalog"
	case p.Tokens == nil:
		missing = "Tokens"
	case p.Mailer == nil:
		missing = "Mailer"
	case p.Secret.IsZero():
		missing = "Secret"
	default:
		return nil
	}
	return fmt.Errorf("community: Parts.%s is missing", missing)
}

// Open makes a Service, and reads the contributors. ctx bounds the reading.
func Open(ctx context.Context, parts Parts, opts *Options) (*Service, error) {
	if err := parts.check(); err != nil {
		return nil, err
	}
	mailboxes, err := auth.NewMailboxes(parts.Secret)
	if err != nil {
		return nil, err
	}
	var o Options
	if opts != nil {
		o = *opts
	}
	s := &Service{store: parts.Store, cat: parts.Catalog, tokens: parts.Tokens, mailer: parts.Mailer, fetcher: parts.Fetcher, mailboxes: mailboxes, log: o.Logger, texts: o.Texts, now: o.Now,
		maxTitles: o.MaxTitles, perHour: o.MailsPerHour, site: strings.TrimRight(o.Site, "/"), publishing: map[string]int{}, pending: make(chan struct{}, mostPending)}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.texts == nil {
		s.texts = DefaultTexts()
	}
	if s.maxTitles == 0 {
		s.maxTitles = DefaultMaxTitles
	}
	if s.perHour == 0 {
		s.perHour = DefaultMailsPerHour
	}
	s.limiters, _ = simplelru.NewLRU[string, *rate.Limiter](mostMailboxes, nil) // the error is about a size that is not positive
	if s.sealer, err = newSealer(parts.Secret); err != nil {
		return nil, err
	}
	return s, s.loadContributors(ctx)
}

// Close waits for the mails under way. It closes nothing that it was made with.
func (s *Service) Close() error {
	s.resets.Wait()
	return nil
}

// A Publication is what somebody wants to publish.
type Publication struct {
	// AuthorName goes into the title's id and name, see
	// patch.Definition.Namespace.
	AuthorName string
	// AuthorEmail is where the token is mailed.
	AuthorEmail string
	// Definition is the title, under its plain id and name.
	Definition *patch.Definition
	// URL, in the place of Definition, is where it is: it is fetched now, and the
	// title follows it from then on. Needs [Parts.Fetcher].
	URL string
}

// A Fetcher fetches the definition at a URL that a stranger has named.
// [github.com/patchsource/patchsource/sync.Fetcher] is one.
type Fetcher interface {
	Definition(ctx context.Context, url string) (*patch.Definition, error)
}

// Publish publishes a title and mails its token to its author. When it returns
// nil, both are done.
//
// The error is patch.ErrAuthor, mail.ErrAddress, patch.ErrInvalid,
// patch.ErrTooLarge, catalog.ErrExists, [ErrLimited], [ErrTooMany], [ErrMail],
// catalog.ErrUnavailable, that of the fetcher or that of ctx.
func (s *Service) Publish(ctx context.Context, p Publication) (catalog.Result, error) {
	none := catalog.Result{}
	address, err := mail.CheckAddress(p.AuthorEmail)
	if err != nil {
		return none, err
	}
	if _, err := patch.AuthorID(p.AuthorName); err != nil {
		return none, err // before anybody is asked for a definition
	}
	if p.URL != "" {
		if s.fetcher == nil {
			return none, errors.New("community: a URL was given, and there is no fetcher")
		}
		if p.Definition, err = s.fetcher.Definition(ctx, p.URL); err != nil {
			return none, err
		}
	}
	if err := p.Definition.Validate(); err != nil {
		return none, err
	}
	def := *p.Definition
	if err := def.Namespace(p.AuthorName); err != nil {
		return none, err
	}
	if suffix, err := patch.AuthorID(p.AuthorName); err == nil {
		if _, taken := s.Contributor(suffix); taken {
			return none, fmt.Errorf("%w: %s is a contributor here: publish with their token, or under another name", patch.ErrAuthor, suffix)
		}
	}
	if _, err := s.cat.Title(def.ID); err == nil { // before the slow hash; Reserve decides
		return none, &catalog.TitleError{ID: def.ID, Err: catalog.ErrExists}
	}
	hash, err := s.mailboxes.Hash(ctx, address)
	if err != nil {
		return none, err
	}
	mailbox, err := json.Marshal(hash)
	if err != nil {
		return none, err
	}
	leave, err := s.enter(string(mailbox))
	if err != nil {
		return none, err
	}
	defer leave()
	reservation, err := s.cat.Reserve(ctx, &def, &catalog.CreateOptions{Author: strings.TrimSpace(p.AuthorName), Mailbox: mailbox, Follows: p.URL})
	if err != nil {
		return none, err
	}
	res, tokenID, err := s.finish(ctx, reservation, address, hash)
	if err == nil {
		return res, nil
	}
	// Whoever has gone away meanwhile: nothing half-made stays.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), mailTimeout)
	defer cancel()
	live, undo := reservation.Withdraw(ctx)
	if live {
		// It was published after all, and the store did not say so.
		title, titleErr := s.cat.Title(def.ID)
		return catalog.Result{Title: title, Changed: true}, titleErr
	}
	if undo == nil && tokenID != "" {
		undo = s.tokens.Revoke(ctx, tokenID)
	}
	if undo != nil {
		s.log.Error("a publication that failed could not be undone; it ends by itself", "title", def.ID, "error", undo)
	}
	return none, err
}

// finish does what comes after the reservation.
func (s *Service) finish(ctx context.Context, r *catalog.Reservation, address string, hash auth.MailboxHash) (res catalog.Result, tokenID string, err error) {
	if err := s.allow(hash.Hash); err != nil {
		return res, "", err
	}
	token, tokenID, err := s.tokens.Issue(ctx, auth.Grant{Kind: auth.TitleToken, Titles: []string{r.UID()}})
	if err != nil {
		return res, "", err
	}
	def := r.Definition()
	if err := s.send(ctx, address, s.texts.published, facts{ID: def.ID, Name: harmless(def.Name), Token: token, Site: s.site}); err != nil {
		return res, tokenID, err
	}
	// The mail is out: who has gone away meanwhile has a title all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), mailTimeout)
	defer cancel()
	res, err = r.Publish(ctx)
	return res, tokenID, err
}

// enter counts the titles of a mailbox, and those that are being published, until
// leave is called. The error is ErrTooMany.
func (s *Service) enter(mailbox string) (leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.publishing[mailbox]
	for t := range s.cat.Find(catalog.Filter{}) {
		if t.Mailbox == mailbox {
			n++
		}
	}
	if n >= s.maxTitles {
		return nil, fmt.Errorf("%w: %d", ErrTooMany, s.maxTitles)
	}
	s.publishing[mailbox]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.publishing[mailbox]--; s.publishing[mailbox] == 0 {
			delete(s.publishing, mailbox)
		}
	}, nil
}

// Reset mails a new token for a title to its author, if address is theirs. It
// returns before it knows, and the same whatever it finds: nobody learns from it
// whose a title is. The old tokens stay good until the new one is first used.
//
// The error is mail.ErrAddress, catalog.ErrNotFound, or [ErrLimited] when too many
// such requests are under way.
func (s *Service) Reset(ctx context.Context, id, address string) error {
	address, err := mail.CheckAddress(address)
	if err != nil {
		return err
	}
	title, err := s.cat.Title(id)
	if err != nil {
		return err
	}
	select {
	case s.pending <- struct{}{}:
	default:
		return &LimitedError{After: time.Minute}
	}
	s.resets.Go(func() {
		defer func() { <-s.pending }()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*mailTimeout)
		defer cancel()
		if err := s.reset(ctx, title, address); err != nil {
			s.log.Error("a new token was asked for and not mailed", "title", title.ID, "error", err)
		}
	})
	return nil
}

func (s *Service) reset(ctx context.Context, title catalog.Title, address string) error {
	hash, err := s.mailboxes.Hash(ctx, address)
	if err != nil {
		return err
	}
	var mailbox auth.MailboxHash
	if title.Mailbox == "" || json.Unmarshal([]byte(title.Mailbox), &mailbox) != nil || !mailbox.Equal(hash) {
		s.log.Info("a new token was asked for with another address", "title", title.ID)
		return nil
	}
	// Counted by itself: what strangers have mailed to this mailbox does not keep
	// its owner out.
	if err := s.allow("reset " + hash.Hash); err != nil {
		return err
	}
	token, tokenID, err := s.tokens.Recover(ctx, auth.Grant{Kind: auth.TitleToken, Titles: []string{title.UID}})
	if err != nil {
		return err
	}
	// Its case did not count when it was compared: it does not when it is used.
	if err := s.send(ctx, strings.ToLower(address), s.texts.reset, facts{ID: title.ID, Name: harmless(title.Name), Token: token, Site: s.site}); err != nil {
		return errors.Join(err, s.tokens.Revoke(context.WithoutCancel(ctx), tokenID))
	}
	s.log.Info("a new token was mailed", "title", title.ID, "token", tokenID)
	return nil
}

// allow counts a mail to a mailbox, or of a kind to it.
func (s *Service) allow(mailbox string) error {
	if s.perHour < 0 {
		return nil
	}
	s.mu.Lock()
	limiter, ok := s.limiters.Get(mailbox)
	if !ok {
		limiter = rate.NewLimiter(rate.Every(time.Hour/time.Duration(s.perHour)), s.perHour)
		s.limiters.Add(mailbox, limiter)
	}
	s.mu.Unlock()
	r := limiter.Reserve()
	if after := r.Delay(); after > 0 {
		r.Cancel()
		return &LimitedError{After: after}
	}
	return nil
}

// harmless makes of a title's name, which is a stranger's words, what can stand in a
// mail to somebody else: one short line without an address of the web.
func harmless(name string) string {
	name = strings.Join(strings.Fields(name), " ")
	if strings.Contains(name, "://") || strings.Contains(strings.ToLower(name), "www.") {
		return "(its name has an address in it)"
	}
	if runes := []rune(name); len(runes) > 80 {
		name = string(runes[:80]) + "…"
	}
	return name
}

func (s *Service) send(ctx context.Context, to string, text *text, f facts) error {
	m, err := text.message(to, f)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, mailTimeout)
	defer cancel()
	if err := s.mailer.Send(ctx, m); err != nil {
		return fmt.Errorf("%w: %w", ErrMail, err)
	}
	return nil
}
