package client_test

import (
	"context"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/auth/mail"
	"github.com/patchsource/patchsource/httpapi/client"
	"github.com/patchsource/patchsource/httpapi/server"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/store/memstore"
)

func version(v string) patch.Patch {
	return patch.Patch{Version: v, ReleaseDate: "2018-02-02T17:39:58Z", MinimumOperatingSystem: "10.9"}
}

func definition(id string, versions ...string) *patch.Definition {
	d := &patch.Definition{
		ID:        id,
		Name:      id,
		Publisher: "P",
		Requirements: []patch.Criterion{
			{Name: "Application Title", Operator: "is", Value: id, Type: "recon", And: new(true)},
		},
	}
	for _, v := range versions {
		d.Patches = append(d.Patches, version(v))
	}
	return d
}

// An inbox keeps the messages that are sent.
type inbox chan mail.Message

func (b inbox) Send(_ context.Context, m mail.Message) error {
	b <- m
	return nil
}

// find waits for the next message and returns what a pattern matches in it.
func (b inbox) find(t testing.TB, pattern string) string {
	t.Helper()
	select {
	case m := <-b:
		if found := regexp.MustCompile(pattern).FindString(m.Text); found != "" {
			return found
		}
		t.Fatalf("the message has no %s:\n%s", pattern, m.Text)
	case <-t.Context().Done():
		t.Fatal("no message was sent")
	}
	return ""
}

// A testServer is a running patch source that has everything.
type testServer struct {
	address string
	token   string // an administrator's
	mails   inbox
}

func serve(t testing.TB) testServer {
	t.Helper()
	secret, _, err := auth.LoadSecret(filepath.Join(t.TempDir(), "secret"))
	if err != nil {
		t.Fatal(err)
	}
	s := testServer{mails: make(inbox, 10)}
	source, err := server.Open(t.Context(), server.Config{
		Store:                memstore.New(),
		Secret:               secret,
		Mailer:               s.mails,
		FallbackSite:         "https://patches.example.com",
		AllowPrivateNetworks: true,
		Limits:               server.Limits{Requests: -1},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = source.Close() })
	s.token, _, err = source.Tokens.Issue(t.Context(), auth.Grant{Kind: auth.Administrator})
	if err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(source)
	t.Cleanup(listener.Close)
	s.address = listener.URL
	return s
}

// connect returns a client of a new server, with an administrator's token.
func connect(t testing.TB) *client.Client {
	t.Helper()
	s := serve(t)
	return clientOf(t, s.address+"/", s.token)
}

func clientOf(t testing.TB, address, token string) *client.Client {
	t.Helper()
	c, err := client.New(address, &client.Options{Token: token})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// errOf drops the value of a call of which a test needs the error.
func errOf[T any](_ T, err error) error { return err }
