package wire

import (
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/recipe"
)

// The states of a watch.
const (
	// WatchOK says that the last check of the feed succeeded, or that there was none yet.
	WatchOK = "ok"
	// WatchFailing says that the feed could not be read since the last success.
	WatchFailing = "failing"
	// WatchPaused says that the mode of the policy is off, so that the feed is not asked.
	WatchPaused = "paused"
)

// A Watch is the release feed that a title follows, as GET /api/v1/titles/{id}/watch answers it. A request to set a
// watch has the members feed and policy only; see [recipe.Watch].
type Watch struct {
	// Title is the id of the title.
	Title string `json:"title"`
	// Feed is the feed. Secrets in its URL are replaced; a request that sets the watch may send them so, and the URL
	// then stays.
	Feed   recipe.Feed   `json:"feed"`
	Policy recipe.Policy `json:"policy"`
	// Source names the file of the recipe that the watch comes from. It is absent if the watch was set over HTTP.
	Source string `json:"source,omitempty"`
	// ReadOnly is true if the watch comes from a file, so that it cannot be changed over HTTP.
	ReadOnly bool       `json:"read_only,omitempty"`
	State    WatchState `json:"state"`
}

// A WatchState is the state of a watch. A time is null if the event has not happened yet.
type WatchState struct {
	// Status is one of WatchOK, WatchFailing and WatchPaused.
	Status string `json:"status"`
	// Failures counts the failed checks since the last success.
	Failures int `json:"failures"`
	// LastError is null while the feed can be read.
	LastError   *string    `json:"last_error"`
	LastAttempt *time.Time `json:"last_attempt"`
	LastSuccess *time.Time `json:"last_success"`
	NextCheck   *time.Time `json:"next_check"`
	// Newest is the newest stable version that the feed listed; null before the first success.
	Newest *string `json:"newest"`
	// Silent is true if the feed has listed nothing new for three times longer than its rhythm.
	Silent bool `json:"silent,omitempty"`
	// Held are the versions that wait until they are old enough.
	Held []HeldVersion `json:"held,omitempty"`
	// Missing are versions that the feed lists and that the title once had. The watch does not add them again.
	Missing []string `json:"missing,omitempty"`
}

// A HeldVersion is a version that a policy holds back.
type HeldVersion struct {
	Version string `json:"version"`
	// Until is when the version is added. It is null if that does not depend on time alone.
	Until *time.Time `json:"until"`
}

// A WatchList is the body that answers GET /api/v1/watches.
type WatchList struct {
	Watches []Watch `json:"watches"`
}

// A CheckResult is the body that answers a check of a watch.
type CheckResult struct {
	// Message says what happened, in a sentence.
	Message string `json:"message"`
	// Newest is the newest stable release that the feed lists; null if it could not be read.
	Newest *Release `json:"newest"`
	// Added are the versions that were added, the oldest first. A dry run adds none.
	Added []string `json:"added"`
	// WouldAdd are the versions that a check would add, for a dry run.
	WouldAdd []Addition `json:"would_add"`
	// Proposal has the versions that wait for a person; null if there are none. Its ID is empty in a dry run.
	Proposal *Proposal `json:"proposal"`
	// Held are the versions that wait until they are old enough.
	Held []HeldVersion `json:"held"`
	// Skipped are the newer versions that are neither added nor proposed.
	Skipped []DroppedRelease `json:"skipped"`
	// Error says why the feed could not be read; null if it could.
	Error *string    `json:"error"`
	State WatchState `json:"state"`
}

// An Addition is a version that a check would add.
type Addition struct {
	Version string `json:"version"`
	// Patch is the version as the definition would have it.
	Patch patch.Patch `json:"patch"`
	// Reasons are what speaks for the version, as sentences.
	Reasons []string `json:"reasons"`
}

// A Release is what a feed says of one version. A text is empty if the feed does not say.
type Release struct {
	Version                string `json:"version"`
	Build                  string `json:"build"`
	Channel                string `json:"channel"`
	MinimumOperatingSystem string `json:"minimumOperatingSystem"`
	// Date is null if the feed does not say.
	Date       *time.Time `json:"date"`
	Prerelease bool       `json:"prerelease"`
	// URL is the address of the installer.
	URL string `json:"url,omitempty"`
}

