// Package webhook tells others of changes to titles: each change is POSTed to the
// URLs that want to know of it, in the form of Patch Server's webhooks, or as a
// message of Slack or Teams.
//
// A [Service] is a courier of the catalog (catalog.Options.Couriers): what a change has to
// tell lies in a queue in the store before the catalog forgets it, so that it is
// told at least once, whatever is killed when; each event has an id by which a
// receiver knows one that comes again. The events of one title come in order.
//
// A receiver that does not answer, or not with 2xx, is tried again, ever more seldom,
// for a day; it holds up nobody else. What goes out passes the same rules as what sync
// fetches: only public addresses are connected to, unless [Options] says otherwise.
// With a secret, events are signed as the Standard Webhooks specification says.
package webhook

import (
	"cmp"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/sync/internal/safehttp"
)

var (
	// ErrNotFound is a webhook that is not there.
	ErrNotFound = errors.New("webhook not found")
	// ErrInvalid is a webhook that cannot be. errors.As finds the
	// *[InvalidError] that says what is wrong.
	ErrInvalid = errors.New("the webhook cannot be")
	// ErrUnavailable is a failure of the store.
	ErrUnavailable = errors.New("the store is unavailable")
	// ErrRunning is a second [Service.Run] before the first has ended.
	ErrRunning = errors.New("webhook: this Service runs already: call Run once at a time")
)

// An InvalidError says what is wrong with a webhook. It is [ErrInvalid].
type InvalidError struct {
	// Field is the member that is wrong, as in JSON.
	Field   string
	Message string
}

// Error says what is wrong, and where.
func (e *InvalidError) Error() string { return e.Field + ": " + e.Message }

// Is makes an InvalidError an [ErrInvalid].
func (e *InvalidError) Is(target error) bool { return target == ErrInvalid }

// A Format is the form that events are sent in.
type Format string

const (
	// JSON is Patch Server's form.
	JSON Format = "json"
	// Slack is a message of a Slack incoming webhook.
	Slack Format = "slack"
	// Teams is an adaptive card of a Microsoft Teams workflow.
	Teams Format = "teams"
)

// A Hook is who wants to be told of what.
type Hook struct {
	// ID is made by the service.
	ID string
	// URL is where events are POSTed.
	URL string
	// Enabled says that events are sent; if not, they are not kept either.
	Enabled bool
	// VerifySSL says that the certificate of URL must be good.
	VerifySSL bool
	// SendDefinition sends the definition along, in the JSON format. A definition of
	// at most catalog.MaxNoticeDefinition bytes is that after the change. A larger
	// one is read when the event is sent, so that it may be newer than the event; it
	// is left out if the title is gone by then.
	SendDefinition bool
	// Secret, if not empty, signs events: the key of HMAC-SHA-256, as it is, or in
	// base64 behind whsec_. It is never told again.
	Secret string
	// Format is the form of events; empty: JSON.
	Format Format
	// Events are the events that are wanted, empty: all. Titles are the ids of
	// those that are, in any case, empty: all.
	Events []catalog.EventKind
	Titles []string
}

// A Status says how it goes with a webhook. Times are UTC, zero if it has not
// happened since the start.
type Status struct {
	// Hook is the webhook, without its secret, and without the user name, password,
	// query and fragment of its URL.
	Hook Hook
	// Signed says that it has one.
	Signed bool
	// Pending counts the events that it was not told yet, Dropped those that it
	// never will be: it was not reached for a day, or too many were waiting.
	Pending, Dropped int
	// Failures counts the attempts that failed since the last that went well.
	Failures int
	// LastAttempt, LastSuccess and NextAttempt are when it was last tried, when
	// that last went well, and when it is tried again if something waits.
	LastAttempt, LastSuccess, NextAttempt time.Time
	// LastError is what was wrong the last time, and Status the HTTP status that
	// was answered; empty and 0: nothing.
	LastError string
	Status    int
}

