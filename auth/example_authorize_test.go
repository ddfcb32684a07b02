package auth_test

import (
	"context"
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
	report("change Composer", authorize(ctx, ann, auth.ActionChange, auth.Title{ID: "Composer", UID: "1"}))
	report("make tokens", authorize(ctx, ann, auth.ActionTokens, auth.Title{}))
	// Output:
	// change Composer: yes
	// make tokens: no
}

// A team that owns the titles whose ids begin with Team-. Its members have a name and no kind, so that the default
// policy, which decides about everything else, denies them the rest.
func ExampleAuthorize_team() {
	team := []string{"Ann", "Bob"}
	authorize := func(ctx context.Context, p auth.Principal, a auth.Action, t auth.Title) error {
		own := strings.HasPrefix(strings.ToLower(t.ID), "team-") // ids are unique without regard to case
		some := a == auth.ActionCreate && t == (auth.Title{})    // the id is not known yet
		if slices.Contains(team, p.Name) && (some || own && (a == auth.ActionCreate || a == auth.ActionChange)) {
			return nil
		}
		return auth.Authorize(ctx, p, a, t)
	}

	ctx := context.Background()
	ann := auth.Principal{Grant: auth.Grant{Name: "Ann"}}
	eve := auth.Principal{Grant: auth.Grant{Name: "Eve"}}
	report("Ann creates Team-Xcode", authorize(ctx, ann, auth.ActionCreate, auth.Title{ID: "Team-Xcode"}))
	report("Ann changes Team-Xcode", authorize(ctx, ann, auth.ActionChange, auth.Title{ID: "Team-Xcode", UID: "2"}))
	report("Ann changes Composer", authorize(ctx, ann, auth.ActionChange, auth.Title{ID: "Composer", UID: "1"}))
	report("Eve changes Team-Xcode", authorize(ctx, eve, auth.ActionChange, auth.Title{ID: "Team-Xcode", UID: "2"}))
	// Output:
	// Ann creates Team-Xcode: yes
	// Ann changes Team-Xcode: yes
	// Ann changes Composer: no
	// Eve changes Team-Xcode: no
}

// A person who may only read: signed in, with a name and without a kind. The default policy is enough.
func ExampleAuthorize_readOnly() {
	ctx := context.Background()
	guest := auth.Principal{Grant: auth.Grant{Name: "Guest"}}
	report("create Xcode", auth.Authorize(ctx, guest, auth.ActionCreate, auth.Title{ID: "Xcode"}))
	report("make tokens", auth.Authorize(ctx, guest, auth.ActionTokens, auth.Title{}))
	report("nobody creates Xcode", auth.Authorize(ctx, auth.Principal{}, auth.ActionCreate, auth.Title{ID: "Xcode"}))
	// Output:
	// create Xcode: no
	// make tokens: no
	// nobody creates Xcode: sign in, or send a token
}
