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
	followed, orphans := r.reconcileTitles()
	for key, j := range a.jobs {
		if j.mirror == nil && !followed[key] {
			a.remove(j)
		}
	}
	if first && orphans > 0 {
		r.log.Warn("titles stay as they are, because their sources are no longer followed: "+
			"follow the sources again, or delete the titles", "titles", orphans)
	}
}

// reconcileTitles adds jobs for titles that are followed on their own and have none. It returns the keys of all such
// titles, and the number of titles whose mirror is gone. The caller must hold agenda.mu.
func (r *Runner) reconcileTitles() (followed map[string]bool, orphans int) {
	followed = map[string]bool{}
	synced := true
	for t := range r.catalog.Find(catalog.Filter{Synced: &synced}) {
		key := keyOf(t)
		known := r.agenda.jobs[key] != nil
		switch {
		case t.Source != "" && !known:
			orphans++
		case t.Source != "":
		default:
			followed[key] = true
			if !known {
				r.addJob(newTitleJob(t, r.interval))
			}
		}
	}
	return followed, orphans
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
