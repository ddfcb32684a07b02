package webhook

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/sync/internal/safehttp"
)

// Options configure a [Service]. Limits share one convention: 0 is the default, a negative number means no limit.
type Options struct {
	// Key encrypts the secrets of webhooks in the store: 32 bytes, such as auth.Secret.Key returns. If nil, no webhook
	// can have a secret.
	Key []byte
	// Site is the address of the server, such as https://patches.example.com, for the links in events.
	Site string
	// WebPage says that the page of package httpapi/webui is served at Site. The links in messages for people then lead
	// to the page, and otherwise to definitions.
	WebPage bool
	// AllowPrivateNetworks also permits receivers in private networks and on this machine.
	AllowPrivateNetworks bool
	// Definition returns the current definition of a title, such as the bytes of catalog.Catalog.Definition. It is
	// called when an event is sent whose definition was too large to be queued with it. If the error is
	// catalog.ErrNotFound, the event is sent without a definition; after any other error it is retried. If nil, large
	// definitions are not sent.
	Definition func(ctx context.Context, id string) ([]byte, error)
	// MaxQueueBytes bounds the size of the pending events of one webhook, in bytes of the store. Events above the limit
	// are dropped. The default is 64 MiB.
	MaxQueueBytes int64
	// Timeout bounds one attempt. The default is 10 s.
	Timeout time.Duration
	// Lease is the time after which another server takes over from one that has died. The default is 30 s.
	Lease time.Duration
	// Logger receives the receivers that begin to fail or recover. If nil, nothing is logged.
	Logger *slog.Logger
	// Now is the clock. If nil, it is time.Now.
	Now func() time.Time
	// Transport replaces the transport that contacts public addresses only. It is for tests.
	Transport http.RoundTripper
}

const (
	// maxHooks bounds the number of webhooks.
	maxHooks = 100
	// maxPending bounds the number of pending events of one webhook.
	maxPending = 10_000
	// maxAge bounds the time for which an event is retried.
	maxAge = 24 * time.Hour
	// defaultMaxQueueBytes and defaultLease are the defaults of the options.
	defaultMaxQueueBytes = 64 << 20
	defaultLease         = 30 * time.Second
	userAgent            = "patchsource-webhook (+https://github.com/patchsource/patchsource)"
)

// A Service keeps webhooks and delivers events to them. [Open] makes one, and [Service.Run] delivers. It is safe for
// concurrent use.
type Service struct {
	store    store.Store
	shared   bool // other servers may use the same store
	log      *slog.Logger
	now      func() time.Time
	lease    time.Duration
	vault    vault
	renderer renderer
	sender   sender
	// definition is Options.Definition.
	definition    func(ctx context.Context, id string) ([]byte, error)
	maxQueueBytes int64

	running  atomic.Bool // a call of Run has not ended
	changing sync.Mutex  // held while webhooks are changed in the store
	queues   queues
}

// Open returns a Service with the webhooks and the pending events that s holds. ctx bounds the reading.
//
// The error is [catalog.ErrUnavailable], [store.ErrFormat] if a newer version wrote a webhook, or that of ctx. Open
// also returns an error if s is nil or an option is invalid.
func Open(ctx context.Context, s store.Store, opts *Options) (*Service, error) {
	if s == nil {
		return nil, errors.New("webhook: Open needs a store")
	}
	var o Options
	if opts != nil {
		o = *opts
	}
	if err := checkSite(o.Site); err != nil {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	if o.Lease < 0 {
		return nil, fmt.Errorf("webhook: the lease of %v is negative", o.Lease)
	}
	vault, err := newVault(o.Key)
	if err != nil {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	w := &Service{
		store:         s,
		log:           o.Logger,
		now:           o.Now,
		lease:         cmp.Or(o.Lease, defaultLease),
		vault:         vault,
		renderer:      renderer{site: strings.TrimRight(o.Site, "/"), page: o.WebPage},
		sender:        newSender(&o),
		definition:    o.Definition,
		maxQueueBytes: cmp.Or(o.MaxQueueBytes, defaultMaxQueueBytes),
		queues:        newQueues(),
	}
	_, w.shared = store.As[store.Watcher](s)
	if w.maxQueueBytes < 0 {
		w.maxQueueBytes = math.MaxInt64
	}
	if w.log == nil {
		w.log = slog.New(slog.DiscardHandler)
	}
	if w.now == nil {
		w.now = time.Now
	}
	if err := w.loadHooks(ctx); err != nil {
		return nil, err
	}
	// The pending events precede those that the catalog delivers from now on.
	if err := w.loadQueues(ctx); err != nil {
		return w, err
	}
	return w, w.dropOrphanLogs(ctx)
}

// checkSite reports why the address of the server is invalid. It may be empty.
func checkSite(site string) error {
	if site == "" {
		return nil
	}
	u, err := url.Parse(site)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return errors.New("the site must be an address such as https://patches.example.com")
	}
	return nil
}

// newSender returns a sender with the bounds of o.
func newSender(o *Options) sender {
	opts := safehttp.Options{
		AllowPrivate:  o.AllowPrivateNetworks,
		Timeout:       o.Timeout,
		PerHost:       maxAttemptsPerHook,
		Total:         maxAttempts,
		KeepRedirects: true,
		UserAgent:     userAgent,
		Transport:     o.Transport,
	}
	strict := safehttp.New(&opts)
	opts.Insecure = true
	return sender{strict: strict, lenient: safehttp.New(&opts)}
}

// unavailable returns an error of the store as a [catalog.ErrUnavailable], or that of ctx if ctx has ended.
func unavailable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("%w: %w", catalog.ErrUnavailable, err)
}
