package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/internal/limit"
	"github.com/patchsource/patchsource/httpapi/internal/problem"
	"github.com/patchsource/patchsource/httpapi/internal/trace"
	"github.com/patchsource/patchsource/httpapi/internal/upload"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/archive"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/recipe"
)

// Matches that several rows have.
var (
	ofTitle     = problem.As[*catalog.TitleError]()
	ofVersion   = problem.As[*patch.VersionError]()
	unavailable = problem.Is(catalog.ErrUnavailable)
)

// problems says how every error is answered. The first row that matches an error decides, so the order counts. Where a
// row has no message, the error's own text is the message.
var problems = problem.Table{
	{
		Match:   diskFull,
		Code:    wire.CodeInsufficientStorage,
		Message: problem.Text("The server's disk is full: its administrator has to free space on it."),
		Detail:  problem.Nothing,
	},
	{
		Match:  problem.As[*upload.Error](),
		Status: http.StatusServiceUnavailable,
		Code:   wire.CodeInternal,
		Message: problem.Text("The server cannot write what was sent to its disk: try again later. " +
			"Its log says why, under the id in this answer."),
		Detail: problem.Nothing,
	},
	{ // before that of ErrUpstream, of which it is a kind
		Match:   problem.But(problem.Is(ErrFeed), unavailable),
		Code:    wire.CodeUpstreamFailure,
		Message: feedMessage,
	},
	{ // before the rows of its causes: an invalid definition of an upstream is not the client's
		Match:    problem.But(problem.Is(ErrUpstream), unavailable),
		Code:     wire.CodeUpstreamFailure,
		Message:  prefixed("The definition could not be fetched, and nothing was changed: "),
		Failures: failuresOf,
	},
	{Match: problem.But(problem.Is(auth.ErrUnauthorized), unavailable), Code: wire.CodeUnauthorized},
	{
		Match: problem.Is(ErrMail),
		Code:  wire.CodeMailFailure,
		Message: problem.Text("The mail could not be sent, so nothing was created: " +
			"check the address, or try again later."),
		Detail: func(error) any { return "the mail could not be sent" },
	},
	{ // before the rest: errors that a store wraps are not shown
		Match:   problem.Is(catalog.ErrUnavailable, auth.ErrUnavailable),
		Status:  http.StatusServiceUnavailable,
		Code:    wire.CodeInternal,
		Message: problem.Text("The server cannot reach its storage at the moment: try again later."),
		Detail:  problem.Nothing,
	},
	{
		Match:   problem.Ended,
		Status:  http.StatusServiceUnavailable,
		Code:    wire.CodeInternal,
		Message: problem.Text("The request was not answered in time: try again later."),
		Detail:  problem.Nothing,
	},
	{Match: problem.As[*faultsError](), Code: wire.CodeDamaged},
	{
		Match:   problem.Is(limit.ErrBusy),
		Code:    wire.CodeBusy,
		Message: func(err error) string { return problem.Sentence(err.Error() + ": try again in a few seconds") },
	},
	{
		Match:    problem.As[*restoreError](),
		Code:     wire.CodeRestoreFailure,
		Message:  problem.With(func(e *restoreError) string { return e.message }),
		Detail:   func(error) any { return "nothing was restored" },
		Failures: problem.With(func(e *restoreError) []patch.Failure { return e.members }),
	},
	{Match: problem.Is(archive.ErrNoArchive), Code: wire.CodeBadRequest},
	{Match: problem.Is(ErrNoWebhook), Code: wire.CodeWebhookNotFound},
	{
		Match: problem.Is(ErrNoDelivery),
		Code:  wire.CodeNotFound,
		Message: problem.Text("The webhook has no delivery with this id, or one that is too old to be listed: " +
			"see the list of its deliveries."),
	},
	{
		Match:   problem.Both(problem.Is(ErrNotWatched), ofTitle),
		Code:    wire.CodeNotFound,
		Message: titleMessage("Title '%s' follows no release feed."),
		Detail:  titleDetail,
	},
	{Match: problem.Is(ErrNotWatched), Code: wire.CodeNotFound},
	{Match: problem.Is(ErrNoProposal), Code: wire.CodeNotFound},
	{
		Match: problem.Is(ErrNoJob),
		Code:  wire.CodeNotFound,
		Message: problem.Text("There is no job with this id. A job is kept for a day after it has ended, " +
			"unless there are 100 newer ones."),
	},
	{
		Match: problem.Is(ErrTooManyJobs),
		Code:  wire.CodeBusy,
		Message: problem.Text("Too many restores and imports wait on this server, and nothing was changed: send this " +
			"again when one of them has ended."),
	},
	{
		Match:   problem.Is(ErrWatchReadOnly),
		Code:    wire.CodeForbidden,
		Message: problem.Text("The release feed of this title comes from a recipe in a file: change it there."),
	},
	{
		Match:   problem.Both(problem.Is(catalog.ErrNoDraft), ofTitle),
		Code:    wire.CodeDraftNotFound,
		Message: titleMessage("Title '%s' has no draft."),
		Detail:  titleDetail,
	},
	{
		Match: problem.As[*catalog.DraftConflictError](),
		Code:  wire.CodeDraftConflict,
		Message: problem.Text("The title has changed since the draft was begun, and nothing was changed. " +
			"Compare the draft with the title as it is now, save the draft with ?base= and the title's ETag, " +
			"and publish it again."),
		Detail: problem.With(func(e *catalog.DraftConflictError) any {
			return wire.DraftConflict{Base: e.Base, Draft: e.Draft, Current: e.Current}
		}),
	},
	{
		Match: problem.Both(problem.Is(catalog.ErrDraft), ofTitle),
		Code:  wire.CodeDatabaseConflict,
		Message: titleMessage("Title '%s' has a draft, which would be lost: publish or discard it first. " +
			"Nothing was changed."),
		Detail: titleDetail,
	},
	{
		Match:   problem.Is(catalog.ErrNoRevision),
		Code:    wire.CodeVersionNotFound,
		Message: problem.Text("The title's history does not have this revision: list the history for those it has."),
	},
	{
		Match:    problem.As[*patch.ValidationError](),
		Code:     wire.CodeInvalidJSON,
		Message:  problem.With(invalidMessage),
		Detail:   func(error) any { return "validation failed" },
		Failures: failuresOf,
	},
	{
		Match:   problem.As[*patch.SyntaxError](),
		Code:    wire.CodeInvalidJSON,
		Message: problem.With(syntaxMessage),
		Detail:  problem.With(func(e *patch.SyntaxError) any { return trace.Shorten(e.Error()) }),
	},
	{Match: problem.Is(patch.ErrInvalid), Code: wire.CodeInvalidJSON},
	{
		Match:   problem.Is(recipe.ErrForm),
		Code:    wire.CodeInvalidJSON,
		Message: func(err error) string { return problem.Sentence(err.Error()) },
	},
	{Match: problem.Is(patch.ErrTooLarge), Code: wire.CodeTooLarge},
	{
		Match: problem.Is(patch.ErrTooManySteps),
		Code:  wire.CodeTooLarge,
		Message: problem.Text("The evaluation takes too many steps: send fewer computers at once, or a simpler " +
			"definition."),
	},
	{Match: problem.As[*http.MaxBytesError](), Code: wire.CodeTooLarge},
	{Match: problem.Is(problem.ErrMediaType), Code: wire.CodeUnsupportedMediaType},
	{Match: problem.As[*problem.RequestError](), Code: wire.CodeBadRequest},
	{
		Match:   problem.Both(problem.Is(patch.ErrPosition), ofVersion),
		Code:    wire.CodeBadRequest,
		Message: versionMessage("The title has no version '%s' to insert beside, and nothing was added."),
	},
	{
		Match:   problem.Both(problem.Is(patch.ErrLastVersion), ofVersion),
		Code:    wire.CodeBadRequest,
		Message: versionMessage("Version '%s' is the last one, and a title must have one: delete the title instead."),
	},
	{
		Match:   problem.Is(auth.ErrLastAdministrator),
		Code:    wire.CodeLastAdministrator,
		Message: problem.Text(lastAdministratorMessage),
	},
	{Match: problem.As[*LimitedError](), Code: wire.CodeRateLimited},
	{Match: problem.Is(auth.ErrTooMany), Code: wire.CodeRateLimited},
	{Match: problem.Is(auth.ErrGrant), Code: wire.CodeBadRequest},
	{Match: problem.Is(auth.ErrNotFound), Code: wire.CodeTokenNotFound},
	{Match: problem.Is(auth.ErrDenied, auth.ErrClaimed, errCrossSite, errSwitchedOff), Code: wire.CodeForbidden},
	{
		Match:   problem.Both(problem.Is(catalog.ErrSynced), ofTitle),
		Code:    wire.CodeForbidden,
		Message: problem.With(syncedMessage),
		Detail:  problem.With(func(e *catalog.TitleError) any { return trace.Shorten(trace.URL(e.Follows)) }),
	},
	{Match: problem.Is(catalog.ErrSynced), Code: wire.CodeForbidden},
	{Match: problem.Is(archive.ErrMember), Code: wire.CodeBadRequest},
	{
		Match:   problem.Both(problem.Is(ErrNotFollowed), ofTitle),
		Code:    wire.CodeTitleNotFound,
		Message: titleMessage("Title '%s' follows no source."),
	},
	{
		Match:   problem.Is(ErrNotFollowed),
		Code:    wire.CodeBadRequest,
		Message: prefixed("There is no upstream to synchronize with or to unsubscribe from: "),
	},
	{
		Match:   problem.Both(problem.Is(catalog.ErrNotFound), ofTitle),
		Code:    wire.CodeTitleNotFound,
		Message: titleMessage("There is no title '%s'."),
		Detail:  titleDetail,
	},
	{
		Match:   problem.Both(problem.Is(patch.ErrVersionNotFound), ofVersion),
		Code:    wire.CodeVersionNotFound,
		Message: versionMessage("The title has no version '%s'."),
		Detail:  versionDetail,
	},
	{
		Match: problem.Both(problem.Is(patch.ErrVersionExists), ofVersion),
		Code:  wire.CodeDatabaseConflict,
		Message: versionMessage("Version '%s' exists already, and nothing was added. " +
			"Remove it first to replace it."),
		Detail: versionDetail,
	},
	{
		Match: problem.Both(problem.Is(ErrConflict), ofTitle),
		Code:  wire.CodeDatabaseConflict,
		Message: titleMessage("Another author's title has the id '%s', and nothing was created. " +
			"Use another id, or ask an administrator of this server."),
		Detail: titleDetail,
	},
	{Match: problem.Is(ErrConflict), Code: wire.CodeDatabaseConflict},
	{
		Match: problem.Both(problem.As[*recipeTaken](), ofTitle),
		Code:  wire.CodeDatabaseConflict,
		Message: titleMessage("There is a title '%[1]s' already (upper and lower case are the same), and nothing was " +
			"created. To make it follow the feed, send the recipe's feed and policy to " +
			"PUT /api/v1/titles/%[1]s/watch, or use another id."),
		Detail: titleDetail,
	},
	{
		Match: problem.Both(problem.Is(catalog.ErrExistsDisabled), ofTitle),
		Code:  wire.CodeDatabaseConflict,
		Message: titleMessage("The id '%s' is that of a draft or of a disabled title, and nothing was created. " +
			"Publish its draft (POST /api/v1/titles/%[1]s/draft/publish), delete it, or use another id."),
		Detail: titleDetail,
	},
	{
		Match: problem.Both(problem.Is(catalog.ErrExists), ofTitle),
		Code:  wire.CodeDatabaseConflict,
		Message: titleMessage("There is a title '%s' already (upper and lower case are the same), " +
			"and nothing was created. Change it with PUT, or use another id."),
		Detail: titleDetail,
	},
	{Match: problem.Is(catalog.ErrIDDiffers), Code: wire.CodeDatabaseConflict, Message: renameMessage},
	{
		Match: problem.Is(errDraftChanged),
		Code:  wire.CodePreconditionFailed,
		Message: problem.Text("The draft, or the title that base names, is not as the request demands by If-Match, " +
			"If-None-Match or base. Read both again, and send their ETags as they are, with the quotes."),
	},
	{
		Match: problem.Is(catalog.ErrPrecondition),
		Code:  wire.CodePreconditionFailed,
		Message: problem.Text("If-Match is not the title's present ETag: the title has changed since it was read. " +
			"Read it again, and send its ETag as it is, with the quotes."),
	},
	problem.Method,
	problem.Path,
}

