package community_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth/community"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// A farStore is the store as another server sees it. It counts the reads of contributors and can fail.
type farStore struct {
	*memstore.Store
	gets atomic.Int64
	down atomic.Bool
}

func (f *farStore) Get(ctx context.Context, k store.Key) (store.Record, error) {
	if k.Kind == "contributors" {
		f.gets.Add(1)
	}
	if f.down.Load() {
		return store.Record{}, errors.New("the connection is cut")
	}
	return f.Store.Get(ctx, k)
}

// far opens a Service of another server.
func (s *service) far(t *testing.T) (*community.Service, *farStore) {
	t.Helper()
	over := &farStore{Store: s.store.(*memstore.Store)}
	return s.secondServer(t, over), over
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after 10 s, not true: %s", what)
		}
	}
}

// A link that one server has mailed is opened at another one, and the contributor is known to both at once.
func TestLinkOfAnotherServer(t *testing.T) {
	s := newService(t, community.Options{MailsPerHour: -1, Site: site})
	other, over := s.far(t)
	if err := s.Register(t.Context(), "MacMan", "mac@example.com"); err != nil {
		t.Fatal(err)
	}
	id, code := s.mailbag.link(t, "mac@example.com")
	over.down.Store(true)
	if _, err := other.Verify(t.Context(), id, code); !errors.Is(err, catalog.ErrUnavailable) {
		t.Errorf("Verify without the store: %v, want ErrUnavailable", err)
	}
	over.down.Store(false)
	if c, err := other.Verify(t.Context(), id, code); err != nil || c.Name != "MacMan" {
		t.Fatalf("Verify: %+v, %v", c, err)
	}
	s.checkStored(t, s.mailbag.lastToken(t, "mac@example.com"))
	if c, ok := s.Contributor("macman"); !ok || c.Name != "MacMan" {
		t.Errorf("the contributor at the first server: %+v, %v", c, ok)
	}
	if _, err := s.Verify(t.Context(), id, code); !errors.Is(err, community.ErrCode) {
		t.Errorf("Verify again at the first server: %v, want ErrCode", err)
	}
}

// A contributor whom one server has confirmed publishes at another one at once, and no author takes the name there.
func TestContributorOfAnotherServer(t *testing.T) {
	s := newService(t, community.Options{MailsPerHour: -1, Site: site})
	other, _ := s.far(t)
	s.register(t, "MacMan", "mac@example.com")
	p := publication("macman", "someone@example.com")
	if _, err := other.Publish(t.Context(), p); !errors.Is(err, patch.ErrAuthor) {
		t.Errorf("Publish under the name: %v, want ErrAuthor", err)
	}
	another, _ := s.far(t)
	s.register(t, "Late", "late@example.com")
	res, err := another.Create(t.Context(), "late", definition("App"), nil)
	if err != nil || res.Title.Contributor != "late" {
		t.Errorf("Create: %+v, %v", res.Title, err)
	}
	if err := another.Register(t.Context(), "late", "x@example.com"); !errors.Is(err, community.ErrNameTaken) {
		t.Errorf("Register of the name: %v, want ErrNameTaken", err)
	}
}

// Follow makes the contributors of other servers known, and forgets those that are released.
func TestFollowContributors(t *testing.T) {
	s := newService(t, community.Options{MailsPerHour: -1, Site: site})
	other, _ := s.far(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		other.Follow(ctx)
	}()
	defer func() {
		cancel()
		<-ended
	}()
	key := store.Key{Kind: "contributors", ID: "broken"}
	if _, err := s.store.Put(t.Context(), key, []byte(`{`), store.Condition{}); err != nil {
		t.Fatal(err)
	}
	// The changes before the confirmation of a contributor are known when the contributor is.
	confirm := func(name string, n int) {
		s.register(t, name, name+"@example.com")
		eventually(t, name+" is listed", func() bool { return len(other.Contributors()) == n })
	}
	confirm("ann", 1)
	if err := s.Register(t.Context(), "Bob", "bob@example.com"); err != nil {
		t.Fatal(err)
	}
	confirm("cid", 2)
	if err := other.Register(ctx, "b-o-b", "x@example.com"); !errors.Is(err, community.ErrNameTaken) {
		t.Errorf("Register of a name like a pending one: %v, want ErrNameTaken", err)
	}
	if err := s.Release(t.Context(), "bob"); err != nil {
		t.Fatal(err)
	}
	confirm("dan", 3)
	if err := other.Register(ctx, "b-o-b", "x@example.com"); err != nil {
		t.Errorf("Register of a name like a released one: %v", err)
	}
}

// Of two names that look alike, registered at two servers at the same moment, one is confirmed.
func TestLookalikesOfTwoServers(t *testing.T) {
	s := newService(t, community.Options{MailsPerHour: -1, Site: site})
	other, _ := s.far(t)
	if err := s.Register(t.Context(), "mac-man", "one@example.com"); err != nil {
		t.Fatal(err)
	}
	if err := other.Register(t.Context(), "macman", "two@example.com"); err != nil {
		t.Fatal(err)
	}
	id, code := s.mailbag.link(t, "one@example.com")
	if _, err := s.Verify(t.Context(), id, code); err != nil {
		t.Fatal(err)
	}
	id, code = linkTo(t, s, "two@example.com")
	if _, err := other.Verify(t.Context(), id, code); !errors.Is(err, community.ErrNameTaken) {
		t.Errorf("Verify of the name that looks like it: %v, want ErrNameTaken", err)
	}
}

// linkTo returns the link that a Service without a site has mailed.
func linkTo(t *testing.T, s *service, to string) (id, code string) {
	t.Helper()
	s.mailbag.mu.Lock()
	for i, m := range s.mailbag.mails {
		if m.To == to {
			s.mailbag.mails[i].Text = strings.ReplaceAll(m.Text, " /api", " "+site+"/api")
		}
	}
	s.mailbag.mu.Unlock()
	return s.mailbag.link(t, to)
}

// Unknown contributors are looked up ten times a second at most, and never if the store has one server.
func TestContributorLookUpsAreLimited(t *testing.T) {
	s := newService(t, community.Options{})
	other, over := s.far(t)
	for range 100 {
		if _, ok := other.Contributor("nobody"); ok {
			t.Fatal("an unknown contributor was found")
		}
		other.Contributor("no/name")
	}
	if n := over.gets.Load(); n < 10 || n > 20 {
		t.Errorf("100 unknown contributors were looked up %d times, want 10", n)
	}
	over.down.Store(true)
	over.gets.Store(0)
	alone := s.secondServer(t, struct{ store.Store }{over})
	if _, ok := alone.Contributor("nobody"); ok || over.gets.Load() != 0 {
		t.Errorf("%d records were read, want 0", over.gets.Load())
	}
}
