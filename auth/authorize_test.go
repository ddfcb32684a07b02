package auth_test

import (
	"errors"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
)

// TestAuthorize checks the default policy: each principal against each action.
func TestAuthorize(t *testing.T) {
	var (
		none   = auth.Title{}
		fresh  = auth.Title{ID: "Composer_macman", Contributor: "c-1"}
		own    = auth.Title{ID: "Composer", UID: "u-1", Contributor: "c-1"}
		other  = auth.Title{ID: "Xcode", UID: "u-2", Contributor: "c-2"}
		orphan = auth.Title{ID: "Firefox", UID: "u-3"}
	)
	requests := []struct {
		name   string
		action auth.Action
		title  auth.Title
	}{
		{"create", auth.ActionCreate, fresh},
		{"change own", auth.ActionChange, own},
		{"change other", auth.ActionChange, other},
		{"change orphan", auth.ActionChange, orphan},
		{"change none", auth.ActionChange, none},
		{"tokens", auth.ActionTokens, none},
		{"tokens own", auth.ActionTokens, own},
		{"tokens other", auth.ActionTokens, other},
		{"administer", auth.ActionAdminister, none},
		{"unknown", auth.Action("fly"), none},
	}
	all := map[string]bool{}
	for _, r := range requests {
		all[r.name] = true
	}
	editor := map[string]bool{}
	for name := range all {
		editor[name] = name != "administer" && name != "unknown"
	}
	for _, c := range []struct {
		name string
		p    auth.Principal
		want map[string]bool
		err  error // for all other requests
	}{
		{"administrator", auth.Principal{Grant: auth.Grant{Kind: auth.Administrator}}, all, auth.ErrDenied},
		{"editor", auth.Principal{Grant: auth.Grant{Kind: auth.Editor}}, editor, auth.ErrDenied},
		{
			"contributor", auth.Principal{Grant: auth.Grant{Kind: auth.Contributor, Contributor: "c-1"}},
			map[string]bool{"create": true, "change own": true, "tokens": true, "tokens own": true}, auth.ErrDenied,
		},
		{
			"contributor without an id", auth.Principal{Grant: auth.Grant{Kind: auth.Contributor}},
			nil, auth.ErrDenied,
		},
		{
			"title token", auth.Principal{Grant: auth.Grant{Kind: auth.TitleToken, Titles: []string{"u-1"}}},
			map[string]bool{"change own": true, "tokens": true, "tokens own": true}, auth.ErrDenied,
		},
		{"name without a kind", auth.Principal{Grant: auth.Grant{Name: "Ann"}}, nil, auth.ErrDenied},
		{"token id without a kind", auth.Principal{TokenID: "ann"}, nil, auth.ErrDenied},
		{"unknown kind", auth.Principal{Grant: auth.Grant{Kind: "intern"}}, nil, auth.ErrDenied},
		{"zero principal", auth.Principal{}, nil, auth.ErrUnauthorized},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.p.Anonymous(); got != (c.err == auth.ErrUnauthorized) {
				t.Errorf("Anonymous() = %v, want %v", got, !got)
			}
			if c.p.HasToken() {
				t.Error("HasToken() = true for a principal of another authentication")
			}
			for _, r := range requests {
				err := auth.Authorize(t.Context(), c.p, r.action, r.title)
				switch {
				case c.want[r.name] && err != nil:
					t.Errorf("%s: %v, want nil", r.name, err)
				case !c.want[r.name] && !errors.Is(err, c.err):
					t.Errorf("%s: %v, want %v", r.name, err, c.err)
				}
			}
		})
	}
}

func TestCheckExpiry(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name    string
		expires time.Time
		want    error
	}{
		{"never", time.Time{}, nil},
		{"later", now.Add(time.Nanosecond), nil},
		{"now", now, auth.ErrUnauthorized},
		{"earlier", now.Add(-time.Hour), auth.ErrUnauthorized},
	} {
		p := auth.Principal{Grant: auth.Grant{Name: "Ann", Expires: c.expires}}
		if err := p.CheckExpiry(now); !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}