const lastAdministratorMessage = "This is the last administrator's token, and without one this server cannot be " +
	"administered until it is started again. Tokens that were made with it end with it, and do not count. " +
	"To replace it, delete the file of the server's first token and start the server again: it makes another token, " +
	"with which you can revoke this one. To revoke it all the same, add ?confirm=" + confirmLastAdministrator + "."

// diskFull matches the uploads for which the disk has no space.
func diskFull(err error) bool {
	var failed *upload.Error
	return errors.As(err, &failed) && failed.Full()
}

// prefixed returns a message that begins with a text and ends with the error's.
func prefixed(text string) func(error) string {
	return func(err error) string { return text + err.Error() + "." }
}

// titleMessage returns a message with the id of the error's title.
func titleMessage(format string) func(error) string {
	return problem.With(func(e *catalog.TitleError) string { return fmt.Sprintf(format, trace.Shorten(e.ID)) })
}

func titleDetail(err error) any {
	return problem.With(func(e *catalog.TitleError) any { return trace.Shorten(e.ID) })(err)
}

// versionMessage returns a message with the error's version.
func versionMessage(format string) func(error) string {
	return problem.With(func(e *patch.VersionError) string { return fmt.Sprintf(format, trace.Shorten(e.Version)) })
}

func versionDetail(err error) any {
	return problem.With(func(e *patch.VersionError) any { return trace.Shorten(e.Version) })(err)
}

// feedMessage returns the text of an error, which may end with a full stop, as sentences.
func feedMessage(err error) string {
	return problem.Sentence(strings.TrimSuffix(err.Error(), ".")) + " Nothing was changed."
}

func syncedMessage(e *catalog.TitleError) string {
	return fmt.Sprintf("Title '%s' follows %s and cannot be changed here: change it there, or delete it here.",
		e.ID, trace.URL(e.Follows))
}

func renameMessage(err error) string {
	return problem.Sentence(err.Error()) +
		" A title cannot be renamed: create another one, or send the id that it has."
}

func syntaxMessage(e *patch.SyntaxError) string { return "The JSON cannot be read: " + e.Error() + "." }

func invalidMessage(e *patch.ValidationError) string {
	message := "The request is invalid, and nothing was changed: " + e.Error() + "."
	if e.Truncated {
		message += fmt.Sprintf(" Only the first %d failures are listed.", len(e.Failures))
	}
	return message
}

// failuresOf returns the failures of a validation error, and nil for any other error.
func failuresOf(err error) []patch.Failure {
	var invalid *patch.ValidationError
	if !errors.As(err, &invalid) {
		return nil
	}
	return invalid.Failures
}
