// Package s3store keeps records as objects in a bucket of Amazon S3 or of another server with the same protocol, so
// that several servers can share one store. The S3 server must carry out conditional writes (PutObject with
// If-None-Match and If-Match); [Open] tries them and refuses a server that ignores them.
//
// The package uses an interface of four calls, [Client], that *s3.Client of the AWS SDK for Go v2 has. The program that
// opens the store makes the client and so decides where credentials come from, which is package config of the SDK in
// most programs. The credentials must allow s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket: without the
// last, S3 does not tell an object that does not exist from one that may not be read.
//
// No rule of the bucket may expire objects. Requests are signed with the time, so that the clock must agree with that
// of S3 within 15 minutes; nothing else depends on clocks.
//
// Of versitygw, the mode with --sidecar is not suitable: it loses changes, which Open notices. In its other modes, a
// Delete without a condition may have no effect if a Put with a condition is made at the same moment: both return nil,
// and the record exists.
//
// # Objects
//
// A record is the object PREFIX/KIND/NAME. The name is the id, in which bytes other than letters, digits, "-", "_" and
// "." are written as "=" and two hexadecimal digits; of a name of more than 200 bytes the first 100 are kept, followed
// by a hash of the id. The object's first line is a JSON object with a nonce, a checksum of the value and the id. The
// value follows as it is. It may have up to 32 MiB. The revision is the object's ETag, which the nonce makes different
// for every write.
//
// S3 has no DeleteObject with a condition that all servers carry out atomically. A Delete with a revision therefore
// replaces the object with a tombstone: a first line without an id, which is read as an absent record and which Put
// replaces. Tombstones stay. A Delete without a condition removes the object. Two of those at once may both return nil.
//
// # Unknown outcomes
//
// When the answer to a write is lost, the object is read: if it has the nonce of this write, the write succeeded. A
// write is sent again only if it names a revision that is still current, because it can then be carried out once at
// most. Put and Delete return [store.ErrConflict] and [store.ErrNotFound] only if the write was certainly not carried
// out, and another error whenever its outcome is unknown. The retries of the SDK are off for writes.
//
// # Watching
//
// The object PREFIX/_head has the last 500 changes and their number. Every Put and Delete adds its change before it
// returns; those of one process that happen at once share a write. A store that is watched reads the head twice a
// second, for all watches together, with a request that costs little while nothing changes. If more changes were made
// in between than the head has, the watch yields the zero Key. If the head cannot be read for about three seconds, the
// watch yields the error. Each reading that succeeds proves that no earlier change was missed, which is the heartbeat
// of [Store.WatchHeartbeats].
//
// A server that is killed after it has written an object and before it has written the head leaves a change that no
// watch yields. Every ten minutes, each watched kind is therefore listed, and changes that the head did not have are
// yielded. Heartbeats do not wait for such a change, because its Put or Delete did not return.
//
// # Costs
//
// A server without clients makes these requests in a day, as a test of this package counts them:
//
//	                                                GetObject  ListObjectsV2  PutObject
//	reading the head, if anything is watched          172,800
//	checking a watched kind of up to 1,000 records                       144
//	checking a watched kind of 10,000 records                          1,440
//	holding a lease of 30 s (store.Campaign)                                     17,280
//	waiting for a lease of 30 s                        17,280
//	holding a lease of 2 min                                                      4,320
//	waiting for a lease of 2 min                        4,320
//
// Heartbeats add none, but with them the head is read 86,400 times a day at least. They spare package auth the requests
// for each token that is in use, which it would otherwise read every five seconds.
//
// A change is one PutObject for the record and one or two for the head, and one GetObject of the head and of the record
// at each other server. Opening a store makes about a hundred requests.
package s3store

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/patchsource/patchsource/store"
)

// A Client makes requests to S3. *s3.Client implements it. If it also has the method Options of *s3.Client, errors of
// [Open] name the endpoint.
type Client interface {
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
	PutObject(context.Context, *s3.PutObjectInput, ...func(*s3.Options)) (*s3.PutObjectOutput, error)
	DeleteObject(context.Context, *s3.DeleteObjectInput, ...func(*s3.Options)) (*s3.DeleteObjectOutput, error)
	ListObjectsV2(context.Context, *s3.ListObjectsV2Input, ...func(*s3.Options)) (*s3.ListObjectsV2Output, error)
}

const (
	defaultTimeout       = 10 * time.Second
	defaultPollInterval  = 500 * time.Millisecond
	defaultCheckInterval = 10 * time.Minute
)

// defaultUnannounced are the kinds of this module that have many changes and that no package watches.
var defaultUnannounced = []string{"leases", "history", "deliverylog", "jobs", "certificates"}

