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
// The names of authors and contributors are kept apart, see names.go. Titles are
// counted for the mailbox, without the part of its address that a plus sign
// begins, or for the contributor, see account.go.
//
// Who publishes much becomes a contributor: with a name of their own and an address
// that they have confirmed, a token for all their titles, and a feed of their own.
package community

import (
	"context"
	"crypto/cipher"
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
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
)

var (
	// ErrMail is a token that could not be mailed. Nothing was published.
	ErrMail = errors.New("the mail with the token could not be sent")
	// ErrLimited is too much for one mailbox. errors.As finds the
	// *[LimitedError] that says when to try again.
	ErrLimited = errors.New("too many requests for this mailbox")
	// ErrTooMany is a mailbox or contributor that has as many titles as it may.
	ErrTooMany = errors.New("there are as many titles of this mailbox or contributor as it may have")
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
	// maxMailboxes is how many mailboxes the limit remembers; the one that was
	// written to longest ago is forgotten first.
	maxMailboxes = 10_000
	// maxPending is how many requests for new tokens wait at once.
	maxPending = 100
)

// Options are options of [Open]. Nil means the zero value.
type Options struct {
	// Logger is told of tokens that could not be mailed. It is never told an
	// address or a token. Nil: silent.
	Logger *slog.Logger
	// Texts make the mails; see [DefaultTexts]. Nil: those.
	Texts *Texts
	// MaxTitles is how many titles a mailbox or a contributor may have. Addresses that differ in what follows a plus
	// sign are one mailbox. Servers that share a store count what they know of, so the limit is approximate across
	// them. 0: DefaultMaxTitles.
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

	verifying sync.Mutex // held while a registration is brought to an end

	mu           sync.Mutex
	publishing   map[string]int         // by account: how many of its titles are on the way
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
	s := &Service{
		store:      parts.Store,
		cat:        parts.Catalog,
		tokens:     parts.Tokens,
		mailer:     parts.Mailer,
		fetcher:    parts.Fetcher,
		mailboxes:  mailboxes,
		log:        o.Logger,
		texts:      o.Texts,
		now:        o.Now,
		maxTitles:  o.MaxTitles,
		perHour:    o.MailsPerHour,
		site:       strings.TrimRight(o.Site, "/"),
		publishing: map[string]int{},
		pending:    make(chan struct{}, maxPending),
	}
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
	// The error would be about a size that is not positive.
	s.limiters, _ = simplelru.NewLRU[string, *rate.Limiter](maxMailboxes, nil)
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
