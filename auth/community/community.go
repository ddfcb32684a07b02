// Package community is the public service without HTTP: anyone may publish a title under their name, and is mailed a
// token to manage it with.
//
// # Publishing
//
// Publishing is all or nothing: the title's id is reserved, which other clients do not see; a token is made for the
// title's UID; the token is mailed; then the title goes live. If the mail is refused, the reservation is withdrawn and
// the token is revoked. A server that stops in between leaves a reservation that expires.
//
// # Addresses
//
// An address is used for one mail and is not kept. The title keeps a hash of it, with which its owner can ask for
// another token. The answer to such a request does not reveal whether the address was the right one, and neither does
// the time that it takes.
//
// Titles are counted for the mailbox, without the part of its address that begins with a plus sign, or for the
// contributor.
//
// # Contributors
//
// An author who publishes often registers as a contributor: with a name of their own and a confirmed address. A
// contributor has one token for all their titles and a feed of their own. Authors and contributors never share a name:
// a name is checked when it is registered, when it is confirmed, and before the token of an author is mailed. The one
// exception is an author who publishes in the moment between the last check of a contributor's name and its
// confirmation, on the same server or on another one. Both then keep the name, and an administrator can delete the
// title.
//
// # Several servers
//
// Servers over one store learn of each other's contributors by its watch while [Service.Follow] runs. A link that one
// server has mailed can be opened at all of them at once, and a contributor whom one has confirmed is known to all: one
// who is unknown is looked up in the store, up to ten times a second.
//
// Limits of mails are counted by each server. Titles are counted by each server too, from those that it knows of and
// those that it is creating itself, so that a mailbox can exceed its limit by the titles that other servers create at
// the same moment.
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

// Errors that a Service returns, as targets of errors.Is.
var (
	// ErrMail is returned when a mail could not be sent. Nothing was published or confirmed.
	ErrMail = errors.New("the mail with the token could not be sent")
	// ErrTooMany is returned when a mailbox or contributor has reached its limit of titles.
	ErrTooMany = errors.New("this mailbox or contributor has as many titles as it may have")
	// ErrIDTaken is returned when a title of another author or contributor has the id of a contributor's new title.
	ErrIDTaken = errors.New("another author's title has this id")
	// ErrName is returned for a name that no contributor can have.
	ErrName = errors.New("unusable contributor name")
	// ErrNameTaken is returned for a contributor's name that is taken, or that looks like one that is.
	ErrNameTaken = errors.New("the name is taken")
	// ErrNoContributor is returned for a contributor that does not exist or has not confirmed an address.
	ErrNoContributor = errors.New("there is no such contributor")
	// ErrCode is returned for a link that confirms nothing.
	ErrCode = errors.New("the link is wrong, too old or was already used")
)

// A LimitedError is returned, as a pointer, when a mailbox has reached its limit of mails or too many mails are
// pending.
type LimitedError struct {
	// After is the time after which to try again.
	After time.Duration
}

// Error implements error.
func (e *LimitedError) Error() string {
	return fmt.Sprintf("too many requests for this mailbox: try again in %v", e.After.Round(time.Second))
}

const (
	defaultMaxTitles    = 100
	defaultMailsPerHour = 10

	// mailTimeout bounds the sending of one mail.
	mailTimeout = 30 * time.Second
	// maxMailboxes is the number of mailboxes whose mails are counted. The one that was written to longest ago is
	// forgotten first.
	maxMailboxes = 10_000
	// maxPending is the number of requests for new tokens that are pending at the same time.
	maxPending = 100
)