// Options are options of [Open].
type Options struct {
	// Prefix begins the names of all objects, followed by a slash. Several stores share a bucket if the prefix of none
	// is the beginning of that of another. It has up to 200 letters, digits, "-", "_", "." and "/". If empty, the names
	// begin with the kind.
	Prefix string
	// Timeout bounds each request. The outcome of a write that timed out is unknown. The default is 10 s; a negative
	// number means no limit.
	Timeout time.Duration
	// PollInterval is the time between two readings of the head. The default is 500 ms. While a watch with heartbeats
	// is open, it is 1 s at most.
	PollInterval time.Duration
	// CheckInterval is the time between two lists of each watched kind, which find changes that were not announced. The
	// default is 10 minutes; a negative number means never.
	CheckInterval time.Duration
	// Unannounced are kinds whose changes are not written to the head. They cannot be watched. All servers that share
	// the store must have the same. If nil, they are "leases", "history", "deliverylog", "jobs" and "certificates",
	// which no package of this module watches.
	Unannounced []string
	// Logger logs when the head cannot be read or written. If nil, nothing is logged.
	Logger *slog.Logger
}

// Store is a [store.Store] in a bucket. It is also a [store.HeartbeatWatcher], a [store.Revisioner], a
// [store.Pinger] and an io.Closer. It is safe for concurrent use.
type Store struct {
	bucket bucket
	prefix string // empty, or ends in a slash
	opts   Options

	calls   sync.WaitGroup  // Get, Put, Delete and Ping
	closing context.Context // ends when the calls have ended after Close
	close   context.CancelFunc
	work    sync.WaitGroup // background work
	awake   chan struct{}  // has a value if the head should be read at once

	mu      sync.Mutex
	closed  bool
	refused error // the error of every change once the layout of the bucket is newer
	head    headState
	queue   queue
	feeds   map[string]*feed // by kind
	polling bool             // a goroutine reads the head
	written time.Time        // of the last write that was carried out
}

// validPrefix matches a valid Prefix.
var validPrefix = regexp.MustCompile(`^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$`)

// maxPrefix is the maximum length of a Prefix in bytes.
const maxPrefix = 200

// Open opens a store in a bucket, which must exist. It checks that the server carries out conditional writes, with
// objects under PREFIX/_probe that it removes, and creates PREFIX/_head if it is missing. If opts is nil, the defaults
// are used. ctx bounds Open only. The error is [store.ErrFormat] if the objects have a layout that is newer than this
// package knows.
//
// The caller must call Close.
func Open(ctx context.Context, client Client, bucketName string, opts *Options) (*Store, error) {
	if opts == nil {
		opts = &Options{}
	}
	s := &Store{opts: *opts, feeds: map[string]*feed{}, awake: make(chan struct{}, 1)}
	s.opts.Timeout = cmp.Or(opts.Timeout, defaultTimeout)
	s.opts.PollInterval = cmp.Or(max(opts.PollInterval, 0), defaultPollInterval)
	s.opts.CheckInterval = cmp.Or(opts.CheckInterval, defaultCheckInterval)
	s.opts.Logger = cmp.Or(opts.Logger, slog.New(slog.DiscardHandler))
	if opts.Unannounced == nil {
		s.opts.Unannounced = defaultUnannounced
	}
	s.bucket = bucket{client: client, name: bucketName, timeout: s.opts.Timeout}
	if opts.Prefix != "" {
		if !validPrefix.MatchString(opts.Prefix) || len(opts.Prefix) > maxPrefix || dotted(opts.Prefix) {
			return nil, fmt.Errorf("s3store: the prefix %q does not consist of up to %d letters, digits, '-', '_', '.'"+
				" and '/', or has a part that is empty, '.' or '..'", opts.Prefix, maxPrefix)
		}
		s.prefix = opts.Prefix + "/"
	}
	if err := s.probe(ctx); err != nil {
		return nil, err
	}
	if err := s.openHead(ctx); err != nil {
		return nil, err
	}
	s.closing, s.close = context.WithCancel(context.Background())
	return s, nil
}

// dotted reports whether a part of a path is "." or "..", which not every server accepts in the name of an object.
func dotted(path string) bool {
	return slices.ContainsFunc(strings.Split(path, "/"), func(part string) bool { return part == "." || part == ".." })
}

// Close waits for calls in progress and ends the watches and the background work. Later calls fail with fs.ErrClosed.
// Closing a closed store does nothing.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.calls.Wait()
	s.close()
	s.work.Wait()
	return nil
}

var errClosed = fmt.Errorf("s3store: %w", fs.ErrClosed)

// begin begins a call. If there is no error, the caller must call s.calls.Done.
func (s *Store) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	s.calls.Add(1)
	return nil
}

// beginChange begins a call that changes a record. If there is no error, the caller must call s.calls.Done.
func (s *Store) beginChange(ctx context.Context, key store.Key) error {
	if err := key.Check(); err != nil {
		return err
	}
	if err := s.begin(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refused != nil {
		s.calls.Done()
	}
	return s.refused
}

// objectName returns the name of the object of a record.
func (s *Store) objectName(key store.Key) string { return s.prefix + key.Kind + "/" + escape(key.ID) }
