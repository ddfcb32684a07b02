package catalog

import (
	"context"
	"errors"

	"github.com/patchsource/patchsource/patch/numbered"
)

// ErrNumbering reports that not all titles have a number yet: a later call of [Catalog.NumberTitles] finds more.
var ErrNumbering = errors.New("the titles are being numbered")

// NumberTitles gives a number to each title that has none.
func (c *Catalog) NumberTitles(ctx context.Context) error { return errUnwritten }

// ByNumber returns the title with a number; it may be disabled. The error is [ErrNotFound].
func (c *Catalog) ByNumber(number uint64) (Title, error) { return Title{}, errUnwritten }

// ByPartNumber returns the title to which the part with a number belongs, or belonged. The error is [ErrNotFound].
func (c *Catalog) ByPartNumber(number uint64) (Title, error) { return Title{}, errUnwritten }

// Numbered returns a title with the numbers of its parts. It may be disabled.
func (c *Catalog) Numbered(ctx context.Context, id string) (*numbered.Title, error) {
	return nil, errUnwritten
}

// EditNumbered changes a title by a function.
func (c *Catalog) EditNumbered(
	ctx context.Context, id string, change func(*numbered.Title) error, opts *EditOptions,
) (*numbered.Title, error) {
	return nil, errUnwritten
}

// CreateNumbered adds a title, which is disabled unless t.Enabled is set.
func (c *Catalog) CreateNumbered(
	ctx context.Context, t *numbered.Title, opts *CreateOptions,
) (*numbered.Title, error) {
	return nil, errUnwritten
}
