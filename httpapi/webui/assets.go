package webui

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

// assets are the files that pages load. The names in their paths have a hash of the content, so a file never changes
// under its path.
type assets struct {
	files                map[string]asset // by the names in their paths
	styles, script, icon string           // the paths
}

type asset struct {
	contentType string
	data        []byte
}

func loadAssets() (assets, error) {
	a := assets{files: map[string]asset{}}
	for _, file := range []struct {
		name, contentType string
		path              *string
	}{
		{"style.css", "text/css; charset=utf-8", &a.styles},
		{"page.js", "text/javascript; charset=utf-8", &a.script},
		{"icon.svg", "image/svg+xml", &a.icon},
	} {
		data, err := fs.ReadFile(files, "assets/"+file.name)
		if err != nil {
			return a, err
		}
		sum := sha256.Sum256(data)
		extension := path.Ext(file.name)
		name := strings.TrimSuffix(file.name, extension) + "." + hex.EncodeToString(sum[:6]) + extension
		a.files[name] = asset{file.contentType, data}
		*file.path = "/ui/" + name
	}
	return a, nil
}

// serveAsset serves a file. It is the same for all visitors, so it does not ask who they are.
func (h *handler) serveAsset(w http.ResponseWriter, r *http.Request) {
	a, ok := h.assets.files[r.PathValue("file")]
	if !ok {
		errorPages{h.begin(w, r)}.notFound()
		return
	}
	w.Header().Set("Content-Type", a.contentType)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.data))
}
