package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

const (
	postTimeout = time.Minute
	maxAnswer   = 1 << 20
)

// post hands what was made to a patch source, and says what that answers.
func post(ctx context.Context, f *flags, id string, body []byte, env environment) error {
	if f.Token == "" {
		return errors.New("--url needs a token: set PATCHSOURCE_TOKEN, or give --token")
	}
	base, err := url.Parse(f.URL)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return fmt.Errorf("--url %s: it must be an address such as https://patches.example.com", f.URL)
	}
	target := base.JoinPath("api/v1/title")
	if f.PatchOnly {
		if f.Title != "" {
			id = f.Title
		}
		target = target.JoinPath(url.PathEscape(id), "version")
	}
	ctx, cancel := context.WithTimeout(ctx, postTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+f.Token)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "patchstarter")
	// A redirect would take the token elsewhere, and lose the body.
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return err
	}
	var says struct{ Message string }
	if json.Unmarshal(answer, &says) != nil || says.Message == "" {
		says.Message = "no message"
	}
	if res.StatusCode != http.StatusCreated {
		return fmt.Errorf("%s answers %s: %s", target, res.Status, says.Message)
	}
	_, err = fmt.Fprintln(env.stdout, says.Message)
	return err
}
