package auth

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// An Action is something that a principal asks to do.
type Action string

// The actions that are subject to authorization.
const (
	// ActionCreate creates a title. Without a title, before the request is read, it asks whether the principal may
	// create any.
	ActionCreate Action = "create"
	// ActionChange changes, deletes, synchronizes or undoes a title, and reads its synchronization state. Without a
	// title, it asks whether the principal may change every one.
	ActionChange Action = "change"
	// ActionTokens lists, makes and revokes tokens. With a title, it asks whether the principal may make a token for
	// it.
	ActionTokens Action = "tokens"
	// ActionAdminister manages webhooks, mirrors and contributors' names, restores, imports, and reads full backups.
	ActionAdminister Action = "administer"
)

// A Title is what an authorization decision knows about a title. The zero Title means no particular title.
type Title struct {
	// ID is the title's id. Ids are unique without regard to case.
	ID string
	// UID identifies the title for as long as it exists. It is empty for a title that is about to be created.
	UID string
	// Contributor is the id of the contributor that owns the title. It is empty if no contributor does.
	Contributor string
}

// Authorize is the default policy: it decides by the principal's kind whether p may perform an action on a title.
//
//   - An [Administrator] may do everything.
//   - An [Editor] may do everything but ActionAdminister.
//   - A [Contributor] may create titles, and change those that its contributor owns.
//   - A [TitleToken] may change the titles whose UIDs it names.
//   - Any other principal may do nothing.
//
// A contributor and a title token may also perform ActionTokens: without a title, and for a title that they may change.
// The grant of a token is checked further by [Service.IssueFor].
//
// Authorize does not look at a clock; see [Principal.CheckExpiry]. ctx is for policies that have to look something up;
// this one does not use it.
//
// It returns an error that is [ErrUnauthorized] if p is anonymous, and one that is [ErrDenied] if p is known but the
// action is not permitted.
func Authorize(_ context.Context, p Principal, a Action, t Title) error {
	if p.Anonymous() {
		return &unauthorizedError{"sign in, or send a token"}
	}
	allowed := false
	switch p.Kind {
	case Administrator:
		allowed = true
	case Editor:
		allowed = a == ActionCreate || a == ActionChange || a == ActionTokens
	case Contributor:
		allowed = p.Contributor != "" && (a == ActionCreate || p.allowedOwn(a, t))
	case TitleToken:
		allowed = len(p.Titles) > 0 && p.allowedOwn(a, t)
	}
	if allowed {
		return nil
	}
	return denied(a, t)
}

// allowedOwn reports whether the owner of some titles may perform an action on a title.
func (p Principal) allowedOwn(a Action, t Title) bool {
	switch a {
	case ActionChange:
		return p.owns(t)
	case ActionTokens:
		return t == (Title{}) || p.owns(t)
	}
	return false
}

// denied returns the [ErrDenied] for an action.
func denied(a Action, t Title) error {
	switch {
	case a == ActionAdminister:
		return fmt.Errorf("%w: only an administrator may do this", ErrDenied)
	case a == ActionCreate:
		return fmt.Errorf("%w: only administrators, editors and contributors create titles", ErrDenied)
	case t.ID != "":
		return fmt.Errorf("%w for title '%s'", ErrDenied, t.ID)
	}
	return ErrDenied
}

// owns reports whether p is the contributor of a title, or holds a token for it.
func (p Principal) owns(t Title) bool {
	switch p.Kind {
	case Contributor:
		return t.Contributor != "" && p.Contributor == t.Contributor
	case TitleToken:
		return t.UID != "" && slices.Contains(p.Titles, t.UID)
	}
	return false
}

// Anonymous reports whether p identifies no caller: it is the zero Principal, but for its Expires. A principal with a
// TokenID or a Name but without a Kind is signed in, and [Authorize] denies it everything.
func (p Principal) Anonymous() bool {
	return p.TokenID == "" && p.Name == "" && p.Kind == "" && p.Contributor == "" && len(p.Titles) == 0
}

// HasToken reports whether p was authenticated by a token of a [Service]. It is false for the principals that an
// embedder makes.
func (p Principal) HasToken() bool { return p.issued }

// CheckExpiry returns an error that is [ErrUnauthorized] if p has expired at a time. Package httpapi calls it for every
// principal; a [Service] never returns an expired one.
func (p Principal) CheckExpiry(now time.Time) error {
	if !p.Expires.IsZero() && !now.Before(p.Expires) {
		return &unauthorizedError{"the sign-in has expired: sign in again"}
	}
	return nil
}

// An unauthorizedError is an [ErrUnauthorized] with a message of its own.
type unauthorizedError struct{ message string }

func (e *unauthorizedError) Error() string { return e.message }

// Is makes an unauthorizedError an ErrUnauthorized.
func (e *unauthorizedError) Is(target error) bool { return target == ErrUnauthorized }