// A DroppedRelease is a release that does not count.
type DroppedRelease struct {
	Version string `json:"version"`
	// Reason is a sentence.
	Reason string `json:"reason"`
}

// A Proposal is a set of versions of a title that waits for a person.
type Proposal struct {
	ID string `json:"id"`
	// Title is the id of the title.
	Title string `json:"title"`
	// Version is the newest of Versions.
	Version string `json:"version"`
	// Versions are the versions, the oldest first.
	Versions []string `json:"versions"`
	// Reasons are why the versions were not added, and what speaks for them, as sentences.
	Reasons []string `json:"reasons"`
	// Found is when the feed first listed Version; null if that is not known.
	Found *time.Time `json:"found"`
	// Patches are the versions as the definition would have them, in the order of Versions. It is empty if they are too
	// large, or if they cannot be made from the title's newest version any longer.
	Patches []patch.Patch `json:"patches"`
}

// A ProposalList is the body that answers GET /api/v1/proposals.
type ProposalList struct {
	Proposals []Proposal `json:"proposals"`
}

// A RecipeTest is the body of a request to try the feed of a recipe. Nothing is stored.
type RecipeTest struct {
	// Recipe is the recipe. Only its feed and policy are used, so that the rest may be missing.
	Recipe recipe.Recipe `json:"recipe"`
	// Answer is what the vendor's server answered. If nil, the server asks the feed.
	Answer *RecipeAnswer `json:"answer,omitempty"`
}

// A RecipeAnswer is an answer of a vendor's server.
type RecipeAnswer struct {
	// Status is the HTTP status. If 0, it is 200.
	Status  int               `json:"status,omitempty"`
	Headers map[string]string `json:"headers,omitempty"`
	Body    string            `json:"body"`
}

// A RecipeTestResult is the body that answers a [RecipeTest].
type RecipeTestResult struct {
	// Releases are the releases that count, the newest first.
	Releases []Release `json:"releases"`
	// Newest is the newest stable one; null if there is none.
	Newest *Release `json:"newest"`
	// Dropped are the releases that do not count.
	Dropped []DroppedRelease `json:"dropped"`
}

// A DraftRequest is the body of a request for a draft of a recipe. One of its members is set.
type DraftRequest struct {
	// Cask is the JSON of a Homebrew cask.
	Cask json.RawMessage `json:"cask,omitempty"`
	App  *DraftApp       `json:"app,omitempty"`
}

// A DraftApp has the parts of an application that a recipe is drafted from.
type DraftApp struct {
	// InfoPlist is the file Contents/Info.plist, in XML or binary.
	InfoPlist Document `json:"info_plist"`
	// AppName is the bundle's file name, such as "Rectangle.app".
	AppName string `json:"app_name,omitempty"`
	// UpdateConfig is the file Contents/Resources/app-update.yml of an application that is made with Electron.
	UpdateConfig Document `json:"update_config,omitempty"`
}

// A Document is a file in JSON. It is written in base64, and read as base64 or, if it is not, as text.
type Document []byte

// MarshalJSON implements [json.Marshaler].
func (d Document) MarshalJSON() ([]byte, error) { return json.Marshal([]byte(d)) }

// UnmarshalJSON implements [json.Unmarshaler].
func (d *Document) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	if decoded, err := base64.StdEncoding.DecodeString(text); err == nil {
		*d = decoded
		return nil
	}
	*d = Document(text)
	return nil
}

// A RecipeDraft is the body that answers a [DraftRequest].
type RecipeDraft struct {
	// Recipe is the draft. It may be incomplete.
	Recipe recipe.Recipe `json:"recipe"`
	// Guesses are the parts of the recipe that a person should check.
	Guesses []Guess `json:"guesses"`
	// Gaps are the parts that are missing, as JSON Pointers into the recipe.
	Gaps []string `json:"gaps"`
}

// A Guess is a part of a recipe that may be wrong.
type Guess struct {
	// Path is the place in the recipe, as a JSON Pointer.
	Path string `json:"path"`
	// Why is a sentence.
	Why string `json:"why"`
}
