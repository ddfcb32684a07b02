package catalog

import (
	"context"

	"github.com/patchsource/patchsource/patch"
)

// Reservation and Reserve let the tests stop between the steps of Create with CreateOptions.Confirm.
type Reservation = reservation

func (c *Catalog) Reserve(ctx context.Context, def *patch.Definition, opts *CreateOptions) (*Reservation, error) {
	return c.reserve(ctx, def, opts)
}

func (r *reservation) UID() string { return r.title.UID }

func (r *reservation) Publish(ctx context.Context) (Result, error) { return r.publish(ctx) }

func (r *reservation) Withdraw(ctx context.Context) (live bool, err error) { return r.withdraw(ctx) }