// Options are options of [Open]. Nil means the zero value.
type Options struct {
	// Key seals the secrets of webhooks in the store: 32 bytes, such as
	// auth.Secret.Key makes. Nil: no webhook can have a secret.
	Key []byte
	// Site is where the server is found, such as https://patches.example.com, for
	// the links in events.
	Site string
	// WebPage says that the page of package httpapi/webui is served there: links in
	// messages for people lead to it. Otherwise they lead to definitions.
	WebPage bool
	// AllowPrivateNetworks also connects to private networks and this machine.
	AllowPrivateNetworks bool
	// Definition returns the current definition of a title, such as the bytes of
	// catalog.Catalog.Definition. It is called when an event is sent whose definition
	// was too large to be kept with it. An error that is catalog.ErrNotFound means
	// that there is none; after any other the event is sent later. If nil, large
	// definitions are not sent.
	Definition func(ctx context.Context, id string) ([]byte, error)
	// MaxQueueBytes bounds the records of what waits for one webhook, in bytes. What
	// does not fit is dropped. 0: DefaultMaxQueueBytes.
	MaxQueueBytes int64
	// Timeout bounds one attempt. 0: 10 s.
	Timeout time.Duration
	// Lease is after how long another server takes over from one that has died.
	// 0: 30 s.
	Lease time.Duration
	// Logger is told of receivers that begin to fail or recover. Nil: silent.
	Logger *slog.Logger
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
	// Transport takes the place of the one that connects to public addresses only.
	// It is for tests.
	Transport http.RoundTripper
}

// DefaultMaxQueueBytes bounds what waits for one webhook when [Options] says nothing
// else.
const DefaultMaxQueueBytes = 64 << 20

const (
	// maxHooks bounds the webhooks.
	maxHooks = 100
	// maxPending bounds the events that wait for one webhook.
	maxPending = 10_000
	// maxAge is for how long an event is tried.
	maxAge       = 24 * time.Hour
	defaultLease = 30 * time.Second
)

// A Service keeps webhooks and delivers events to them. Make one with [Open]. It is
// safe for concurrent use.
type Service struct {
	store   store.Store
	sealer  cipher.AEAD // nil: no secrets
	site    string
	page    bool
	lease   time.Duration
	log     *slog.Logger
	now     func() time.Time
	strict  *safehttp.Client
	lenient *safehttp.Client // that takes any certificate
	wake    chan struct{}

	definition    func(ctx context.Context, id string) ([]byte, error)
	maxQueueBytes int64
	running       atomic.Bool // Run is

	changing sync.Mutex // held while hooks are changed in the store

	mu    sync.Mutex
	hooks map[string]*hook
	last  int64                // the number of the last delivery
	known map[string]*delivery // all that are in the queues, by their keys
	// taken are, by the id of an event that not all queues could be given yet, the
	// webhooks whose queues have it.
	taken map[string]map[string]bool
}

// Open reads the webhooks of s, and what waits for them. ctx bounds the reading. The error is
// [ErrUnavailable], or about a missing store or the options.
func Open(ctx context.Context, s store.Store, opts *Options) (*Service, error) {
	if s == nil {
		return nil, errors.New("webhook: Open needs a store")
	}
	var o Options
	if opts != nil {
		o = *opts
	}
	w := &Service{
		store:         s,
		site:          strings.TrimRight(o.Site, "/"),
		page:          o.WebPage,
		lease:         cmp.Or(o.Lease, defaultLease),
		log:           o.Logger,
		now:           o.Now,
		wake:          make(chan struct{}, 1),
		definition:    o.Definition,
		maxQueueBytes: cmp.Or(o.MaxQueueBytes, DefaultMaxQueueBytes),
		hooks:         map[string]*hook{},
		known:         map[string]*delivery{},
		taken:         map[string]map[string]bool{},
	}
	if w.log == nil {
		w.log = slog.New(slog.DiscardHandler)
	}
	if w.now == nil {
		w.now = time.Now
	}
	if o.Key != nil {
		block, err := aes.NewCipher(o.Key)
		if err != nil {
			return nil, fmt.Errorf("webhook: the key: %w", err)
		}
		if w.sealer, err = cipher.NewGCMWithRandomNonce(block); err != nil {
			return nil, fmt.Errorf("webhook: the key: %w", err)
		}
	}
	client := safehttp.Options{
		AllowPrivate:  o.AllowPrivateNetworks,
		Timeout:       o.Timeout,
		PerHost:       attemptsPerHook,
		Total:         attemptsAtOnce,
		KeepRedirects: true,
		UserAgent:     "patchsource-webhook (+https://github.com/patchsource/patchsource)",
		Transport:     o.Transport,
	}
	w.strict = safehttp.New(&client)
	client.Insecure = true
	w.lenient = safehttp.New(&client)
	if err := w.loadHooks(ctx); err != nil {
		return nil, err
	}
	// Before the catalog tells of more: what is there already comes first.
	return w, w.loadQueue(ctx)
}

