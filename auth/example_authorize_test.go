package auth_test

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/patchsource/patchsource/auth"
)

// An editor who changes every title but makes no tokens.
func ExampleAuthorize_editorWithoutTokens() {
	authorize := func(ctx context.Context, p auth.Principal, a auth.Action, t auth.Title) error {
		if p.Kind == auth.Editor && a == auth.ActionTokens {
			return auth.ErrDenied
		}
		return auth.Authorize(ctx, p, a, t)
	}

	ctx := context.Background()
	ann := auth.Principal{Grant: auth.Grant{Kind: auth.Editor, Name: "Ann"}}
	fmt.Println("change Composer:", authorize(ctx, ann, auth.ActionChange, auth.Title{ID: "Composer", UID: "1"}))
	fmt.Println("make a token:", authorize(ctx, ann, auth.ActionTokens, auth.Title{}))
	// Output:
	// change Composer: <nil>
	// make a token: permission denied
}

// A team that owns the titles whose ids begin with Team-. Its members have a name and no kind, so that the default
// policy denies them everything else.
func ExampleAuthorize_team() {
	team := []string{"Ann", "Bob"}
	authorize := func(ctx context.Context, p auth.Principal, a auth.Action, t auth.Title) error {
		own := strings.HasPrefix(strings.ToLower(t.ID), "team-") // ids are unique without regard to case
		unknown := a == auth.ActionCreate && t == (auth.Title{}) // the request was not read yet
		change := a == auth.ActionCreate || a == auth.ActionChange
		if slices.Contains(team, p.Name) && change && (own || unknown) {
			return nil
		}
		return auth.Authorize(ctx, p, a, t)
	}

	ctx := context.Background()
	ann := auth.Principal{Grant: auth.Grant{Name: "Ann"}}
	eve := auth.Principal{Grant: auth.Grant{Name: "Eve"}}
	xcode, composer := auth.Title{ID: "Team-Xcode", UID: "1"}, auth.Title{ID: "Composer", UID: "2"}
	fmt.Println("Ann creates Team-Slack:", authorize(ctx, ann, auth.ActionCreate, auth.Title{ID: "Team-Slack"}))
	fmt.Println("Ann changes Team-Xcode:", authorize(ctx, ann, auth.ActionChange, xcode))
	fmt.Println("Ann changes Composer:", authorize(ctx, ann, auth.ActionChange, composer))
	fmt.Println("Eve changes Team-Xcode:", authorize(ctx, eve, auth.ActionChange, xcode))
	// Output:
	// Ann creates Team-Slack: <nil>
	// Ann changes Team-Xcode: <nil>
	// Ann changes Composer: permission denied for title 'Composer'
	// Eve changes Team-Xcode: permission denied for title 'Team-Xcode'
}

// A person who may only read: signed in, with a name and without a kind. This is not the same as an anonymous caller,
// who is asked to sign in.
func ExampleAuthorize_readOnly() {
	ctx := context.Background()
	guest := auth.Principal{Grant: auth.Grant{Name: "Guest"}}
	xcode := auth.Title{ID: "Xcode", UID: "1"}
	fmt.Println("Guest changes Xcode:", auth.Authorize(ctx, guest, auth.ActionChange, xcode))
	fmt.Println("Guest makes a token:", auth.Authorize(ctx, guest, auth.ActionTokens, auth.Title{}))
	fmt.Println("anonymous:", auth.Authorize(ctx, auth.Principal{}, auth.ActionChange, xcode))
	// Output:
	// Guest changes Xcode: permission denied for title 'Xcode'
	// Guest makes a token: permission denied
	// anonymous: sign in, or send a token
}
