package patchsync

import (
	"context"

	"github.com/patchsource/patchsource/patch/catalog"
)

// reconcile makes the jobs those of the mirrors and of the titles that are followed on their own now. After a change of
// the catalog, it looks only at titles that were created or deleted, unless there were too many.
func (r *Runner) reconcile() {
	a := r.agenda
	a.mu.Lock()
	defer a.mu.Unlock()
	generation := r.catalog.Generation()
	if a.reconciled && generation == a.generation {
		return
	}
	if a.reconciled {
		changes, generation, ok := r.catalog.FollowChanges(a.generation)
		if ok {
			for _, c := range changes {
				r.applyChange(c)
			}
			a.generation = generation
			return
		}
	}
	r.reconcileAll(generation)
}

// applyChange adds or removes the job of a title that has begun or ceased to follow a source. The caller must hold
// agenda.mu.
func (r *Runner) applyChange(c catalog.FollowChange) {
	a := r.agenda
	if c.Follows {
		r.follow(c.Title)
		return
	}
	delete(a.orphans, c.Title.UID)
	if j := a.jobs[keyOf(c.Title)]; j != nil && j.mirror == nil {
		a.remove(j)
	}
}

// follow adds the job of a title that is followed on its own and has none, or notes that its mirror is gone. The caller
// must hold agenda.mu.
func (r *Runner) follow(t catalog.Title) {
	switch known := r.agenda.jobs[keyOf(t)] != nil; {
	case known:
	case t.Source != "":
		r.agenda.orphans[t.UID] = t.ID
	default:
		r.addJob(newTitleJob(t, r.interval))
	}
}

// reconcileAll looks at all titles that follow a source, when the catalog had a generation or later. The caller must
// hold agenda.mu.
func (r *Runner) reconcileAll(generation uint64) {
	a := r.agenda
	first := !a.reconciled
	a.generation, a.reconciled, a.tidy = generation, true, false
	a.walks++
	if first {
		for _, m := range r.mirrors {
			r.addJob(newMirrorJob(m))
		}
	}
	a.orphans = map[string]string{}
	followed := map[string]bool{}
	synced := true
	for t := range r.catalog.Find(catalog.Filter{Synced: &synced}) {
		r.follow(t)
		followed[keyOf(t)] = true
	}
	for key, j := range a.jobs {
		if j.mirror == nil && !followed[key] {
			a.remove(j)
		}
	}
	if first && len(a.orphans) > 0 {
		r.log.Warn("titles stay as they are, because their sources are no longer followed: "+
			"follow the sources again, or delete the titles", "titles", len(a.orphans))
	}
}

// addJob adds a job with the state that the store has of it. The caller must hold agenda.mu.
func (r *Runner) addJob(j *job) {
	if s, ok := r.states.saved(j.key); ok {
		j.adopt(s)
	}
	r.agenda.add(j)
}

// removeStates removes states that strayStates has returned. If some cannot be removed, strayStates returns them again
// later.
func (r *Runner) removeStates(ctx context.Context, keys []string) {
	if !r.states.remove(ctx, keys) {
		r.agenda.untidy()
	}
}

// strayStates returns the keys of the states of titles that are no longer followed, once after some may have become
// that.
func (r *Runner) strayStates() (keys []string) {
	a := r.agenda
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.tidy || a.now().Before(a.tidyAgain) {
		return nil
	}
	a.tidy = true
	for _, key := range r.states.keys() {
		if isTitleKey(key) && a.jobs[key] == nil {
			keys = append(keys, key)
		}
	}
	return keys
}