// Create adds a webhook, and returns its id. The error is [ErrInvalid],
// [ErrUnavailable] or that of ctx.
func (w *Service) Create(ctx context.Context, h Hook) (id string, err error) {
	h.ID = rand.Text()
	if h.Format == "" {
		h.Format = JSON
	}
	if err := w.check(h); err != nil {
		return "", err
	}
	w.changing.Lock()
	defer w.changing.Unlock()
	w.mu.Lock()
	n := len(w.hooks)
	w.mu.Unlock()
	if n >= maxHooks {
		return "", &InvalidError{
			"url",
			fmt.Sprintf("there are %d webhooks already, which is as many as there may be: delete one", n),
		}
	}
	value, err := json.Marshal(w.seal(h))
	if err != nil {
		return "", err
	}
	if _, err := w.store.Put(ctx, store.Key{Kind: hooksKind, ID: h.ID}, value, store.IfAbsent()); err != nil {
		return "", unavailable(ctx, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hooks[h.ID] = newHook(h)
	return h.ID, nil
}

// check says what is wrong with a webhook.
func (w *Service) check(h Hook) error {
	if _, err := w.strict.Check(h.URL); err != nil {
		return &InvalidError{"url", err.Error()}
	}
	switch h.Format {
	case JSON, Slack, Teams:
	default:
		return &InvalidError{"format", fmt.Sprintf("%q is none: it must be json, slack or teams", h.Format)}
	}
	for i, kind := range h.Events {
		if !slices.Contains([]catalog.EventKind{catalog.Created, catalog.Updated, catalog.Deleted}, kind) {
			return &InvalidError{fmt.Sprintf("events/%d", i), "it must be new_title, title_updated or title_deleted"}
		}
	}
	if len(h.Titles) > 10_000 {
		return &InvalidError{"titles", "at most 10,000 can be named"}
	}
	if h.Secret != "" && w.sealer == nil {
		return &InvalidError{"secret", "this server has no key to keep it under"}
	}
	if len(h.Secret) > 1000 {
		return &InvalidError{"secret", "it is longer than 1,000 characters"}
	}
	if _, err := keyOf(h.Secret); err != nil {
		return &InvalidError{"secret", "behind whsec_ it must be base64"}
	}
	return nil
}

// Delete removes a webhook, and what waits for it. The error is [ErrNotFound],
// [ErrUnavailable] or that of ctx.
func (w *Service) Delete(ctx context.Context, id string) error {
	w.changing.Lock()
	defer w.changing.Unlock()
	w.mu.Lock()
	h := w.hooks[id]
	w.mu.Unlock()
	if h == nil {
		return fmt.Errorf("%w: %q", ErrNotFound, id)
	}
	err := w.store.Delete(ctx, store.Key{Kind: hooksKind, ID: id}, store.Condition{})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return unavailable(ctx, err)
	}
	w.mu.Lock()
	delete(w.hooks, id)
	left := h.waiting()
	h.gone = true
	w.mu.Unlock()
	// A start sweeps what cannot be removed now.
	ctx = context.WithoutCancel(ctx)
	for _, d := range left {
		w.drop(ctx, d)
	}
	return nil
}

// List returns all webhooks and how it goes with them, in the order of their URLs.
func (w *Service) List() []Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := make([]Status, 0, len(w.hooks))
	for _, h := range w.hooks {
		all = append(all, h.statusNow())
	}
	slices.SortFunc(all, func(a, b Status) int {
		return cmp.Or(cmp.Compare(a.Hook.URL, b.Hook.URL), cmp.Compare(a.Hook.ID, b.Hook.ID))
	})
	return all
}

// Pending counts the events that wait, for all webhooks.
func (w *Service) Pending() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.known)
}

// Test has an event that says that it is a test sent to a webhook, also to one that
// is not enabled. The error is [ErrNotFound], [ErrUnavailable] or that of ctx.
func (w *Service) Test(ctx context.Context, id string) error {
	w.mu.Lock()
	h := w.hooks[id]
	w.mu.Unlock()
	if h == nil {
		return fmt.Errorf("%w: %q", ErrNotFound, id)
	}
	n := catalog.Notice{ID: "test-" + rand.Text(), Kind: testKind, At: w.now().UTC()}
	n.Title.ID, n.Title.Name, n.Title.CurrentVersion = "Test", "Test", "1.0"
	return w.enqueue(ctx, h, n)
}

func unavailable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}
