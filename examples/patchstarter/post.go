package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/patchsource/patchsource/httpapi/client"
	"github.com/patchsource/patchsource/patch"
)

// postTimeout bounds the call of the patch source.
const postTimeout = 2 * time.Minute

// post posts a definition or a version to a patch source, and prints the message of the answer.
func post(ctx context.Context, f *flags, id string, body []byte, env environment) error {
	if f.Token == "" {
		return errors.New("--url requires a token: set PATCHSOURCE_TOKEN or --token")
	}
	c, err := client.New(f.URL, &client.Options{Token: f.Token, UserAgent: "patchstarter"})
	if err != nil {
		return fmt.Errorf("--url: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, postTimeout)
	defer cancel()
	message, err := send(ctx, c, f, id, body)
	if err != nil {
		return fmt.Errorf("%s: %w", f.URL, err)
	}
	_, err = fmt.Fprintln(env.stdout, message)
	return err
}

// send sends a definition, or with --patch-only a version, and returns the message of the answer. The version is added
// at its place in the version order, because the application may be older than the newest version of the title.
func send(ctx context.Context, c *client.Client, f *flags, id string, body []byte) (message string, err error) {
	if !f.PatchOnly {
		def, err := patch.Parse(body, nil)
		if err != nil {
			return "", err
		}
		answer, err := c.Create(ctx, def)
		if err != nil {
			return "", err
		}
		return answer.Message, nil
	}
	version, err := patch.ParsePatch(body, nil)
	if err != nil {
		return "", err
	}
	answer, err := c.AddVersions(ctx, cmp.Or(f.Title, id), []patch.Patch{*version}, nil)
	if err != nil {
		return "", err
	}
	return answer.Message, nil
}
