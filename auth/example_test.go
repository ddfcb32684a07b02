package auth_test

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/store/memstore"
)

func Example() {
	ctx := context.Background()
	tokens, err := auth.Open(ctx, memstore.New(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	token, id, err := tokens.Issue(ctx, auth.Grant{Kind: auth.TitleToken, Titles: []string{"uid-1"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := tokens.Authenticate(ctx, token)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(auth.Authorize(ctx, p, auth.ActionChange, auth.Title{ID: "Composer", UID: "uid-1"}))
	fmt.Println(auth.Authorize(ctx, p, auth.ActionChange, auth.Title{ID: "Xcode", UID: "uid-2"}))
	fmt.Println(tokens.Revoke(ctx, id))
	_, err = tokens.Authenticate(ctx, token)
	fmt.Println(err)
	// Output:
	// <nil>
	// permission denied for title 'Xcode'
	// <nil>
	// the token is unknown, expired or revoked
}

// An embedder checks whether a session of its own has expired.
func ExamplePrincipal_CheckExpiry() {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	ann := auth.Principal{Grant: auth.Grant{Kind: auth.Editor, Name: "Ann", Expires: now.Add(time.Hour)}}
	fmt.Println(ann.CheckExpiry(now))
	fmt.Println(ann.CheckExpiry(now.Add(2 * time.Hour)))
	// Output:
	// <nil>
	// the sign-in has expired: sign in again
}

// The secret comes from a vault instead of a file.
func ExampleNewSecret() {
	fromVault := bytes.Repeat([]byte{7}, 32) // random bytes
	secret, err := auth.NewSecret(fromVault)
	fmt.Println(secret, err)
	_, err = auth.NewSecret([]byte("hunter2"))
	fmt.Println(err)
	// Output:
	// (secret) <nil>
	// auth: a secret needs at least 32 random bytes, got 7
}

// A recovered token ends the owner's other tokens when it is first used, and not before.
func ExampleService_Recover() {
	ctx := context.Background()
	tokens, err := auth.Open(ctx, memstore.New(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	g := auth.Grant{Kind: auth.Contributor, Contributor: "ann"}
	lost, _, err := tokens.Issue(ctx, g)
	if err != nil {
		fmt.Println(err)
		return
	}
	mailed, _, err := tokens.Recover(ctx, g)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, token := range []string{lost, mailed, lost} {
		_, err := tokens.Authenticate(ctx, token)
		fmt.Println(err)
	}
	// Output:
	// <nil>
	// <nil>
	// the token is unknown, expired or revoked
}
