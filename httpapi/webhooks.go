package httpapi

import (
	"fmt"
	"net/http"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/internal/answer"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/sync/webhook"
)

// A listedHook is a webhook in the answer to listHooks: Patch Server's members, and
// ours.
type listedHook struct {
	ID             string         `json:"id"`
	URL            string         `json:"url"`
	Enabled        bool           `json:"enabled"`
	VerifySSL      bool           `json:"verify_ssl"`
	SendDefinition bool           `json:"send_definition"`
	Format         webhook.Format `json:"format"`
	Signed         bool           `json:"signed"`
	Events         []string       `json:"events"`
	Titles         []string       `json:"titles"`
	Pending        int            `json:"pending"`
	Dropped        int            `json:"dropped"`
	Failures       int            `json:"failures"`
	LastAttempt    *time.Time     `json:"last_attempt"`
	LastSuccess    *time.Time     `json:"last_success"`
	NextAttempt    *time.Time     `json:"next_attempt"`
	LastError      *string        `json:"last_error"`
	Status         int            `json:"last_status,omitempty"`
}

func (a *api) listHooks(w http.ResponseWriter, r *http.Request) error {
	if _, err := a.access.permitted(r, auth.ActionAdminister); err != nil {
		return err
	}
	all := []listedHook{}
	for _, s := range a.hooks.List() {
		h := s.Hook
		one := listedHook{
			ID:             h.ID,
			URL:            h.URL,
			Enabled:        h.Enabled,
			VerifySSL:      h.VerifySSL,
			SendDefinition: h.SendDefinition,
			Format:         h.Format,
			Signed:         s.Signed,
			Events:         []string{},
			Titles:         []string{},
			Pending:        s.Pending,
			Dropped:        s.Dropped,
			Failures:       s.Failures,
			LastAttempt:    instant(s.LastAttempt),
			LastSuccess:    instant(s.LastSuccess),
			NextAttempt:    instant(s.NextAttempt),
			Status:         s.Status,
		}
		for _, kind := range h.Events {
			one.Events = append(one.Events, webhook.NameOf(kind))
		}
		one.Titles = append(one.Titles, h.Titles...)
		if s.LastError != "" {
			one.LastError = &s.LastError
		}
		all = append(all, one)
	}
	w.Header().Set("Cache-Control", "no-store")
	answer.WriteJSON(w, http.StatusOK, all)
	return nil
}

func (a *api) createHook(w http.ResponseWriter, r *http.Request) error {
	who, err := a.access.permitted(r, auth.ActionAdminister)
	if err != nil {
		return err
	}
	body := struct {
		URL            string         `json:"url"`
		Enabled        bool           `json:"enabled"`
		VerifySSL      bool           `json:"verify_ssl"`
		SendDefinition bool           `json:"send_definition"`
		Secret         string         `json:"secret"`
		Format         webhook.Format `json:"format"`
		Events         []string       `json:"events"`
		Titles         []string       `json:"titles"`
	}{Enabled: true, VerifySSL: true}
	if err := a.readObject(w, r, &body, false); err != nil {
		return err
	}
	hook := webhook.Hook{
		URL:            body.URL,
		Enabled:        body.Enabled,
		VerifySSL:      body.VerifySSL,
		SendDefinition: body.SendDefinition,
		Secret:         body.Secret,
		Format:         body.Format,
		Titles:         body.Titles,
	}
	all := &patch.ValidationError{}
	for i, name := range body.Events {
		kind, ok := webhook.KindOf(name)
		if !ok {
			all.Failures = append(
				all.Failures,
				patch.Failure{
					Path:    fmt.Sprintf("/events/%d", i),
					Message: "must be new_title, title_updated or title_deleted",
				},
			)
		}
		hook.Events = append(hook.Events, kind)
	}
	if len(all.Failures) > 0 {
		return all
	}
	id, err := a.hooks.Create(r.Context(), hook)
	if err != nil {
		return err
	}
	a.log.InfoContext(r.Context(), "webhook created", "webhook", id, "token", who.TokenID)
	answer.WriteJSON(
		w,
		http.StatusCreated,
		map[string]string{"id": id, "message": "The webhook is told of changes from now on."},
	)
	return nil
}

func (a *api) deleteHook(w http.ResponseWriter, r *http.Request) error {
	who, err := a.access.permitted(r, auth.ActionAdminister)
	if err != nil {
		return err
	}
	id, err := variable(r, "id")
	if err != nil {
		return err
	}
	if err := a.hooks.Delete(r.Context(), id); err != nil {
		return err
	}
	a.log.InfoContext(r.Context(), "webhook deleted", "webhook", id, "token", who.TokenID)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (a *api) testHook(w http.ResponseWriter, r *http.Request) error {
	if _, err := a.access.permitted(r, auth.ActionAdminister); err != nil {
		return err
	}
	id, err := variable(r, "id")
	if err != nil {
		return err
	}
	if err := a.hooks.Test(r.Context(), id); err != nil {
		return err
	}
	a.reply(
		w,
		r,
		http.StatusAccepted,
		wire.Answer{Message: "A test event is on its way; how it went stands in /api/v1/webhooks.", ID: id},
	)
	return nil
}

// An edition is one of a title's definitions in the answer to history.
type edition struct {
	Number  uint64     `json:"number"`
	At      *time.Time `json:"at"`
	Token   *string    `json:"token"`
	Version string     `json:"version"`
	Current bool       `json:"current"`
}

func newEdition(e catalog.Revision) edition {
	out := edition{Number: e.Number, At: instant(e.At), Version: e.Version, Current: e.Current}
	if e.By != "" {
		out.Token = &e.By
	}
	return out
}
