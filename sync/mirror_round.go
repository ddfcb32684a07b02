package patchsync

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/patchsource/patchsource/patch/catalog"
)

// fetchersOfMirror is how many titles of one source are fetched at once; how many
// requests a host gets is for the client to say.
const fetchersOfMirror = 8

// progressInterval is how often a round that takes long says how far it is.
const progressInterval = 10 * time.Second

// A mirroring is a round of a mirror.
type mirroring struct {
	*job
	mu      sync.Mutex
	state   *state
	out     outcome
	claimed map[string]string // by title's id here in lower case: which item it is of
	before  map[string]bool   // the items that were known before the round
}

// mirrorRound takes what a whole source lists.
func (r *Runner) mirrorRound(ctx context.Context, j *job, s *state, l *Listing, out outcome) (outcome, error) {
	m := &mirroring{job: j, state: s, out: out, claimed: map[string]string{}, before: map[string]bool{}}
	if s.Items == nil {
		s.Items = map[string]item{}
	}
	listed := map[string]bool{}
	for _, it := range l.Items {
		if j.mirror.wants(it.ID) {
			listed[it.ID] = true
		}
	}
	s.recase(listed)
	for id := range s.Items {
		m.before[id] = true
	}
	seen := map[string]bool{}
	var due []Item
	for _, it := range l.Items {
		if !listed[it.ID] || seen[it.ID] {
			continue
		}
		seen[it.ID] = true
		was := s.Items[it.ID]
		if was.Title != "" {
			m.claimed[strings.ToLower(was.Title)] = it.ID
		}
		if r.isDue(j, it, was) {
			due = append(due, it)
		} else if was.Gone {
			was.Gone = false
			s.Items[it.ID] = was
		}
	}
	if err := r.takeAll(ctx, m, due); err != nil {
		return m.out, err
	}
	protest, err := r.removeVanished(ctx, m, listed)
	if err != nil {
		return m.out, err
	}
	m.out.complaint, m.out.refused = complaint(s)
	s.Memo = l.Memo
	if protest != "" {
		m.out.complaint = protest
		s.Memo = "" // look again, whatever it says
	}
	there := folded(slices.Collect(maps.Keys(listed)))
	for _, id := range j.mirror.Only {
		if !there[strings.ToLower(id)] {
			m.out.complaint = fmt.Sprintf("the title %q, which is wanted, is not listed", id)
		}
	}
	return m.out, nil
}

// recase finds items again whose ids have become others in case alone.
func (s *state) recase(listed map[string]bool) {
	byFold := map[string]string{}
	for id := range listed {
		if _, ok := s.Items[id]; !ok {
			byFold[strings.ToLower(id)] = id
		}
	}
	for id, it := range s.Items {
		if to := byFold[strings.ToLower(id)]; to != "" && !listed[id] {
			delete(s.Items, id)
			s.Items[to] = it
		}
	}
}

// complaint sums up what of a source is refused.
func complaint(s *state) (text string, n int) {
	first := ""
	for id, it := range s.Items {
		if it.Error == "" {
			continue
		}
		n++
		if first == "" || id < first {
			first = id
		}
	}
	if n > 0 {
		text = fmt.Sprintf("%d of %d titles are not taken as they are there; %s: %s",
			n, len(s.Items), redactID(first), s.Items[first].Error)
	}
	return text, n
}

// isDue reports whether an item is to be fetched.
func (r *Runner) isDue(j *job, it Item, was item) bool {
	if was.Error != "" && was.Refused == it.Mark {
		return j.first || was.isDue(r.now())
	}
	if was.Mark != it.Mark || was.Title == "" {
		return true
	}
	t, err := r.cat.Title(was.Title)
	return err != nil || t.ETag != was.ETag
}

