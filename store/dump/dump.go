// Package dump writes the records of a store into a full backup and loads them into an empty store, so that a server
// can be moved.
//
// The records are members of a zip archive, which may have other members, such as the definitions of the titles:
//
//	patchsource/format.json     the format of the backup, such as {"format":3}
//	patchsource/<kind>.ndjson   the records of a kind, one JSON object a line
//
// The line of a title follows those of its earlier revisions, so that all records of a title are of one state. Records
// that belong to one running server, such as leases, jobs and most of its configuration, are left out. The records'
// values are neither interpreted nor changed: a backup can be loaded by every later version, and its secrets stay
// encrypted.
package dump

import (
	"context"
	"errors"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/patchsource/patchsource/store"
)

const (
	// format is the newest format of backups that this version loads. A backup without format.json has format 1, in
	// which the revisions are in a separate member. Format 3 says that titles may have revisions that are kept as
	// differences. Format 4 has watches, which earlier versions would leave out. Format 5 is that of a store whose
	// titles may have drafts, and parts with numbers; it has the next number.
	format = 5
	// formatOfWatches is the format of a backup with watches of a store without drafts.
	formatOfWatches = 4
	// formatWithoutWatches is the format of a backup of a store that has neither.
	formatWithoutWatches = 3
)

// formatMember is the content of format.json.
type formatMember struct {
	Format int `json:"format"`
}

const (
	folder      = "patchsource/"
	extension   = ".ndjson"
	formatName  = folder + "format.json"
	titleKind   = "titles"
	historyKind = "history"
	configKind  = "config"
	watchKind   = "watches"
	numberKind  = "numbers"
)

// kinds are the kinds of records in a backup besides the configuration, in the order in which they are loaded. Leases
// and jobs belong to running servers, deliveries to the events of the moment, and certificates can be obtained again:
// they are in no backup.
var kinds = []string{
	titleKind,
	historyKind,
	"tokens",
	"epochs",
	"contributors",
	"releasednames",
	"syncs",
	"webhooks",
	watchKind,
	numberKind, // after the titles, so that it is higher than theirs
}

// configIDs are the ids of the configuration records in a backup.
var configIDs = []string{"adopted-tokens"}

// loadingKey is the key of a record that exists while a backup is being loaded.
var loadingKey = store.Key{Kind: configKind, ID: "loading"}

var (
	// ErrNotEmpty reports that a backup cannot be loaded because the store already has records.
	ErrNotEmpty = errors.New("the store is not empty")
	// ErrIncomplete reports that the loading of a backup into a store was interrupted.
	ErrIncomplete = errors.New("a full backup was loaded only in part: load it again")
	// ErrNoBackup reports that an archive is not a full backup.
	ErrNoBackup = errors.New("not a full backup as GET /api/v1/backup?full=1 makes them")
)

// A line is a record in a backup.
type line struct {
	// Kind is the record's kind if it is not that of the member.
	Kind  string         `json:"kind,omitzero"`
	ID    string         `json:"id"`
	Value jsontext.Value `json:"value"`
}

// lineOptions keep the texts of values, which are not checked further: encoding/json, which reads and writes each value
// several times, treats them the same way.
var lineOptions = jsonv2.JoinOptions(
	jsontext.AllowDuplicateNames(true),
	jsontext.AllowInvalidUTF8(true),
	jsontext.PreserveRawStrings(true),
	jsonv2.MatchCaseInsensitiveNames(true),
)

// CheckLoaded reports whether the last [Load] into a store was completed. Call it before anything else reads the store.
//
// The error is [ErrIncomplete] if a load was interrupted, or that of the store or of ctx.
func CheckLoaded(ctx context.Context, s store.Store) error {
	interrupted, err := isLoading(ctx, s)
	if err == nil && interrupted {
		err = ErrIncomplete
	}
	return err
}

// isLoading reports whether a load into the store has begun and not ended.
func isLoading(ctx context.Context, s store.Store) (bool, error) {
	_, err := s.Get(ctx, loadingKey)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
