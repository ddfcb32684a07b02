package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/patchsource/patchsource/httpapi/client"
	"github.com/patchsource/patchsource/patch"
)

const postTimeout = 2 * time.Minute

// post hands what was made to a patch source, and says what that answers.
func post(ctx context.Context, f *flags, id string, body []byte, env environment) error {
	if f.Token == "" {
		return errors.New("--url needs a token: set PATCHSOURCE_TOKEN, or give --token")
	}
	c, err := client.New(f.URL, &client.Options{Token: f.Token, UserAgent: "patchstarter"})
	if err != nil {
		return fmt.Errorf("--url: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, postTimeout)
	defer cancel()
	var message string
	if f.PatchOnly {
		if f.Title != "" {
			id = f.Title
		}
		version, err := patch.ParsePatch(body, nil)
		if err != nil {
			return err
		}
		// By version order: the application may be older than what is there.
		answer, err := c.AddVersions(ctx, id, []patch.Patch{*version}, nil)
		if err != nil {
			return fmt.Errorf("%s: %w", f.URL, err)
		}
		message = answer.Message
	} else {
		def, err := patch.Parse(body, nil)
		if err != nil {
			return err
		}
		answer, err := c.Create(ctx, def)
		if err != nil {
			return fmt.Errorf("%s: %w", f.URL, err)
		}
		message = answer.Message
	}
	_, err = fmt.Fprintln(env.stdout, message)
	return err
}
