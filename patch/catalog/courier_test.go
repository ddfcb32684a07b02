package catalog_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
)

// A courier keeps the notices that it takes.
type courier struct {
	mu          sync.Mutex
	notices     []catalog.Notice
	fail        bool
	definitions bool
}

func (c *courier) Wants(id string, _ catalog.EventKind) (bool, bool) {
	return id != "Quiet", c.definitions
}

func (c *courier) Take(_ context.Context, n catalog.Notice) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fail {
		return errors.New("not now")
	}
	c.notices = append(c.notices, n)
	return nil
}

func (c *courier) setFail(fail bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fail = fail
}

func (c *courier) all() []catalog.Notice {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.notices)
}

// A courier takes a notice of every change that it wants, with the definition, and then the record does not carry it.
func TestCourierTakesEverything(t *testing.T) {
	ctx := t.Context()
	s, taken := memstore.New(), &courier{definitions: true}
	cat := open(t, s, &catalog.Options{Couriers: []catalog.Courier{taken}})
	create(t, cat, "App", "1")
	create(t, cat, "Quiet", "1")
	if _, err := cat.AddVersions(ctx, "App", patch.Position{}, []patch.Patch{version("2")}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := cat.Replace(ctx, "App", definition("App", "2", "1"), nil); err != nil { // nothing new
		t.Fatal(err)
	}
	r, err := cat.Reserve(ctx, definition("Reserved", "1"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Publish(ctx); err != nil {
		t.Fatal(err)
	}
	etag, changed := cat.Software().ETag(), cat.Changed()
	eventually(t, func() bool { return len(taken.all()) == 3 })
	eventually(t, func() bool {
		for rec := range s.List(ctx, "titles") {
			if strings.Contains(string(rec.Value), "undelivered") {
				return false
			}
		}
		return true
	})
	if cat.Software().ETag() != etag || !cat.Changed().Equal(changed) {
		t.Error("readers can see that the courier has taken a notice")
	}
	if err := cat.Delete(ctx, "App", nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return len(taken.all()) == 4 })
	eventually(t, func() bool { return records(t, s, "titles") == 2 && records(t, s, "history") == 0 })
	var got []string
	ids := map[string]bool{}
	for _, n := range taken.all() {
		if n.Title.ID == "App" {
			var d patch.Definition
			if err := json.Unmarshal(n.Definition, &d); err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprint(n.Kind, " ", n.Title.CurrentVersion, " ", len(d.Patches), " ", len(n.Changes)))
		}
		ids[n.ID] = true
	}
	if want := []string{"created 1 1 0", "updated 2 2 1", "deleted 2 2 0"}; !slices.Equal(got, want) || len(ids) != 4 {
		t.Errorf("the notices are %q, with %d ids; want %q, 4 ids", got, len(ids), want)
	}
}

// Notices that a courier could not take are delivered later, in order, also by a later process. The record of a deleted
// title stays until then, and readers do not see the title.
func TestCourierTakesLater(t *testing.T) {
	ctx := t.Context()
	s, down := unwatched{memstore.New()}, &courier{fail: true}
	cat := open(t, s, &catalog.Options{Couriers: []catalog.Courier{down}})
	create(t, cat, "App", "1")
	for v := 2; v < 6; v++ {
		add(t, cat, "App", fmt.Sprint(v))
	}
	if err := cat.Delete(ctx, "App", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := cat.Title("App"); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("the deleted title: error %v, want ErrNotFound", err)
	}
	create(t, cat, "App", "9") // in its place
	if err := cat.Delete(ctx, "App", nil); err != nil {
		t.Fatal(err)
	}
	_ = cat.Close()
	if len(down.all()) != 0 || records(t, s, "titles") != 1 {
		t.Fatalf("%d notices were taken, and there are %d records", len(down.all()), records(t, s, "titles"))
	}
	taken := &courier{}
	cat = open(t, s, &catalog.Options{Couriers: []catalog.Courier{taken}})
	eventually(t, func() bool { return len(taken.all()) == 8 })
	var got []string
	for _, n := range taken.all() {
		got = append(got, string(n.Kind)+n.Title.CurrentVersion)
	}
	if strings.Join(got, " ") != "created1 updated2 updated3 updated4 updated5 deleted5 created9 deleted9" {
		t.Errorf("the notices are %v", got)
	}
	eventually(t, func() bool { return records(t, s, "titles") == 0 && records(t, s, "history") == 0 })
	if cat.Len() != 0 {
		t.Error("readers see the deleted title")
	}
}

// A courier that fails does not keep another from its notices. A notice that it has not taken stays in the title's
// record, also for a later process.
func TestSeveralCouriers(t *testing.T) {
	ctx := t.Context()
	s := unwatched{memstore.New()}
	up, down := &courier{}, &courier{fail: true, definitions: true}
	kinds := func(c *courier) (all string) {
		for _, n := range c.all() {
			all += string(n.Kind) + n.Title.CurrentVersion + " "
		}
		return all
	}
	cat := open(t, s, &catalog.Options{Couriers: []catalog.Courier{up, down}})
	create(t, cat, "App", "1")
	for _, v := range []string{"2", "3"} {
		add(t, cat, "App", v)
	}
	const three = "created1 updated2 updated3 "
	eventually(t, func() bool { return kinds(up) == three })
	down.setFail(false)
	eventually(t, func() bool { return kinds(down) == three })
	add(t, cat, "App", "4")
	const four = three + "updated4 "
	eventually(t, func() bool { return kinds(up) == four && kinds(down) == four })
	if up.all()[3].ID != down.all()[3].ID || up.all()[3].Definition == nil {
		t.Error("the couriers have different notices")
	}
	down.setFail(true)
	if err := cat.Delete(ctx, "App", nil); err != nil {
		t.Fatal(err)
	}
	create(t, cat, "App", "9")
	eventually(t, func() bool { return kinds(up) == four+"deleted4 created9 " })
	if got := kinds(down); got != four {
		t.Errorf("the courier that fails has %s, want %s", got, four)
	}
	_ = cat.Close()

	// The next process delivers to both couriers the notices that one of them has not taken.
	up, down = &courier{}, &courier{}
	_ = open(t, s, &catalog.Options{Couriers: []catalog.Courier{up, down}})
	eventually(t, func() bool { return kinds(down) == "deleted4 created9 " })
	eventually(t, func() bool { return kinds(up) == "deleted4 created9 " })
	if _, err := catalog.Open(ctx, s, &catalog.Options{Couriers: []catalog.Courier{up, nil}}); err == nil {
		t.Error("Open accepts a courier that is nil")
	}
}

// A keeper is a courier that wants all definitions.
type keeper struct {
	mu   sync.Mutex
	got  []catalog.Notice
	more chan struct{}
}

func (k *keeper) Wants(string, catalog.EventKind) (notice, definition bool) { return true, true }

func (k *keeper) Take(_ context.Context, n catalog.Notice) error {
	k.mu.Lock()
	k.got = append(k.got, n)
	k.mu.Unlock()
	k.more <- struct{}{}
	return nil
}

// A notice contains a small definition. A large one would double the size of the record.
func TestNoticesCarrySmallDefinitions(t *testing.T) {
	k := &keeper{more: make(chan struct{}, 2)}
	cat, err := catalog.Open(t.Context(), memstore.New(), &catalog.Options{Couriers: []catalog.Courier{k}})
	if err != nil {
		t.Fatal(err)
	}
	defer cat.Close()
	large := definition("Large", "1")
	for i := range 200 {
		large.ExtensionAttributes = append(large.ExtensionAttributes, patch.ExtensionAttribute{
			Key: strings.Repeat("k", i+1), Value: strings.Repeat("eHh4", 100), DisplayName: "x"})
	}
	for _, d := range []*patch.Definition{definition("Small", "1"), large} {
		if _, err := cat.Create(t.Context(), d, nil); err != nil {
			t.Fatal(err)
		}
	}
	<-k.more
	<-k.more
	for _, n := range k.got {
		if got := n.Definition != nil; got != (n.Title.ID == "Small") {
			t.Errorf("the notice of %s has a definition of %d bytes", n.Title.ID, len(n.Definition))
		}
	}
}

// A notice describes a bounded number of changes.
func TestNoticesAreBounded(t *testing.T) {
	taken := &courier{}
	cat := open(t, memstore.New(), &catalog.Options{Couriers: []catalog.Courier{taken}})
	many := make([]string, 300)
	for i := range many {
		many[i] = strconv.Itoa(300 - i)
	}
	create(t, cat, "App", "0")
	if _, err := cat.Replace(t.Context(), "App", definition("App", many...), nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return len(taken.all()) == 2 })
	changes := taken.all()[1].Changes
	if len(changes) != 101 || changes[100] != fmt.Sprint("and ", 301-100, " more changes") {
		t.Errorf("%d changes, the last of them %q", len(changes), changes[len(changes)-1])
	}
}

