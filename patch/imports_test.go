package patch_test

import (
	"encoding/json"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/patchsource/patchsource"

// mayImport lists, for each package, the packages of this module that it may import, and the other modules that it may
// depend on, directly or indirectly. What is not listed is forbidden; "any" allows everything.
var mayImport = map[string]struct{ ours, others string }{
	"":                {"", ""},
	"patch":           {"patch/internal/regex patch/internal/tokens", patchModules},
	"patch/appbundle": {"patch", patchModules + " howett.net/plist"},
	"patch/patchtest": {"", ""},
	"patch/recipe":    {"patch patch/internal/regex patch/internal/tokens", patchModules},

	"patch/recipe/draft": {"patch patch/recipe", patchModules + " howett.net/plist"},

	"patch/numbered": {"patch", patchModules},
	"patch/catalog": {
		"patch patch/numbered store",
		feedModules,
	},
	"patch/survey":    {"patch patch/catalog", feedModules},
	"store":           {"", ""},
	"store/dump":      {"store", jsonModule + " golang.org/x/sync"},
	"store/storetest": {"store", "github.com/google/go-cmp"},
	"store/memstore":  {"store", ""},
	"store/filestore": {"store", jsonModule + " github.com/gofrs/flock golang.org/x/sys"},
	"auth":            {"store", "golang.org/x/time"},
	"auth/audit":      {"auth store", "golang.org/x/time"},

	"store/sqlstore":              {"store", ""},
	"store/s3store":               {"store", s3Modules},
	"store/s3store/s3storetest":   {"store/internal/process", s3Modules},
	"store/sqlstore/pgxlisten":    {"", pgxModules},
	"store/sqlstore/sqlstoretest": {"store/internal/process", ""},
	"store/internal/process":      {"", ""},
	"patch/internal/regex":        {"", ""},
	"patch/internal/tokens":       {"", jsonModule},
	"store/internal/linear": {
		"store store/storetest", "github.com/anishathalye/porcupine github.com/google/go-cmp",
	},
	"auth/mail": {"", "github.com/wneessen/go-mail golang.org/x/crypto golang.org/x/text"},
	"auth/community": {
		"patch patch/catalog auth auth/mail store",
		feedModules + " golang.org/x/time golang.org/x/crypto golang.org/x/sys github.com/wneessen/go-mail",
	},
	"httpapi/titleeditor": {
		"patch patch/numbered patch/catalog auth auth/audit httpapi/internal/answer httpapi/internal/limit " +
			"httpapi/internal/problem httpapi/internal/trace httpapi/wire store",
		feedModules + " github.com/golang-jwt/jwt/v5 github.com/gorilla/mux github.com/go-chi/chi/v5 golang.org/x/time",
	},
	"httpapi/openapi": {"", ""},
	"httpapi/webui":   {"patch patch/recipe httpapi/client httpapi/wire", patchModules},
	"httpapi/metrics": {"store", "any"},
	"httpapi/client":  {"patch patch/recipe httpapi/wire", patchModules},
	"httpapi/wire":    {"patch patch/recipe", patchModules},
	"httpapi/feed": {
		"patch/catalog httpapi/wire httpapi/internal/answer httpapi/internal/problem httpapi/internal/trace",
		feedModules,
	},
	"httpapi/internal/answer":  {"patch/catalog httpapi/internal/trace", feedModules},
	"httpapi/internal/problem": {"patch httpapi/wire httpapi/internal/answer httpapi/internal/trace", feedModules},
	"httpapi/internal/trace":   {"", ""},
	"httpapi": {
		"patch patch/appbundle patch/archive patch/catalog patch/recipe patch/recipe/draft patch/survey store " +
			"store/dump auth auth/audit httpapi/feed httpapi/internal/listing " +
			"httpapi/wire httpapi/internal/answer httpapi/internal/batch httpapi/internal/limit " +
			"httpapi/internal/problem httpapi/internal/trace httpapi/internal/upload",
		feedModules + " github.com/gorilla/mux github.com/go-chi/chi/v5 golang.org/x/time howett.net/plist",
	},
	"httpapi/internal/batch": {
		"patch patch/archive httpapi/internal/problem httpapi/internal/upload",
		feedModules,
	},
	"httpapi/internal/limit": {
		"",
		"github.com/go-chi/chi/v5 github.com/hashicorp/golang-lru/v2 golang.org/x/sync golang.org/x/time",
	},
	"httpapi/internal/listing": {"patch/catalog patch/survey httpapi/wire", feedModules},
	"httpapi/internal/upload":  {"", ""},
	"httpapi/internal/jobs":    {"store", ""},
	"httpapi/internal/services": {
		"patch patch/catalog patch/recipe auth auth/mail auth/community sync sync/releases sync/webhook httpapi " +
			"httpapi/internal/jobs httpapi/wire",
		"any",
	},
	"patch/archive":  {"patch", patchModules + " github.com/klauspost/compress"},
	"patch/envelope": {"patch", patchModules + " github.com/smallstep/pkcs7"},
	"sync": {
		"patch patch/catalog patch/envelope patch/recipe store sync/internal/safehttp sync/releases",
		syncModules,
	},
	"sync/webhook": {
		"patch patch/catalog store sync/internal/safehttp",
		feedModules + " code.dny.dev/ssrf",
	},
	"sync/releases": {
		"patch patch/recipe",
		releaseModules,
	},
	"sync/internal/safehttp":           {"", "code.dny.dev/ssrf golang.org/x/sync"},
	"httpapi/server":                   {"any", "any"},
	"examples/server":                  {"any", "any"},
	"examples/server/internal/app":     {"any", "any"},
	"examples/server/internal/browser": {"any", "any"},
	"examples/server/internal/guides": {
		"patch patch/recipe httpapi/openapi",
		patchModules + " github.com/goccy/go-yaml github.com/munnerz/goautoneg github.com/yuin/goldmark",
	},
	"examples/server/internal/doctor": {"patch patch/envelope", patchModules + " github.com/smallstep/pkcs7"},
	"examples/server/internal/setup": {
		"auth/mail httpapi/server httpapi/webui examples/server/internal/doctor", "any",
	},
	"examples/server/internal/admin": {
		"auth httpapi/client httpapi/server httpapi/wire patch/archive store store/dump store/filestore " +
			"examples/internal/cli",
		"any",
	},
	"examples/server/internal/certstore": {"store", "golang.org/x/crypto golang.org/x/net golang.org/x/text"},
	"examples":                           {"", ""},
	"examples/embed":                     {"any", "any"},
	"examples/deploy":                    {"examples/internal/trial", ""},
	"examples/deploy/monitoring":         {"examples/internal/trial", ""},
	"examples/publish":                   {"examples/internal/trial", ""},
	"examples/internal/logging":          {"", ""},
	"examples/internal/trial":            {"", ""},
	"examples/internal/acmetest":         {"", ""},
	"examples/internal/bench":            {"", "golang.org/x/sync golang.org/x/sys"},
	"examples/internal/cli":              {"", "github.com/alecthomas/kong"},
	"examples/patchstarter": {
		"patch patch/appbundle httpapi/client examples/internal/cli",
		patchModules + " howett.net/plist github.com/alecthomas/kong golang.org/x/term golang.org/x/sys",
	},
	"examples/migrate/titleeditor": {"examples/internal/cli", "any"},
	"examples/patchlint":           {"patch httpapi/wire examples/internal/cli examples/internal/report", "any"},
	"examples/patchrecipe": {
		"patch patch/recipe sync sync/releases examples/internal/cli examples/internal/feedtokens " +
			"examples/internal/report",
		"any",
	},
	"examples/internal/report":     {"patch", patchModules},
	"examples/recipes":             {"", ""},
	"examples/internal/feedtokens": {"sync", "any"},
}

const (
	jsonModule   = "github.com/go-json-experiment/json"
	patchModules = jsonModule + " golang.org/x/text"
	s3Modules    = "github.com/aws/aws-sdk-go-v2 github.com/aws/aws-sdk-go-v2/service/s3 github.com/aws/smithy-go " +
		"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream github.com/aws/aws-sdk-go-v2/internal/configsources " +
		"github.com/aws/aws-sdk-go-v2/internal/endpoints/v2 github.com/aws/aws-sdk-go-v2/internal/v4a " +
		"github.com/aws/aws-sdk-go-v2/service/internal/accept-encoding " +
		"github.com/aws/aws-sdk-go-v2/service/internal/checksum " +
		"github.com/aws/aws-sdk-go-v2/service/internal/presigned-url " +
		"github.com/aws/aws-sdk-go-v2/service/internal/s3shared"
	feedModules = patchModules + " github.com/hashicorp/golang-lru/v2 github.com/klauspost/compress " +
		"github.com/tidwall/btree golang.org/x/sync"
	releaseModules = patchModules + " github.com/antchfx/xpath github.com/goccy/go-yaml " +
		"github.com/hashicorp/golang-lru/v2 github.com/theory/jsonpath"
	syncModules = feedModules + " " + releaseModules + " golang.org/x/sys code.dny.dev/ssrf " +
		"github.com/smallstep/pkcs7 github.com/fsnotify/fsnotify"

	pgxModules = "github.com/jackc/pgx/v5 github.com/jackc/pgpassfile github.com/jackc/pgservicefile " +
		"github.com/jackc/puddle/v2 golang.org/x/sync golang.org/x/text"
)

type listed struct {
	ImportPath string
	Standard   bool
	Imports    []string
	Deps       []string
	Module     *struct{ Path string }
}

// goList runs go list in the root of the module.
func goList(t *testing.T, args ...string) (all []listed) {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Standard,Imports,Deps,Module"}, args...)...)
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := dec.Decode(&p); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// TestImports checks the imports of every package against its budget. A package that needs more has work that
// belongs to another one, and makes embedders pay for it.
func TestImports(t *testing.T) {
	moduleOf := map[string]string{}
	for _, p := range goList(t, "-deps", "./...") {
		if !p.Standard && p.Module != nil {
			moduleOf[p.ImportPath] = p.Module.Path
		}
	}
	seen := 0
	for _, p := range goList(t, "./...") {
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		budget, ok := mayImport[name]
		if !ok {
			t.Errorf("package %q has no budget: add it to mayImport", name)
			continue
		}
		seen++
		for _, imported := range p.Imports {
			if ours, ok := strings.CutPrefix(imported, module+"/"); ok && !allows(budget.ours, ours) {
				t.Errorf("%s may not import %s", name, ours)
			}
		}
		for _, dep := range p.Deps {
			if m := moduleOf[dep]; m != "" && m != module && !allows(budget.others, m) {
				t.Errorf("%s may not depend on %s (package %s)", name, m, dep)
			}
		}
	}
	if seen != len(mayImport) {
		t.Errorf("%d packages have a budget, but %d exist", len(mayImport), seen)
	}
}

// allows reports whether a budget has a name.
func allows(budget, name string) bool {
	return budget == "any" || slices.Contains(strings.Fields(budget), name)
}
