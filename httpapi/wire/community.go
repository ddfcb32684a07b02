package wire

import "github.com/patchsource/patchsource/patch"

// A ContributorListing is a contributor in the answer to GET /api/v1/contributors.
type ContributorListing struct {
	ID   string `json:"id"`
	Name string `json:"display_name"`
	// Titles counts the contributor's titles.
	Titles int `json:"title_count"`
	// URN is the path of the list of the contributor's feed, and URL its address.
	URN string `json:"urn"`
	URL string `json:"url"`
}

// A Registration is the body of a request to become a contributor.
type Registration struct {
	Name  string `json:"name"`
	Email string `json:"email"`
}

// A ContributorTokenRequest is the body of a request for a new token by mail, made by a contributor who lost theirs.
type ContributorTokenRequest struct {
	Email string `json:"email"`
}

// A TitleTokenRequest is the body of a request for a new token by mail, made by an author who lost theirs.
type TitleTokenRequest struct {
	AuthorEmail string `json:"author_email"`
}

// A Publication is the body of a request to publish a title without an account: a definition, or the URL of one.
type Publication struct {
	AuthorName  string `json:"author_name"`
	AuthorEmail string `json:"author_email"`
	// Definition is nil if URL is set.
	Definition *patch.Definition `json:"definition,omitempty"`
	URL        string            `json:"definition_url,omitempty"`
}
