package httpapi_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"sync"
	"testing"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/auth/community"
	"github.com/patchsource/patchsource/auth/mail"
	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/httpapi/internal/services"
	"github.com/patchsource/patchsource/store/memstore"
	patchsync "github.com/patchsource/patchsource/sync"
)

// A mailbox is a mailer that keeps its messages.
type mailbox struct {
	mu       sync.Mutex
	messages []mail.Message
	fail     error
}

func (b *mailbox) Send(_ context.Context, m mail.Message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		return b.fail
	}
	b.messages = append(b.messages, m)
	return nil
}

// last returns the last message.
func (b *mailbox) last(t *testing.T) mail.Message {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.messages) == 0 {
		t.Fatal("no mail was sent")
	}
	return b.messages[len(b.messages)-1]
}

var (
	tokenPattern = regexp.MustCompile(`pst_[A-Z2-7]{59}`)
	linkPattern  = regexp.MustCompile(`https://patches.example.com(/\S+)`)
)

// tokenIn returns the token in a mail.
func tokenIn(m mail.Message) string { return tokenPattern.FindString(m.Text) }

// linkIn returns the path of the link in a mail.
func linkIn(t *testing.T, m mail.Message) string {
	t.Helper()
	match := linkPattern.FindStringSubmatch(m.Text)
	if match == nil {
		t.Fatalf("the mail has no link: %s", m.Text)
	}
	return match[1]
}

// A public is a bench with a community and with upstreams.
type public struct {
	*bench
	box       *mailbox
	community *community.Service
	sync      *patchsync.Runner
	outside   *outside
}

// An outside is the network beyond the server. Its pages are texts or statuses, by their URLs.
type outside struct{ pages sync.Map }

// RoundTrip implements http.RoundTripper.
func (o *outside) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	switch page, _ := o.pages.Load(r.URL.String()); page := page.(type) {
	case string:
		_, _ = io.WriteString(w, page)
	case int:
		w.WriteHeader(page)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
	res := w.Result()
	res.Request = r
	return res, nil
}

// newPublic returns a public whose upstreams are the pages of its outside.
func newPublic(t *testing.T, opts httpapi.Options) *public {
	t.Helper()
	out := &outside{}
	p := newPublicOver(t, out, opts)
	p.outside = out
	return p
}

// newPublicOver returns a public that reaches its upstreams by a transport.
func newPublicOver(t *testing.T, transport http.RoundTripper, opts httpapi.Options) *public {
	t.Helper()
	s := memstore.New()
	p := &public{bench: newBench(t, s), box: &mailbox{}}
	secret, err := auth.NewSecret(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	p.sync, err = patchsync.New(p.catalog, s, &patchsync.Options{
		Transport: transport,
		Mirrors: []patchsync.Mirror{
			{Name: "mirror", Source: patchsync.PatchSource("https://mirror.example", nil)},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	p.community, err = community.Open(t.Context(), community.Parts{
		Store:   s,
		Catalog: p.catalog,
		Tokens:  p.auth,
		Mailer:  p.box,
		Secret:  secret,
		Fetcher: p.sync.Fetcher(),
	}, &community.Options{Site: "https://patches.example.com", MailsPerHour: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.community.Close() })
	opts.Tokens = p.auth
	opts.Community = services.Community(p.community)
	opts.Sync = services.Sync(p.sync)
	opts.Site = "https://patches.example.com/"
	p.handler = newHandler(t, p.catalog, &opts)
	return p
}

// publication returns the body of a request to publish a title.
func publication(author, address, id string) string {
	return fmt.Sprintf(`{"author_name":%q,"author_email":%q,"definition":%s}`, author, address, definition(id, "1"))
}
