package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/patchsource/patchsource/httpapi/internal/answer"
	"github.com/patchsource/patchsource/httpapi/internal/problem"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
)

// alive answers as long as the server does.
func (a *api) alive(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	answer.WriteJSON(w, http.StatusOK, map[string]any{"message": "alive"})
	return nil
}

// readyTimeout is how long the store may take to answer a ping.
const readyTimeout = 5 * time.Second

// ready answers when the titles are read and the store can be reached.
func (a *api) ready(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	if err := a.cat.Ping(ctx); err != nil {
		return fmt.Errorf("%w: %w", catalog.ErrUnavailable, err)
	}
	if err := a.whole(ctx); err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	answer.WriteJSON(w, http.StatusOK, map[string]any{"message": "ready", "titles": a.cat.Len()})
	return nil
}

// whole reports whether everything that the store has could be read. A title that is missing looks to Jamf Pro like one
// that was deleted.
func (a *api) whole(ctx context.Context) error {
	if a.tolerant {
		return nil
	}
	damaged := a.cat.Damaged()
	if a.store != nil {
		damaged = max(damaged, len(store.Faults(ctx, a.store)))
	}
	if damaged > 0 {
		return &faultsError{damaged}
	}
	return nil
}

// A faultsError means that some records cannot be read. It is answered by 503.
type faultsError struct{ n int }

func (e *faultsError) Error() string {
	return fmt.Sprintf(
		"%d records cannot be read, or are missing because they were damaged, and are not served; the log "+
			"names their files: bring them back or remove the files, or have the server say that it is ready all the same",
		e.n,
	)
}

// noSuchCall answers what no other call does.
func (a *api) noSuchCall(w http.ResponseWriter, r *http.Request) error {
	if a.notFound != nil && a.notFound(w, r) {
		return nil
	}
	return &problem.PathError{Path: r.URL.Path}
}
