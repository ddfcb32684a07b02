package patchsync

import "github.com/patchsource/patchsource/patch/catalog"

// reconcile makes the jobs those of the mirrors and of the titles that are followed on their own now.
func (r *Runner) reconcile() {
	a := r.agenda
	a.mu.Lock()
	defer a.mu.Unlock()
	generation := r.catalog.Generation()
	if a.reconciled && generation == a.generation {
		return
	}
	first := !a.reconciled
	a.generation, a.reconciled, a.tidy = generation, true, false
	if first {
		for _, m := range r.mirrors {
			r.addJob(newMirrorJob(m))
		}
	}
	followed := r.reconcileTitles()
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

// reconcileTitles adds jobs for titles that are followed on their own and have none, and finds those whose mirror is
// gone. It returns the keys of all titles that are followed on their own. The caller must hold agenda.mu.
func (r *Runner) reconcileTitles() (followed map[string]bool) {
	followed = map[string]bool{}
	r.agenda.orphans = nil
	synced := true
	for t := range r.catalog.Find(catalog.Filter{Synced: &synced}) {
		key := keyOf(t)
		known := r.agenda.jobs[key] != nil
		switch {
		case t.Source != "" && !known:
			r.agenda.orphans = append(r.agenda.orphans, t.ID)
		case t.Source != "":
		default:
			followed[key] = true
			if !known {
				r.addJob(newTitleJob(t, r.interval))
			}
		}
	}
	return followed
}

// addJob adds a job with the state that the store has of it. The caller must hold agenda.mu.
func (r *Runner) addJob(j *job) {
	if s, ok := r.states.saved(j.key); ok {
		j.adopt(s)
	}
	r.agenda.add(j)
}

// strayStates returns the keys of the states of titles that are no longer followed, once after each change of the
// jobs.
func (r *Runner) strayStates() (keys []string) {
	a := r.agenda
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.tidy {
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
