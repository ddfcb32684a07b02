package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/patchsource/patchsource/patch/catalog"
)

// alive answers as long as the server does.
func (a *api) alive(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, map[string]any{"message": "alive"})
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
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, map[string]any{"message": "ready", "titles": a.cat.Len()})
	return nil
}

// noSuchCall answers what no other call does.
func (a *api) noSuchCall(w http.ResponseWriter, r *http.Request) error {
	if a.notFound != nil && a.notFound(w, r) {
		return nil
	}
	return &pathError{r.URL.Path}
}
