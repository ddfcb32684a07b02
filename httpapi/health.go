package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
)

// healthCalls are the calls for monitoring.
type healthCalls struct {
	*core
	store          store.Store // nil: it is not known
	tolerateFaults bool
}

// alive answers as long as the server runs.
func (c *healthCalls) alive(w http.ResponseWriter, _ *http.Request) error {
	return replyUncached(w, http.StatusOK, map[string]any{"message": "alive"})
}

// readyTimeout is how long the store may take to answer.
const readyTimeout = 5 * time.Second

// ready answers with status 200 if the titles were read and the store is reachable.
func (c *healthCalls) ready(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	if err := c.reachable(ctx); err != nil {
		return err
	}
	if err := c.whole(ctx); err != nil {
		return err
	}
	return replyUncached(w, http.StatusOK, map[string]any{"message": "ready", "titles": c.catalog.Len()})
}

// reachable returns catalog.ErrUnavailable unless the store answers within readyTimeout.
func (c *core) reachable(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	if err := c.catalog.Ping(ctx); err != nil {
		return fmt.Errorf("%w: %w", catalog.ErrUnavailable, err)
	}
	return nil
}

// whole returns an error if some records of the store cannot be read. To Jamf Pro, a missing title looks like one that
// was deleted.
func (c *healthCalls) whole(ctx context.Context) error {
	if c.tolerateFaults {
		return nil
	}
	corrupt := c.catalog.Damaged()
	if c.store != nil {
		corrupt = max(corrupt, len(store.Faults(ctx, c.store)))
	}
	if corrupt > 0 {
		return &faultsError{corrupt}
	}
	return nil
}