// Options are the options of [Open]. A nil *Options means the zero value.
type Options struct {
	// Logger logs what happens in the background. It never logs an address or a token. If nil, nothing is logged.
	Logger *slog.Logger
	// Templates are the sources of the mails. The zero Templates are the default mails.
	Templates Templates
	// MaxTitles limits the titles of a mailbox or a contributor. Addresses that differ only in what follows a plus sign
	// are one mailbox. Servers that share a store count the titles that they know of, so the limit is approximate
	// across servers: see the package comment. The default is 100; a negative number means no limit.
	MaxTitles int
	// MailsPerHour limits the mails to one mailbox within an hour, which may all be sent at once. It is that of one
	// server: n servers over one store send up to n times as many. The default is 10; a negative number means no limit.
	MailsPerHour int
	// Site is the address of the service in mails, such as https://patches.example.com. If empty, mails contain paths
	// only.
	Site string
	// Now is the clock. The default is time.Now.
	Now func() time.Time
}

// withDefaults returns a copy of o with the default values filled in.
func (o *Options) withDefaults() Options {
	var d Options
	if o != nil {
		d = *o
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	if d.MaxTitles == 0 {
		d.MaxTitles = defaultMaxTitles
	}
	if d.MailsPerHour == 0 {
		d.MailsPerHour = defaultMailsPerHour
	}
	d.Site = strings.TrimRight(d.Site, "/")
	return d
}

// Parts are the services that a Service uses. All but Fetcher are required.
type Parts struct {
	// Store keeps the contributors.
	Store   store.Store
	Catalog *catalog.Catalog
	Tokens  *auth.Service
	Mailer  mail.Mailer
	// Secret derives the keys that hash and encrypt addresses.
	Secret auth.Secret
	// Fetcher fetches definitions that are published by URL. If nil, publishing by URL is refused.
	Fetcher Fetcher
}

// check returns an error that names a required part that is missing.
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

// A Service publishes titles for authors without an account, and registers contributors. Make one with [Open]. It is
// safe for concurrent use.
type Service struct {
	store   store.Store
	shared  bool // other servers may use the same store
	lookUps *rate.Limiter
	catalog *catalog.Catalog
	tokens  *auth.Service
	mailer  mail.Mailer
	fetcher Fetcher

	options Options // with defaults
	texts   *texts  // the parsed Templates
	hasher  *mailboxHasher
	sealer  cipher.AEAD // encrypts addresses in links

	confirming sync.Mutex // held while a registration is confirmed or released

	mu            sync.Mutex
	publishing    map[string]int          // by account: the number of its titles that are being created
	registrations map[string]registration // by the contributor's id
	limiters      *simplelru.LRU[string, *rate.Limiter]

	pending chan struct{} // one for each pending reset
	resets  sync.WaitGroup
}

// Open makes a Service and reads the contributors. ctx bounds the reading. The error names a part that is missing or a
// template that is invalid, or is that of the store.
func Open(ctx context.Context, parts Parts, opts *Options) (*Service, error) {
	if err := parts.check(); err != nil {
		return nil, err
	}
	s := &Service{
		store:      parts.Store,
		lookUps:    rate.NewLimiter(lookUpsPerSecond, lookUpsPerSecond),
		catalog:    parts.Catalog,
		tokens:     parts.Tokens,
		mailer:     parts.Mailer,
		fetcher:    parts.Fetcher,
		options:    opts.withDefaults(),
		hasher:     newMailboxHasher(parts.Secret),
		publishing: map[string]int{},
		pending:    make(chan struct{}, maxPending),
	}
	_, s.shared = store.As[store.Watcher](parts.Store)
	var err error
	if s.texts, err = parseTexts(s.options.Templates); err != nil {
		return nil, err
	}
	if s.limiters, err = simplelru.NewLRU[string, *rate.Limiter](maxMailboxes, nil); err != nil {
		return nil, err
	}
	if s.sealer, err = newSealer(parts.Secret); err != nil {
		return nil, err
	}
	return s, s.openRegistrations(ctx)
}

// Close waits for pending mails. It does not close the parts.
func (s *Service) Close() error {
	s.resets.Wait()
	return nil
}

// send mails a text. The error is [ErrMail] or that of the text.
func (s *Service) send(ctx context.Context, to string, t *text, f facts) error {
	m, err := t.message(to, f)
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
