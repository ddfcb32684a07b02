// Package patchsync keeps titles of a catalog in step with definitions that are published elsewhere: at a URL, by
// another external patch source (Jamf's own, with its signed definitions, among them), in a folder, or behind a
// [Source] that the caller implements.
//
// # What is followed
//
// A title that was created with the URL of a definition (catalog.CreateOptions.Follows) is followed on its own. A
// [Mirror] follows a whole source, or some of its titles: titles that are new there are created here, and titles that
// vanish there may be deleted here. A title that follows a source is read-only for every other caller of the catalog.
//
// # How sources are asked
//
// A [Runner] follows all of them, in rounds. A round fetches what the source lists, decides which definitions to
// take, applies them to the catalog, records the outcome and schedules the next round. Requests are conditional and
// compressed, few at a time to one host, and spread by jitter. A source is asked once per interval, less often if it
// says so (Retry-After and Cache-Control, within bounds), and with exponential backoff while it fails. Of a whole
// source only the definitions that its list marks as changed are fetched. A definition that has not changed is not
// written.
//
// # What is accepted
//
// A source that fails or sends unacceptable data never changes what is served. An invalid definition, a definition
// with another id and a return to an older version are rejected, and the [State] of the source says so. Only public
// addresses are contacted, unless [Options] says otherwise, and everything that is read is bounded. The dates that a
// source gives are compared with its own earlier dates only, never with a clock here.
//
// A whole source whose list and definition agree on a current version that is not the first patch holds back its
// newest patches: they are kept with the title, and served once the source releases them.
//
// URLs may hold secrets. States, errors and log lines show them as [RedactURL] returns them, and never show the
// credentials of a source.
//
// # Release feeds
//
// A title that follows no source may be watched instead: [Watches] reads the release feed of its vendor, adds new
// versions to it, and proposes those that a person should see first. Such a title stays editable. One request serves
// all watches with the same address.
//
// # Several servers
//
// Over a store that several servers share (a [store.Watcher]), one of them does the work: it holds a lease in the
// store, and another server takes over when it stops or dies. Their clocks need not agree. A server that was suspended
// may ask sources for a moment after it wakes up, until it finds out that it has lost the lease: nothing is lost or
// applied twice by that, because every change of a title and of a state is conditional. All servers should have the
// same mirrors, because those of the leader are followed: the others warn if theirs differ.
package patchsync

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/sync/releases"
)

var (
	// ErrUpstream reports that a source failed, or that what it sent was rejected. errors.As finds the
	// *[UpstreamError] with the reason.
	ErrUpstream = errors.New("the source cannot be followed")
	// ErrNotFollowed reports a title whose source, or a mirror, that the Runner does not follow.
	ErrNotFollowed = errors.New("the title follows no source")
	// ErrDowngrade reports a source that has returned to an older version.
	ErrDowngrade = errors.New("the source has returned to an older version")
	// ErrRunning reports a call of [Runner.Run] before an earlier one has ended.
	ErrRunning = errors.New("patchsync: the Runner is running already: call Run once at a time")
)

const (
	// defaultInterval is the default of Options.Interval.
	defaultInterval = 30 * time.Minute
	// defaultLease is the default of Options.Lease.
	defaultLease = 30 * time.Second
	// homepage tells the administrator of a source which software asks.
	homepage = "https://github.com/patchsource/patchsource"
)

// Options configure a [Runner]. Limits share one convention: 0 is the default, a negative number means no limit.
type Options struct {
	// Mirrors are the whole sources to follow.
	Mirrors []Mirror
	// Interval is the time between two rounds of a source, give or take a tenth. The default is 30 min.
	Interval time.Duration
	// AllowDowngrade accepts older versions from the sources of titles that are followed on their own. For mirrors
	// there is Mirror.AllowDowngrade.
	AllowDowngrade bool
	// AllowPrivateNetworks also permits addresses in private networks and on this machine, for labs. Everyone who may
	// name a URL can then reach the services there.
	AllowPrivateNetworks bool
	// Timeout bounds one request, from the connection to the last byte. The default is 10 s.
	Timeout time.Duration
	// MaxBytes bounds the size of a definition or list, both compressed and decompressed. The default is 10 MiB.
	MaxBytes int
	// PerHost and Concurrency bound the requests in progress to one host and in all. The defaults are 4 and 64.
	PerHost, Concurrency int
	// Contact is added to the User-Agent: a URL or an address of the administrator of this server. If empty, the
	// User-Agent names the project's page only.
	Contact string
	// Lease is the time after which another server takes over from one that has died. The default is 30 s.
	Lease time.Duration
	// Logger receives changes, and sources that begin to fail or recover. If nil, nothing is logged.
	Logger *slog.Logger
	// Now is the clock. If nil, it is time.Now.
	Now func() time.Time
	// Transport replaces the transport that contacts public addresses only. It is for tests.
	Transport http.RoundTripper

	// Kinds are further kinds of release feeds, by name; see [Watches].
	Kinds map[string]releases.Kind
	// FeedTokens are tokens for the hosts of release feeds.
	FeedTokens []FeedToken
	// Recipes are the paths of folders of recipe files, *.json: each becomes a title that follows its release feed, and
	// whose watch is read-only. The recipes of a [Folder] that is followed, *.recipe.json, do the same. The title stays
	// when its file goes; a title that is deleted while its file is there is made again. Recipes are an
	// administrator's: see WatchOptions.Trusted.
	Recipes []string
	// Notify takes over events about release feeds, such as into a queue of webhooks. It is called, with backoff, until
	// it returns nil, and may be called again with an event that it has taken. If nil, there are no events.
	Notify func(ctx context.Context, e WatchEvent) error
}

// settings are what a [Runner] was made with. They never change.
type settings struct {
	catalog        *catalog.Catalog
	fetcher        *Fetcher
	mirrors        []*Mirror
	allowDowngrade bool // for titles that are followed on their own
	interval       time.Duration
	lease          time.Duration
	log            *slog.Logger
	now            func() time.Time
}
