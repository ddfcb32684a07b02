package patchsync_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
	patchsync "github.com/patchsource/patchsource/sync"
)

// A law is a title whose feed, servers and people do anything at any time, and what the test knows of them.
type law struct {
	t       *testing.T
	rng     *rand.Rand
	w       *world
	disk    store.Store
	servers []*lawServer
	watch   recipe.Watch
	uid     string

	latest   bool            // the feed lists its newest release alone
	number   int             // of the newest release
	releases []string        // that the vendor has not withdrawn, the oldest first
	ever     map[string]bool // versions that the feed has listed
	excused  map[string]bool // versions that need not be in the title, because the vendor withdrew them
	checked  map[string]bool // newer versions that a check has read
	rejected map[string]uint64
}

// A lawServer is a server that can be killed at any write.
type lawServer struct {
	*server
	store *fragile
	stop  func()
}

// Whatever happens in whatever order, a version that a person removed or rejected never comes back; a watch adds only
// versions that its feed listed and that are newer than all others; no version is in the title twice; and every release
// that a check has read is in the title in the end, unless the vendor or a person decided otherwise.
func TestWatchLaws(t *testing.T) {
	seeds := uint64(16)
	if testing.Short() {
		seeds = 4
	}
	for seed := range seeds {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLaw(t, seed)
				defer l.stop()
				for range 150 {
					l.step()
				}
				l.quiet()
				l.verify()
			})
		})
	}
}

// newLaw returns a law whose kind of feed, policy and number of servers depend on the seed.
func newLaw(t *testing.T, seed uint64) *law {
	l := &law{
		t:        t,
		rng:      rand.New(rand.NewPCG(seed, 1)),
		w:        newWorld(t),
		disk:     alone{memstore.New()},
		watch:    lineWatch(feedURL),
		latest:   seed&1 != 0,
		releases: []string{"1.0.0"},
		ever:     map[string]bool{},
		excused:  map[string]bool{},
		checked:  map[string]bool{},
		rejected: map[string]uint64{},
	}
	l.watch.Policy.Interval = recipe.Duration(10 * time.Minute)
	if seed&2 != 0 {
		l.watch.Policy.Hold = recipe.Duration(time.Hour)
	}
	servers := 1
	if seed&4 != 0 {
		l.disk, servers = memstore.New(), 2
	}
	if seed&8 != 0 {
		l.watch.Policy.Mode = recipe.Propose
	}
	l.publish()
	for range servers {
		s := &lawServer{}
		l.open(s)
		l.servers = append(l.servers, s)
	}
	l.uid = l.servers[0].watch("App", l.watch, "1.0.0").UID
	synctest.Wait() // the other server sees the title
	return l
}

// open makes the Runner of a server anew.
func (l *law) open(s *lawServer) {
	s.store = &fragile{Store: l.disk, after: l.rng.IntN(2) == 0}
	c, err := catalog.Open(l.t.Context(), s.store, &catalog.Options{History: 2000})
	if err != nil {
		l.t.Fatal(err)
	}
	opts := withLines(patchsync.Options{Transport: l.w})
	r, err := patchsync.New(c, s.store, &opts)
	if err != nil {
		l.t.Fatal(err)
	}
	s.server = &server{l.t, c, r}
	s.stop = run(l.t, s.server)
}

// stop stops all servers.
func (l *law) stop() {
	for _, s := range l.servers {
		s.stop()
	}
}

// publish makes the feed list the releases.
func (l *law) publish() {
	listed := slices.Clone(l.releases)
	if l.latest {
		listed = listed[len(listed)-1:]
	}
	for _, v := range listed {
		l.ever[v] = true
	}
	l.w.lines(feedURL, listed...)
}

// step does one thing, and checks what must be true at every time.
func (l *law) step() {
	steps := []struct {
		weight int
		do     func()
	}{
		{10, l.release},
		{1, l.withdraw},
		{1, l.breakFeed},
		{12, func() { l.check(l.any()) }},
		{5, l.kill},
		{4, l.addByHand},
		{5, l.remove},
		{4, func() { l.decide(l.any()) }},
		{4, l.atOnce},
		{1, l.changeWatch},
		{6, func() { time.Sleep(time.Duration(l.rng.IntN(40)) * time.Minute) }},
	}
	total := 0
	for _, s := range steps {
		total += s.weight
	}
	n := l.rng.IntN(total)
	for _, s := range steps {
		if n -= s.weight; n < 0 {
			s.do()
			break
		}
	}
	if l.rng.IntN(3) > 0 { // sometimes, the servers do not know of each other's changes yet
		synctest.Wait()
	}
	recordOf(l.t, l.disk, l.uid)
}

// any returns a random server.
func (l *law) any() *lawServer { return l.servers[l.rng.IntN(len(l.servers))] }

// release makes the vendor publish a release, sometimes in another form.
func (l *law) release() {
	l.number++
	v := fmt.Sprintf("1.%d.0", l.number)
	if l.rng.IntN(10) == 0 {
		v = fmt.Sprintf("1.%d", l.number)
	}
	l.releases = append(l.releases, v)
	l.publish()
}

// withdraw makes the vendor withdraw a release.
func (l *law) withdraw() {
	i := len(l.releases) - 1 - l.rng.IntN(min(3, len(l.releases)))
	if i > 0 {
		l.excused[l.releases[i]] = true
		l.releases = slices.Delete(l.releases, i, i+1)
	}
	l.publish()
}

// breakFeed makes the feed fail until it is published again.
func (l *law) breakFeed() { l.w.put(feedURL, page{status: 500}) }

