package wire

import (
	"encoding/json"
	"time"

	"github.com/patchsource/patchsource/patch"
)

// A Draft is the body that answers GET /api/v1/titles/{id}/draft.
type Draft struct {
	// Definition is the draft as it was saved, without white space. It may be incomplete or invalid.
	Definition json.RawMessage `json:"definition"`
	// Base is the ETag that the title had when the draft was begun, and BaseDefinition its definition then. Both are
	// null if the title has never been served.
	Base           *string         `json:"base"`
	BaseDefinition json.RawMessage `json:"base_definition"`
	// Changed is when the draft was saved.
	Changed time.Time `json:"changed"`
	DraftCheck
}

// A DraftCheck is what stands against publishing a draft. It is the body that answers PUT /api/v1/titles/{id}/draft.
type DraftCheck struct {
	// Errors are the failures because of which the draft cannot be published, with paths into the draft.
	Errors []patch.Failure `json:"errors"`
	// Warnings are those of lint. They are empty as long as there are errors.
	Warnings []patch.Warning `json:"warnings"`
}

// A DraftList is the body that answers GET /api/v1/drafts.
type DraftList struct {
	Drafts []DraftSummary `json:"drafts"`
}

// A DraftSummary is a draft in a [DraftList].
type DraftSummary struct {
	ID string `json:"id"`
	// Name is the name of the title in the draft.
	Name string `json:"name"`
	// Errors is the number of failures because of which the draft cannot be published.
	Errors int `json:"errors"`
	// Changed is when the draft was saved.
	Changed time.Time `json:"changed"`
	// Disabled is true if the title is not served: it is new, or was disabled.
	Disabled bool `json:"disabled"`
}

// A DraftConflict is the detail of the error [CodeDraftConflict]: the definition for which the draft was begun, the
// draft, and the definition that the title has now.
type DraftConflict struct {
	Base    json.RawMessage `json:"base"`
	Draft   json.RawMessage `json:"draft"`
	Current json.RawMessage `json:"current"`
}

// A CloneRequest is the body of POST /api/v1/titles/{id}/versions/{version}/clone.
type CloneRequest struct {
	// Version is the version of the copy.
	Version string `json:"version"`
}

// An OrderRequest is the body of POST /api/v1/titles/{id}/order.
type OrderRequest struct {
	// Versions are all versions of the title that are served, in their new order, newest first.
	Versions []string `json:"versions"`
}

// A DefinitionDraft is the body that answers POST /api/v1/definitions/from-application: a definition that is not
// stored.
type DefinitionDraft struct {
	Definition *patch.Definition `json:"definition"`
	// Warnings are those of lint about the definition.
	Warnings []patch.Warning `json:"warnings"`
}
