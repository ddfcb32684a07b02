package trace

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
)

// IDHeader is the header of a request and of its answer that holds the id by which its lines in the log are found.
const IDHeader = "X-Request-Id"

// idKey is the key of a request's id in its context.
type idKey struct{}

// ID returns the id of a request: the one that [WithID] has set, the one that the request came with if it is valid and
// no token, or a new one.
func ID(r *http.Request) string {
	if id, ok := givenID(r); ok {
		return id
	}
	return rand.Text()[:idLength]
}

// givenID returns the id that a request has already.
func givenID(r *http.Request) (string, bool) {
	if id, ok := r.Context().Value(idKey{}).(string); ok {
		return id, true
	}
	if ids := r.Header[IDHeader]; len(ids) > 0 && validID(ids[0]) {
		return ids[0], true
	}
	return "", false
}

// maxID is the maximum length of an id that a request comes with.
const maxID = 128

// validID reports whether an id of a client is kept: it has 1 to 128 letters, digits, dots, underscores and hyphens,
// and is no token.
func validID(id string) bool {
	if id == "" || len(id) > maxID {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return !strings.Contains(id, tokenPrefix) || !token.MatchString(id)
}

// WithID returns a context with the id of a request.
func WithID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, idKey{}, id)
}

const (
	// idLength is the length of a new id. Each of its digits has 5 bits.
	idLength = 12
	idDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	// idBlock is the number of ids that are made at once.
	idBlock = 32
)

// An IDs makes the ids of requests: the numbers that follow a random one. It is safe for concurrent use.
type IDs struct {
	last  atomic.Uint64
	block atomic.Pointer[block] // the ids that were made last
}

// A block is the ids of idBlock numbers, one after the other.
type block struct {
	first uint64
	ids   string
}

// NewIDs returns an IDs.
func NewIDs() *IDs {
	var start [8]byte
	_, _ = rand.Read(start[:]) // it never fails
	s := &IDs{}
	s.last.Store(binary.LittleEndian.Uint64(start[:]))
	s.block.Store(newBlock(s.last.Load()))
	return s
}

// Next returns a new id.
func (s *IDs) Next() string {
	n := s.last.Add(1)
	b := s.block.Load()
	if n/idBlock != b.first/idBlock {
		// Several callers may make the same block at the same time.
		b = newBlock(n)
		s.block.Store(b)
	}
	at := int(n%idBlock) * idLength
	return b.ids[at : at+idLength]
}

// newBlock returns the block of a number.
func newBlock(n uint64) *block {
	first := n - n%idBlock
	var ids [idBlock * idLength]byte
	for i := range idBlock {
		rest := first + uint64(i)
		for at := (i+1)*idLength - 1; at >= i*idLength; at-- {
			ids[at] = idDigits[rest%uint64(len(idDigits))]
			rest /= uint64(len(idDigits))
		}
	}
	return &block{first, string(ids[:])}
}

// Logger returns a logger that adds the id of the request in whose context a line is logged. If log is nil, it discards
// everything.
func Logger(log *slog.Logger) *slog.Logger {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return slog.New(handler{log.Handler()})
}

// A handler adds the id of the request.
type handler struct{ slog.Handler }

// Handle implements slog.Handler.
func (h handler) Handle(ctx context.Context, line slog.Record) error {
	if id, ok := ctx.Value(idKey{}).(string); ok {
		line.AddAttrs(slog.String("request_id", id))
	}
	return h.Handler.Handle(ctx, line)
}

// WithAttrs implements slog.Handler.
func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h handler) WithGroup(name string) slog.Handler { return handler{h.Handler.WithGroup(name)} }
