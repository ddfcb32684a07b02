package wire

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	"github.com/patchsource/patchsource/patch"
)

// The codes of an [Error].
const (
	CodeBadRequest           = "bad_request"
	CodeBusy                 = "busy"
	CodeDamaged              = "damaged"
	CodeDatabaseConflict     = "database_conflict"
	CodeDraftConflict        = "draft_conflict"
	CodeDraftNotFound        = "draft_not_found"
	CodeForbidden            = "forbidden"
	CodeInsufficientStorage  = "insufficient_storage"
	CodeInternal             = "internal"
	CodeInvalidJSON          = "invalid_json"
	CodeLastAdministrator    = "last_administrator"
	CodeMailFailure          = "mail_failure"
	CodeMethodNotAllowed     = "method_not_allowed"
	CodeNotFound             = "not_found"
	CodePreconditionFailed   = "precondition_failed"
	CodeRateLimited          = "rate_limited"
	CodeRestoreFailure       = "restore_failure"
	CodeTitleNotFound        = "title_not_found"
	CodeTokenNotFound        = "token_not_found"
	CodeTooLarge             = "too_large"
	CodeUnauthorized         = "unauthorized"
	CodeUnsupportedMediaType = "unsupported_media_type"
	CodeUpstreamFailure      = "upstream_failure"
	CodeVersionNotFound      = "version_not_found"
	CodeWebhookNotFound      = "webhook_id_not_found"
)

// An Error is the body of every answer that is not a success. Its members are message, a member that is named by the
// code and holds the detail, and, where they apply, errors and error. They are in alphabetical order.
type Error struct {
	// Message says what failed and how to correct it, in one or more sentences.
	Message string
	// Code names the kind of the error. It is one of the constants of this package.
	Code string
	// Detail is the value of the member that Code names: for most codes a string, for [CodeInternal] the request id,
	// for [CodeDatabaseConflict] the id that is taken. It may be nil, which is written as null.
	Detail any
	// Failures are all failures of a validation, in the member errors. If nil, the member is absent.
	Failures []patch.Failure
	// Simple adds the message as the member error, for clients of Stupid Simple Patch Server.
	Simple bool
}

// The names of the members that are the same in all errors.
const (
	memberMessage  = "message"
	memberFailures = "errors"
	memberError    = "error"
)

// MarshalJSON implements [json.Marshaler].
func (e Error) MarshalJSON() ([]byte, error) {
	members := map[string]any{memberMessage: e.Message, e.Code: e.Detail}
	if e.Failures != nil {
		members[memberFailures] = e.Failures
	}
	if e.Simple {
		members[memberError] = e.Message
	}
	// The encoder that called MarshalJSON decides whether HTML is escaped: it cannot undo what is escaped here.
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(members)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// UnmarshalJSON implements [json.Unmarshaler]. Members of another type than that of the contract are left out, so that
// the rest of an error is not lost. If several members could be the code, the first in alphabetical order is.
func (e *Error) UnmarshalJSON(data []byte) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return err
	}
	*e = Error{}
	if json.Unmarshal(members[memberMessage], &e.Message) != nil {
		e.Message = ""
	}
	if json.Unmarshal(members[memberFailures], &e.Failures) != nil {
		e.Failures = nil
	}
	_, e.Simple = members[memberError]
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if name != memberMessage && name != memberFailures && name != memberError {
			e.Code = name
			return json.Unmarshal(members[name], &e.Detail)
		}
	}
	return nil
}
