package wire

import "time"

// A TokenKind says what a token may do.
type TokenKind string

// The kinds of tokens that the contract knows.
const (
	// Administrator tokens may do everything.
	Administrator TokenKind = "administrator"
	// Editor tokens create and change every title, and administer nothing.
	Editor TokenKind = "editor"
	// Contributor tokens create a contributor's titles and change them.
	Contributor TokenKind = "contributor"
	// TitleToken tokens change the titles that they name.
	TitleToken TokenKind = "title"
)

// A TokenRequest is the body of a request for a new token. The zero TokenRequest asks for a token that lives 365 days:
// another contributor's if it is made with a contributor's token, and an editor's if it is made with an
// administrator's or an editor's token.
type TokenRequest struct {
	// Name says where the token is used. It is shown in lists.
	Name string `json:"name,omitempty"`
	// Days is the lifetime in days, from 1 to 365. If nil, the token lives 365 days. NeverExpires excludes it.
	Days *int `json:"expires_in_days,omitempty"`
	// NeverExpires asks for a token without an end. Only administrators may ask for one.
	NeverExpires bool `json:"never_expires,omitempty"`
	// Titles are the ids of the titles that the token is limited to. If empty, the token is not limited to titles.
	Titles []string `json:"titles_in_scope,omitempty"`
	// Administrator asks for an administrator's token. Only administrators may ask for one.
	Administrator bool `json:"administrator,omitempty"`
}

// A NewToken is the body that answers a [TokenRequest]. It is the only body that has the secret of the token.
type NewToken struct {
	Message string `json:"message"`
	ID      string `json:"id"`
	// Secret is the bearer token itself.
	Secret string    `json:"api_token"`
	Name   string    `json:"name"`
	Kind   TokenKind `json:"kind"`
	// Titles are the ids of the titles that the token is limited to; null if it is not limited to titles.
	Titles []string `json:"titles_in_scope"`
	// Expires is when the token ends; null if it never does.
	Expires *time.Time `json:"expires"`
}

// An ExchangedToken is the body that answers the exchange of a title's token for a new one.
type ExchangedToken struct {
	Secret  string `json:"api_token"`
	ID      string `json:"id"`
	Message string `json:"message"`
}

// A Claim is the body of a request for a server's first administrator token.
type Claim struct {
	Code string `json:"claim_code"`
}

// A ClaimedToken is the body that answers a [Claim].
type ClaimedToken struct {
	Message string `json:"message"`
	Secret  string `json:"token_created"`
}

// A Token is a token in a [TokenList]. Its secret is in no list.
type Token struct {
	ID   string    `json:"id"`
	Name string    `json:"name"`
	Kind TokenKind `json:"kind"`
	// Titles are the ids of the titles that the token is limited to; null if it is not limited to titles.
	Titles []string `json:"titles_in_scope"`
	// MadeWith is the id of the token that this one was made with, and with which it ends; null if there is none.
	MadeWith *string   `json:"made_with"`
	Created  time.Time `json:"created"`
	// Expires is when the token ends; null if it never does.
	Expires *time.Time `json:"expires"`
	// LastUsed is null if the token was never used.
	LastUsed *time.Time `json:"last_used"`
}

// A TokenList is the body that answers GET /api/v1/tokens.
type TokenList struct {
	Tokens []Token `json:"tokens"`
}

// An Identity is the body that answers GET /api/v1/token: the caller, as the server knows them.
type Identity struct {
	// ID is the id of the token; empty if the caller was authenticated by other means.
	ID   string    `json:"id"`
	Kind TokenKind `json:"kind"`
	// Titles are the ids of the titles that the caller is limited to; null if they are not limited to titles.
	Titles []string `json:"titles_in_scope"`
	// Contributor is the id of the contributor; null if the caller is none.
	Contributor *string `json:"contributor"`
	// Expires is when the token ends; null if it never does.
	Expires *time.Time `json:"expires"`
}

// RevokedTokensHeader is the header of an answer that says how many tokens were revoked together with the one that they
// were made with.
const RevokedTokensHeader = "Revoked-Tokens"

// ConfirmLastAdministrator is the value of the parameter confirm that allows to revoke the last administrator's token.
const ConfirmLastAdministrator = "last-administrator"
