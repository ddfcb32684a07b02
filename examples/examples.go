// Package examples has the guides of the reference server, the files that they describe, and the recipes, so that a
// program can show them. The programs are in the folders below it.
package examples

import (
	"embed"
	"io/fs"
)

//go:embed */README.md recipes/*.json
//go:embed deploy/Caddyfile deploy/Containerfile deploy/backup.sh deploy/compose.yaml deploy/haproxy.cfg
//go:embed deploy/nginx.conf deploy/patchsource.service
//go:embed deploy/monitoring/README.md deploy/monitoring/*.yaml deploy/monitoring/dashboard.json
//go:embed deploy/monitoring/audit-export.sh
//go:embed patchrecipe/github-actions.yml
//go:embed publish/autopkg publish/composer-10.2.json publish/definitions publish/github-actions.yml publish/publish.sh
var files embed.FS

// Files returns the guides, which are the files named README.md, the files to which they link, and the recipes, which
// are the files recipes/*.json. The paths begin in the folder of this package.
func Files() fs.FS { return files }
