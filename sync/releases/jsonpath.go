package releases

import (
	"fmt"
	"maps"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/theory/jsonpath"
	"github.com/theory/jsonpath/spec"
)

// A jsonPath is a JSON path (RFC 9535) whose evaluation is bounded and whose result has a stable order: members of
// objects come in the order of their names.
//
// The package that parses it evaluates it without bounds, in time that is exponential in the length of some paths. It
// is therefore evaluated here, one selector at a time; only the expressions of filters are left to the package. They
// see nothing but the item (@), without descendant segments, lists of selectors or filters of their own, so that they
// take time in proportion to the size of the item.
type jsonPath struct {
	segments []jsonSegment
}

type jsonSegment struct {
	descendant bool
	selectors  []jsonSelector
}

type jsonSelector struct {
	spec.Selector
	// weight is the cost of a filter for each value of the item.
	weight int
}

// parseJSONPath parses a path. The error says what is wrong, as a sentence.
func parseJSONPath(text string) (*jsonPath, error) {
	if len(text) > maxPath {
		return nil, fmt.Errorf("is longer than %d bytes", maxPath)
	}
	parsed, err := jsonpath.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("is not a JSON path (RFC 9535): %s", strings.TrimPrefix(err.Error(), "jsonpath: "))
	}
	p := &jsonPath{}
	for _, segment := range parsed.Query().Segments() {
		s := jsonSegment{descendant: segment.IsDescendant()}
		for _, selector := range segment.Selectors() {
			weight := 0
			if filter, ok := selector.(*spec.FilterSelector); ok {
				if weight, err = filterWeight(filter.String()); err != nil {
					return nil, err
				}
			}
			s.selectors = append(s.selectors, jsonSelector{selector, weight})
		}
		p.segments = append(p.segments, s)
	}
	return p, nil
}

// find returns the values at the path in a document.
func (p *jsonPath) find(document any, s *steps) ([]any, error) {
	found := []any{document}
	for _, segment := range p.segments {
		var next []any
		var err error
		for _, value := range found {
			if next, err = segment.find(next, value, s); err != nil {
				return nil, err
			}
			if len(next) > maxNodes {
				return nil, errSteps
			}
		}
		found = next
	}
	return found, nil
}

// find appends the values that a segment selects of a value.
func (g jsonSegment) find(found []any, value any, s *steps) ([]any, error) {
	var err error
	for _, selector := range g.selectors {
		if found, err = selector.find(found, value, s); err != nil {
			return nil, err
		}
	}
	if !g.descendant {
		return found, nil
	}
	for _, child := range children(value) {
		if found, err = g.find(found, child, s); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// find appends the values that a selector selects of a value.
func (c jsonSelector) find(found []any, value any, s *steps) ([]any, error) {
	switch selector := c.Selector.(type) {
	case spec.WildcardSelector:
		list := children(value)
		return append(found, list...), s.spend(1 + len(list))
	case *spec.FilterSelector:
		size, err := sizeOf(value, c.weight, s)
		if err == nil {
			err = s.spend(size)
		}
		if err != nil {
			return nil, err
		}
		for _, child := range children(value) {
			if selector.Eval(child, nil) {
				found = append(found, child)
			}
		}
		return found, nil
	}
	list := c.Select(value, nil)
	return append(found, list...), s.spend(1 + len(list))
}

// children returns the items of an array, or the members of an object in the order of their names.
func children(value any) []any {
	switch v := value.(type) {
	case []any:
		return v
	case map[string]any:
		list := make([]any, 0, len(v))
		for _, name := range slices.Sorted(maps.Keys(v)) {
			list = append(list, v[name])
		}
		return list
	}
	return nil
}

// sizeOf returns the size of a value in steps, times a weight. It stops at the number of steps that are left.
func sizeOf(value any, weight int, s *steps) (int, error) {
	size := weight
	switch v := value.(type) {
	case string:
		size += weight * (len(v) / bytesPerStep)
	case []any:
		for _, child := range v {
			n, err := sizeOf(child, weight, s)
			if size += n; err != nil || size > s.left {
				return 0, errSteps
			}
		}
	case map[string]any:
		for _, child := range v {
			n, err := sizeOf(child, weight, s)
			if size += n; err != nil || size > s.left {
				return 0, errSteps
			}
		}
	}
	return size, nil
}

// maxFilterRegex is the maximum number of instructions of a regular expression in a filter. The package compiles it for
// every item.
const maxFilterRegex = 200

// filterWeight returns the cost of a filter for each value of an item, or an error that says why the filter is refused.
// The filter has its normal form: strings and names are in double quotes.
func filterWeight(filter string) (int, error) {
	plain, literals := withoutStrings(filter)
	switch {
	case strings.Contains(plain, ".."):
		return 0, fmt.Errorf("has a descendant segment (..) in a filter")
	case strings.Contains(plain[1:], "?"):
		return 0, fmt.Errorf("has a filter in a filter")
	case strings.Contains(plain, "$"):
		return 0, fmt.Errorf("has the root ($) in a filter: a filter may use the item (@) only")
	case hasSelectorList(plain):
		return 0, fmt.Errorf("has a list of selectors in a filter")
	}
	weight := 1 + len(plain)/16
	if !strings.Contains(plain, "match(") && !strings.Contains(plain, "search(") {
		return weight, nil
	}
	for _, call := range []string{"match(", "search("} {
		for _, after := range strings.Split(plain, call)[1:] {
			if _, pattern, _ := strings.Cut(after, ", "); !strings.HasPrefix(pattern, `"`) {
				return 0, fmt.Errorf("has a regular expression in a filter that is not a literal text")
			}
		}
	}
	for _, literal := range literals {
		size, err := regexSize(literal)
		if err != nil {
			continue // such a literal matches nothing
		}
		if size > maxFilterRegex {
			return 0, fmt.Errorf("has a regular expression in a filter that is too large")
		}
		weight += 4*size + len(literal)
	}
	return weight, nil
}

// withoutStrings returns a filter with empty strings in place of all strings, and the strings.
func withoutStrings(filter string) (plain string, literals []string) {
	var out strings.Builder
	for rest := filter; rest != ""; {
		i := strings.IndexByte(rest, '"')
		if i < 0 {
			out.WriteString(rest)
			break
		}
		out.WriteString(rest[:i] + `""`)
		quoted, err := strconv.QuotedPrefix(rest[i:])
		if err != nil { // no Go string; the package quotes as Go does
			quoted = rest[i:]
		}
		literal, _ := strconv.Unquote(quoted)
		literals = append(literals, literal)
		rest = rest[i+len(quoted):]
	}
	return out.String(), literals
}

// hasSelectorList reports whether brackets in a filter without strings have a comma.
func hasSelectorList(plain string) bool {
	inside := false
	for _, c := range plain {
		switch {
		case c == '[':
			inside = true
		case c == ']':
			inside = false
		case c == ',' && inside:
			return true
		}
	}
	return false
}

// regexSize returns the number of instructions of a regular expression.
func regexSize(expr string) (int, error) {
	if !utf8.ValidString(expr) {
		return 0, fmt.Errorf("is not UTF-8")
	}
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return 0, err
	}
	program, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return 0, err
	}
	return len(program.Inst), nil
}
