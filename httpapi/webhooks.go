package httpapi

import (
	"cmp"
	"net/http"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/internal/answer"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch/catalog"
)

func (a *api) listHooks(w http.ResponseWriter, r *http.Request) error {
	if _, err := a.access.permitted(r, auth.ActionAdminister); err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	answer.WriteJSON(w, http.StatusOK, append([]wire.Webhook{}, a.hooks.List()...))
	return nil
}

func (a *api) createHook(w http.ResponseWriter, r *http.Request) error {
	who, err := a.access.permitted(r, auth.ActionAdminister)
	if err != nil {
		return err
	}
	enabled, verify := true, true
	body := wire.WebhookRequest{Enabled: &enabled, VerifySSL: &verify}
	if err := a.readObject(w, r, &body, false); err != nil {
		return err
	}
	no := false // null is no absent member
	body.Enabled, body.VerifySSL = cmp.Or(body.Enabled, &no), cmp.Or(body.VerifySSL, &no)
	id, err := a.hooks.Create(r.Context(), body)
	if err != nil {
		return err
	}
	a.log.InfoContext(r.Context(), "webhook created", "webhook", id, "token", who.TokenID)
	answer.WriteJSON(w, http.StatusCreated, wire.WebhookCreated{
		ID:      id,
		Message: "The webhook receives changes from now on.",
	})
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
	out := edition{Number: e.Number, At: wire.Time(e.At), Version: e.Version, Current: e.Current}
	if e.By != "" {
		out.Token = &e.By
	}
	return out
}