// A pausingCourier is a courier that receives from resume before it takes the notice of a deletion.
type pausingCourier struct {
	courier
	paused, resume chan struct{}
}

func (p *pausingCourier) Take(ctx context.Context, n catalog.Notice) error {
	if n.Kind == catalog.Deleted {
		p.paused <- struct{}{}
		<-p.resume
	}
	return p.courier.Take(ctx, n)
}

// A leader that was suspended does not take the notice of a new title for that of an earlier title with the same id and
// number, which the next leader has delivered as well.
func TestCourierOfAnEarlierTitle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := memstore.New()
		stopped := &mortal{Store: shared}
		slow := &pausingCourier{paused: make(chan struct{}), resume: make(chan struct{})}
		a := open(t, stopped, withCourier(slow))
		create(t, a, "App", "1")
		synctest.Wait()
		if err := a.Delete(t.Context(), "App", nil); err != nil {
			t.Fatal(err)
		}
		<-slow.paused
		stopped.dead.Store(true)
		other := &courier{}
		b := open(t, shared, withCourier(other))
		time.Sleep(time.Minute) // until b leads
		if n := records(t, shared, "titles"); len(other.all()) != 1 || n != 0 {
			t.Fatalf("%d notices were taken, %d records are left; want 1 and none", len(other.all()), n)
		}
		other.setFail(true)
		create(t, b, "App", "1")
		add(t, b, "App", "2")
		stopped.dead.Store(false)
		slow.resume <- struct{}{}
		time.Sleep(time.Minute)
		other.setFail(false)
		time.Sleep(time.Minute)
		const want = "[created1 deleted1] [deleted1 created1 updated2]"
		if got := fmt.Sprint(slow.said("App"), other.said("App")); got != want {
			t.Errorf("the notices are %s, want %s", got, want)
		}
	})
}
