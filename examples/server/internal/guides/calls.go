package guides

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/patchsource/patchsource/httpapi/openapi"
)

// A call is a call of the API, for the search.
type call struct {
	Name    string // such as "POST /api/v1/title"
	Summary string
	Address string // below the folder of the documentation
	words   string // what the search looks at, in lower case
}

// loadCalls returns the calls that the contract describes, in the order of their paths.
func loadCalls() ([]call, error) {
	var contract struct {
		Paths map[string]map[string]any
	}
	if err := yaml.Unmarshal(openapi.Document(), &contract); err != nil {
		return nil, fmt.Errorf("the contract: %w", err)
	}
	var calls []call
	for _, path := range slices.Sorted(maps.Keys(contract.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(contract.Paths[path])) {
			operation, ok := contract.Paths[path][method].(map[string]any)
			tags, _ := operation["tags"].([]any)
			if !ok || len(tags) == 0 {
				continue // what all calls of a path have
			}
			summary, _ := operation["summary"].(string)
			description, _ := operation["description"].(string)
			c := call{
				Name:    strings.ToUpper(method) + " " + path,
				Summary: cmp.Or(summary, description),
				Address: address(tags[0], operation["operationId"]),
			}
			c.words = strings.ToLower(c.Name + " " + summary + " " + description)
			calls = append(calls, c)
		}
	}
	return calls, nil
}

// address returns the address of a call in the API reference. The parts are escaped as by JavaScript's
// encodeURIComponent.
func address(tag, operationID any) string {
	parts := url.QueryEscape(fmt.Sprint(tag)) + "/" + url.QueryEscape(fmt.Sprint(operationID))
	return "api#/" + strings.ReplaceAll(parts, "+", "%20")
}

// findCalls returns the calls that have all words.
func (lib *library) findCalls(words []string) (found []call, err error) {
	calls, err := lib.calls()
	for _, c := range calls {
		if containsAll(c.words, words) && len(found) < maxFound {
			found = append(found, c)
		}
	}
	return found, err
}
