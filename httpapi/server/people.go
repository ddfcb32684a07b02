package server

import (
	"net/http"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/httpapi/webui"
)

// session returns the session of the page. By default, the page offers what Config.Authorize allows.
func (s *Server) session(c *Config, authenticate httpapi.Authenticator) *webui.Session {
	if c.Session == nil || c.Session.May != nil {
		return c.Session
	}
	session := *c.Session
	session.May = func(r *http.Request, action string, t webui.Title) bool {
		person, err := authenticate(r)
		if err != nil || person.CheckExpiry(s.now()) != nil {
			return false
		}
		if t.ID == "" {
			return c.Authorize(r.Context(), person, auth.Action(action), auth.Title{}) == nil
		}
		title, err := s.Catalog.Title(t.ID)
		if err != nil {
			return false
		}
		about := auth.Title{ID: title.ID, UID: title.UID, Contributor: title.Contributor}
		return c.Authorize(r.Context(), person, auth.Action(action), about) == nil
	}
	return &session
}
