package client

import (
	"context"
	"net/url"

	"github.com/patchsource/patchsource/httpapi/wire"
)

// Contributors returns the contributors, those with the most titles first.
func (c *Client) Contributors(ctx context.Context) (all []wire.ContributorListing, err error) {
	return all, c.get(ctx, api("contributors"), nil, &all)
}

// RegisterContributor registers a contributor. A link that verifies the address is mailed to it.
func (c *Client) RegisterContributor(ctx context.Context, name, address string) (wire.Answer, error) {
	return c.post(ctx, api("contributors", "register"), wire.Registration{Name: name, Email: address})
}

// VerifyContributor verifies a contributor's address with the id and the code of the mailed link. The contributor's
// token is then mailed to the address.
func (c *Client) VerifyContributor(ctx context.Context, id, code string) (a wire.Answer, err error) {
	return a, c.get(ctx, api("contributors", "verify"), url.Values{"id": {id}, "code": {code}}, &a)
}

// ReleaseName makes a name available for registration that a pending registration or an author holds. It needs an
// administrator's token.
func (c *Client) ReleaseName(ctx context.Context, name string) (wire.Answer, error) {
	return c.post(ctx, api("contributors", name, "release"), nil)
}
