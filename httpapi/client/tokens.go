package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/patchsource/patchsource/httpapi/wire"
)

// Whoami returns what the server knows of the caller: the token's kind and reach.
func (c *Client) Whoami(ctx context.Context) (id wire.Identity, err error) {
	return id, c.get(ctx, api("token"), nil, &id)
}

// Tokens returns the tokens that the caller may see and revoke.
func (c *Client) Tokens(ctx context.Context) ([]wire.Token, error) {
	var list wire.TokenList
	return list.Tokens, c.get(ctx, api("tokens"), nil, &list)
}

// MakeToken makes a token. Its secret is in no later answer.
func (c *Client) MakeToken(ctx context.Context, request wire.TokenRequest) (t wire.NewToken, err error) {
	q := call{method: http.MethodPost, path: api("tokens")}
	if q.body, err = encode(request); err != nil {
		return t, err
	}
	if err := c.do(ctx, q, &t); err != nil {
		return t, err
	}
	return t, checkSecret(t.Secret)
}

func checkSecret(secret string) error {
	if secret == "" {
		return fmt.Errorf("%w: it has no token", ErrUnexpectedAnswer)
	}
	return nil
}

// RevokeOptions are options of [Client.RevokeToken]. A nil *RevokeOptions is the zero value.
type RevokeOptions struct {
	// LastAdministrator allows to revoke the last administrator's token, without which the server cannot be
	// administered. If false, that is ErrConflict.
	LastAdministrator bool
}

// RevokeToken revokes a token and all tokens that were made with it. It returns how many these were.
func (c *Client) RevokeToken(ctx context.Context, id string, opts *RevokeOptions) (below int, err error) {
	q := call{method: http.MethodPost, path: api("tokens", id, "invalidate")}
	if opts != nil && opts.LastAdministrator {
		q.query = url.Values{"confirm": {wire.ConfirmLastAdministrator}}
	}
	header, err := c.doHeader(ctx, q, nil)
	below, _ = strconv.Atoi(header.Get(wire.RevokedTokensHeader)) // 0 if the server does not say
	return below, err
}

// ExchangeToken exchanges the client's token, which must be a title's, for a new one. The old token and all tokens that
// were made with it are revoked; the client itself keeps using the old one.
func (c *Client) ExchangeToken(ctx context.Context, title string) (t wire.ExchangedToken, err error) {
	if err := c.do(ctx, call{method: http.MethodPost, path: api("title", title, "token")}, &t); err != nil {
		return t, err
	}
	return t, checkSecret(t.Secret)
}

// MailTitleToken has a new token for a title mailed to its author, if address is the one that the title was published
// with. The answer does not tell whether it is. The request is sent without the client's token.
func (c *Client) MailTitleToken(ctx context.Context, title, address string) (wire.Answer, error) {
	return c.postAnonymously(ctx, api("title", title, "token"), wire.TitleTokenRequest{AuthorEmail: address})
}

// MailContributorToken has a new token mailed to a contributor, if address is a contributor's. The answer does not tell
// whether it is. The request is sent without the client's token.
func (c *Client) MailContributorToken(ctx context.Context, address string) (wire.Answer, error) {
	return c.postAnonymously(ctx, api("contributors", "token"), wire.ContributorTokenRequest{Email: address})
}

func (c *Client) postAnonymously(ctx context.Context, path []string, v any) (a wire.Answer, err error) {
	q := call{method: http.MethodPost, path: path, anonymous: true}
	if q.body, err = encode(v); err != nil {
		return a, err
	}
	return a, c.do(ctx, q, &a)
}
