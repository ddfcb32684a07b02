package titleeditor

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/patchsource/patchsource/httpapi/internal/problem"
	"github.com/patchsource/patchsource/httpapi/internal/trace"
	"github.com/patchsource/patchsource/patch/numbered"
)

// A handlerFunc answers a request. If it returns an error, it has written nothing, and the error is answered.
type handlerFunc func(*request) error

// methods are the handlers of one path by method.
type methods map[string]handlerFunc

// A route is a path and its handlers.
type route struct {
	segments []string // {id} stands for a number
	handler  http.Handler
}

// table returns all paths with their handlers.
func (h *handler) table() map[string]methods {
	title := methods{"GET": h.getTitle, "PUT": h.updateTitle, "DELETE": h.deleteTitle}
	return map[string]methods{
		"/v2/auth/tokens":    {"POST": h.login},
		"/v2/auth/token":     {"POST": h.login},
		"/v2/auth/keepalive": {"POST": h.keepAlive},
		"/v2/auth/current":   {"POST": h.current},

		"/v2/softwaretitles":                            {"GET": h.listTitles, "POST": h.createTitle},
		"/v2/softwaretitles/{id}":                       title,
		"/v2/softwaretitles/{id}/patches":               {"GET": h.listPatches, "POST": h.addPatch},
		"/v2/softwaretitles/{id}/requirements":          {"POST": h.addRequirement},
		"/v2/softwaretitles/{id}/extensionattributes":   {"POST": h.addExtensionAttribute},
		"/v2/softwaretitles/{id}/patches/autofill":      {"GET": h.nothingOfTitle},
		"/v2/softwaretitles/{id}/requirements/autofill": {"GET": h.nothingOfTitle},

		"/v2/patches/{id}":                       h.part(numbered.Patch),
		"/v2/patches/{id}/clone":                 {"POST": h.clonePatch},
		"/v2/patches/{id}/killapps":              {"POST": h.addKillApp},
		"/v2/patches/{id}/components":            {"POST": h.addComponent},
		"/v2/patches/{id}/capabilities":          {"POST": h.addCapability},
		"/v2/patches/{id}/components/autofill":   {"GET": h.nothingOf(numbered.Patch)},
		"/v2/patches/{id}/capabilities/autofill": {"GET": h.nothingOf(numbered.Patch)},

		"/v2/components/{id}":                     h.part(numbered.Component),
		"/v2/components/{id}/navigation":          {"GET": h.nothingOf(numbered.Component)},
		"/v2/components/{id}/criteria":            {"POST": h.addCriterion},
		"/v2/components/{id}/criteria/autofill":   {"GET": h.nothingOf(numbered.Component)},
		"/v2/components/{id}/criteria/navigation": {"GET": h.nothingOf(numbered.Component)},

		"/v2/requirements/{id}":                   h.part(numbered.Requirement),
		"/v2/capabilities/{id}":                   h.part(numbered.Capability),
		"/v2/criteria/{id}":                       h.part(numbered.Criterion),
		"/v2/killapps/{id}":                       h.part(numbered.KillApp),
		"/v2/extensionattributes/{id}":            h.part(numbered.ExtensionAttribute),
		"/v2/extensionattributes/{id}/navigation": {"GET": h.nothingOf(numbered.ExtensionAttribute)},

		"/v2/valuelists/criteria/names":     {"GET": h.criterionNames},
		"/v2/valuelists/criteria/types":     {"GET": h.criterionTypes},
		"/v2/valuelists/criteria/operators": {"POST": h.criterionOperators},
		"/v2/available":                     {"GET": h.nothing},
		"/v2/sources":                       {"GET": h.nothing},
	}
}

// part returns the methods of the path of one part.
func (h *handler) part(kind numbered.Kind) methods {
	return methods{"GET": h.getPart(kind), "PUT": h.updatePart(kind), "DELETE": h.deletePart(kind)}
}

// addRoutes sets the routes. The most specific ones do not matter: no two of them have the same segments.
func (h *handler) addRoutes(observe trace.ObserveFunc) {
	table := h.table()
	for _, path := range slices.Sorted(maps.Keys(table)) {
		h.routes = append(h.routes, &route{
			segments: segmentsOf(path),
			handler:  trace.Observe(observe, path, h.wrap(table[path].choose())),
		})
	}
	h.none = trace.Observe(observe, "none", h.wrap(func(r *request) error {
		return &problem.PathError{Path: r.URL.Path}
	}))
}

// choose returns a handler that dispatches by the request's method. HEAD is GET without the body, which net/http
// discards.
func (m methods) choose() handlerFunc {
	names := slices.Collect(maps.Keys(m))
	if m["GET"] != nil {
		names = append(names, "HEAD")
	}
	slices.Sort(names)
	allow := strings.Join(names, ", ")
	return func(r *request) error {
		method := r.Method
		if method == "HEAD" {
			method = "GET"
		}
		f := m[method]
		if f == nil {
			return &problem.MethodError{Method: r.Method, Allow: allow}
		}
		return f(r)
	}
}

// segmentsOf returns the segments of a path. Slashes that are doubled or at the end do not count.
func segmentsOf(path string) []string {
	return slices.DeleteFunc(strings.Split(path, "/"), func(s string) bool { return s == "" })
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if len(r.URL.Path) <= maxPath {
		segments := segmentsOf(r.URL.Path)
		for _, rt := range h.routes {
			if rt.matches(segments) {
				rt.handler.ServeHTTP(w, r)
				return
			}
		}
	}
	h.none.ServeHTTP(w, r)
}

// maxPath bounds the length of a path that may be one of the API.
const maxPath = 200

// matches reports whether a path belongs to the route. The segment that stands for a number may be any.
func (rt *route) matches(segments []string) bool {
	if len(segments) != len(rt.segments) {
		return false
	}
	for i, s := range rt.segments {
		if s != segments[i] && s != "{id}" {
			return false
		}
	}
	return true
}

// number returns the number in the path of a request, and 0 if it is none.
func (r *request) number() uint64 {
	const at = 2 // in every path that has one
	n, err := strconv.ParseUint(segmentsOf(r.URL.Path)[at], 10, 64)
	if err != nil {
		return 0
	}
	return n
}
