package httpapi

import (
	"fmt"
	"net/http"

	"github.com/patchsource/patchsource/httpapi/wire"
)

// versionCalls are the calls about single versions of titles.
type versionCalls struct{ *titleService }

func (c *versionCalls) add(w http.ResponseWriter, r *http.Request) error {
	e, err := c.edit(r)
	if err != nil {
		return err
	}
	at, err := position(r.URL.Query())
	if err != nil {
		return err
	}
	body, err := c.bodies.read(w, r)
	if err != nil {
		return err
	}
	versions, err := parseVersions(body, *c.bodies.parseOptions())
	if err != nil {
		return err
	}
	res, err := c.catalog.AddVersions(r.Context(), e.title.ID, at, versions, e.opts)
	if err != nil {
		return err
	}
	var names []string
	for _, v := range versions {
		names = append(names, "'"+v.Version+"'")
	}
	word := "Version"
	if len(versions) > 1 {
		word = "Versions"
	}
	all := named(names)
	c.logChange(r, "versions added", e.principal, "title", res.Title.ID, "versions", all)
	return c.reply(w, r, http.StatusCreated, wire.Answer{
		Message:  fmt.Sprintf("%s %s added to title '%s'", word, all, res.Title.ID),
		Warnings: res.Warnings,
	})
}

func (c *versionCalls) remove(w http.ResponseWriter, r *http.Request) error {
	e, err := c.edit(r)
	if err != nil {
		return err
	}
	version, err := variable(r, "version")
	if err == nil {
		err = c.budget.turn(r, int(e.title.Bytes))
	}
	if err != nil {
		return err
	}
	res, err := c.catalog.RemoveVersion(r.Context(), e.title.ID, version, e.opts)
	if err != nil {
		return err
	}
	c.logChange(r, "version removed", e.principal, "title", res.Title.ID, "version", version)
	return c.reply(w, r, http.StatusOK, wire.Answer{
		Message: fmt.Sprintf("Version '%s' removed from title '%s'", version, res.Title.ID),
	})
}