// takeAll takes items, several at once. The error is the store's, or that of ctx.
func (r *Runner) takeAll(ctx context.Context, m *mirroring, due []Item) error {
	group, working := errgroup.WithContext(ctx)
	group.SetLimit(fetchersOfMirror)
	progress := time.NewTicker(progressInterval)
	defer progress.Stop()
	for i, it := range due {
		select {
		case <-progress.C:
			r.log.Info("a source is being taken", "source", m.shown(), "titles", len(due), "begun", i)
		default:
		}
		if working.Err() != nil {
			break
		}
		group.Go(func() error {
			m.mu.Lock()
			was := m.state.Items[it.ID]
			m.mu.Unlock()
			now, changed, err := r.take(working, m.job, it, was, m)
			if working.Err() != nil || errors.Is(err, catalog.ErrUnavailable) || errors.Is(err, catalog.ErrClosed) {
				return err
			}
			if err != nil {
				now = was
				now.Gone = false
				r.refuse(m.job, &now, it, err)
				var unread *unreadError
				now.Unread = errors.As(err, &unread)
			}
			m.mu.Lock()
			defer m.mu.Unlock()
			m.state.Items[it.ID] = now
			if key := strings.ToLower(was.Title); !strings.EqualFold(was.Title, now.Title) && m.claimed[key] == it.ID {
				delete(m.claimed, key) // it is another title by now
			}
			if changed {
				m.out.changed++
			}
			return nil
		})
	}
	return errors.Join(group.Wait(), context.Cause(ctx))
}

// refuse notes that an item is not taken as it is, and when to try again.
func (r *Runner) refuse(j *job, now *item, it Item, err error) {
	now.Error, now.Refused = brief(err.Error()), it.Mark
	// A little sooner: the round that comes then may come a little sooner, too.
	interval := j.interval(r)
	now.Since = r.now().UTC()
	now.Again = now.Since.Add(backoff(interval, now.Tries) - interval/4)
	now.Tries++
}

// backoff is how long to wait after a number of failures before the last one.
func backoff(interval time.Duration, failures int) time.Duration {
	return interval * time.Duration(math.Exp2(float64(min(failures, 5)))) // 2^5 is mostIntervals
}

// claim gives a title's id to an item, unless it is another's.
func (m *mirroring) claim(id, it string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := strings.ToLower(id)
	if other, taken := m.claimed[key]; taken && other != it {
		return fmt.Errorf("%s of this source is the title %q already", redactID(other), id)
	}
	m.claimed[key] = it
	return nil
}

func (m *mirroring) sign(signer string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state.Signer = signer
}

// claim of a title that is followed by itself: it is that title.
func (s *state) claim(string, string) error { return nil }

func (s *state) sign(signer string) { s.Signer = signer }

// removeVanished deletes, or only notes, what a source has no more: all that came with
// it, as the catalog knows, and that nothing which is listed has become. protest says
// why it was not believed. The error is the store's, or that of ctx.
func (r *Runner) removeVanished(ctx context.Context, m *mirroring, listed map[string]bool) (protest string, err error) {
	for id, it := range m.state.Items {
		switch {
		case listed[id]:
		case m.mirror.Remove || it.Title == "":
			delete(m.state.Items, id)
		default:
			it.Gone = true
			it.Error, it.Refused, it.Tries, it.Again = "", "", 0, time.Time{}
			m.state.Items[id] = it
		}
	}
	if !m.mirror.Remove {
		return "", nil
	}
	var vanished []catalog.Title
	known, yes := 0, true
	for t := range r.cat.Find(catalog.Filter{Synced: &yes}) {
		if t.Source != m.mirror.Name {
			continue
		}
		if known++; m.claimed[strings.ToLower(t.ID)] == "" {
			vanished = append(vanished, t)
		}
	}
	if len(vanished) == 0 {
		return "", nil
	}
	for id := range listed {
		it := m.state.Items[id]
		if it.Title != "" || !it.Unread {
			continue
		}
		if !m.before[id] {
			it.Moved = true
			m.state.Items[id] = it
		}
		if it.Moved && it.Tries <= patience {
			return fmt.Sprintf("%d of its %d titles are gone, and %s, which is new, cannot be read yet "+
				"and may be one of them: none was deleted", len(vanished), known, redactID(id)), nil
		}
	}
	if len(vanished) > m.mirror.mayRemove(known, len(listed) == 0) {
		return fmt.Sprintf(
			"it lists %d of its %d titles no more: that is too many at once, and none was deleted",
			len(vanished),
			known,
		), nil
	}
	for _, t := range vanished {
		err := r.cat.Delete(ctx, t.ID, &catalog.EditOptions{UID: t.UID, From: m.mirror.Name})
		switch {
		case err == nil:
			m.out.changed++
		case errors.Is(err, catalog.ErrNotFound), errors.Is(err, catalog.ErrNotSynced): // somebody else did
		default:
			return "", err
		}
	}
	return "", nil
}

// patience is how often what is new and cannot be read keeps titles that are gone from
// being deleted: they may have moved there.
const patience = 3