// check checks the title, and notes which releases the check has read that are newer than the title's versions.
func (l *law) check(s *lawServer) {
	newest := l.load().Patches[0].Version
	listed := slices.Clone(l.releases)
	if l.latest {
		listed = listed[len(listed)-1:]
	}
	c, err := s.sync.Watches().Check(l.t.Context(), "App", "", false)
	switch {
	case err == nil && c.Err == nil:
		for _, v := range listed {
			if patch.CompareVersions(v, newest) > 0 {
				l.checked[v] = true
			}
		}
	case err != nil && !errors.Is(err, catalog.ErrUnavailable):
		l.t.Errorf("the check returns %v", err)
	}
}

// kill kills a server at a write of a check or of a decision, and starts it again.
func (l *law) kill() {
	s := l.any()
	s.store.dies.Store(s.store.writes.Load() + 1 + l.rng.Int32N(4))
	if l.rng.IntN(4) == 0 {
		for p := range s.sync.Watches().Proposals() {
			_, _ = s.sync.Watches().Approve(l.t.Context(), p.ID, "person")
			break
		}
	} else {
		_, _ = s.sync.Watches().Check(l.t.Context(), "App", "", false)
	}
	time.Sleep(time.Duration(l.rng.IntN(60)) * time.Second)
	s.stop()
	l.open(s)
}

// load returns the definition of the title.
func (l *law) load() *patch.Definition {
	def, _, err := l.any().catalog.Load(l.t.Context(), "App")
	if err != nil {
		l.t.Fatal(err)
	}
	return def
}

// addByHand makes a person add a version that the feed lists or has listed.
func (l *law) addByHand() {
	i := len(l.releases) - 1 - l.rng.IntN(min(3, len(l.releases)))
	def := application(l.t, "App", l.releases[i], "0.1.0")
	s := l.any()
	_, err := s.catalog.AddVersions(l.t.Context(), "App", patch.Ordered(), def.Patches[:1],
		&catalog.EditOptions{By: "person"})
	if err != nil && !errors.Is(err, patch.ErrVersionExists) && !errors.Is(err, patch.ErrInvalid) {
		l.t.Errorf("a version cannot be added: %v", err)
	}
}

// remove makes a person remove one of the newest versions.
func (l *law) remove() {
	def := l.load()
	if len(def.Patches) < 2 {
		return
	}
	v := def.Patches[l.rng.IntN(min(2, len(def.Patches)))].Version
	_, err := l.any().catalog.RemoveVersion(l.t.Context(), "App", v, &catalog.EditOptions{By: "person"})
	if err != nil && !errors.Is(err, patch.ErrVersionNotFound) && !errors.Is(err, patch.ErrLastVersion) {
		l.t.Errorf("%s cannot be removed: %v", v, err)
	}
}

// decide makes a person approve or reject the proposal.
func (l *law) decide(s *lawServer) {
	for p := range s.sync.Watches().Proposals() {
		var err error
		if l.rng.IntN(3) > 0 {
			_, err = s.sync.Watches().Approve(l.t.Context(), p.ID, "person")
		} else if err = s.sync.Watches().Reject(l.t.Context(), p.ID, "person"); err == nil {
			l.reject(s, p)
		}
		if err != nil && !errors.Is(err, patchsync.ErrNoProposal) {
			l.t.Errorf("the decision about %v returns %v", p.Patches, err)
		}
		return
	}
}

// reject notes that the versions of a proposal were rejected.
func (l *law) reject(s *lawServer, p recipe.Proposal) {
	history, err := s.catalog.History(l.t.Context(), "App")
	if err != nil {
		l.t.Fatal(err)
	}
	for _, q := range p.Patches {
		l.rejected[q.Version] = history[0].Number
	}
}

// atOnce does several things at the same time.
func (l *law) atOnce() {
	checked, s := l.any(), l.any()
	var all sync.WaitGroup
	all.Go(func() { _, _ = checked.sync.Watches().Check(l.t.Context(), "App", "", false) })
	all.Go(func() { _, _ = s.sync.Watches().Check(l.t.Context(), "App", "", false) })
	do := []func(){l.remove, l.addByHand, func() { l.decide(l.any()) }, l.changeWatch}
	do[l.rng.IntN(len(do))]()
	all.Wait()
}

// changeWatch makes a person end the watch and set it again, or just set it again.
func (l *law) changeWatch() {
	watches := l.any().sync.Watches()
	if l.rng.IntN(2) == 0 {
		if err := watches.End(l.t.Context(), "App", ""); err != nil {
			l.t.Errorf("the watch cannot be ended: %v", err)
		}
		clear(l.checked) // what waited for its time or for a person is forgotten with the watch
	}
	if err := watches.Set(l.t.Context(), "App", l.watch, patchsync.WatchOptions{}); err != nil {
		l.t.Errorf("the watch cannot be set: %v", err)
	}
}

// quiet lets the feed work and the servers run until nothing changes any more, and approves what waits.
func (l *law) quiet() {
	l.publish()
	s := l.any()
	for range 3 {
		time.Sleep(3 * time.Hour)
		l.check(s)
		synctest.Wait()
		for p := range s.sync.Watches().Proposals() {
			l.verifyProposal(p)
			if _, err := s.sync.Watches().Approve(l.t.Context(), p.ID, "person"); err != nil {
				l.t.Errorf("the proposal cannot be approved: %v", err)
			}
		}
	}
	expect(l.t, "proposals after all were approved", s.proposals(), "")
	expect(l.t, "failures", s.watchState("App").Failures, 0)
	if rec := recordOf(l.t, l.disk, l.uid); rec.Adder != "" || len(rec.Held) > 0 {
		l.t.Errorf("the record is %+v, want one at rest", rec)
	}
}
