package releases

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/antchfx/xpath"
)

// An xmlQuery is an XPath as a query. Its evaluation is bounded by the steps of the navigator.
type xmlQuery struct {
	text string
	// cost is how much more work a byte of the document is than to read it, because functions copy it.
	cost int
	// stepCost is the number of steps that each move takes, because the functions copy the strings in the path for it.
	stepCost int
}

// callCost is the cost of a byte in a function, as a multiple of that of reading it. The slowest ones, such as
// normalize-space, copy texts character by character. A function whose result another one reads costs for both.
const callCost = 10

// xpathCheap are the functions that copy no texts.
var xpathCheap = []string{"comment", "count", "false", "last", "node", "position", "text", "true"}

// xpathFunctions are the functions that an XPath may call. Others are missing for reasons: matches and replace compile
// regular expressions that a document gives.
var xpathFunctions = []string{
	"boolean", "ceiling", "comment", "concat", "contains", "count", "ends-with", "false", "floor", "last", "local-name",
	"lower-case", "name", "node", "normalize-space", "not", "number", "position", "round", "starts-with", "string",
	"string-length", "substring", "substring-after", "substring-before", "sum", "text", "translate", "true",
}

var (
	xpathString = regexp.MustCompile(`"[^"]*"|'[^']*'`)
	xpathCall   = regexp.MustCompile(`([\pL_][\pL\pN_.:-]*)\s*\(`)
	xpathAxis   = regexp.MustCompile(`([a-z-]+)\s*::`)
)

// xpathAxes are the axes that an XPath may use besides abbreviations. In predicates, those that reach far are refused.
var (
	xpathAxes = []string{
		"ancestor", "attribute", "child", "descendant", "descendant-or-self", "following-sibling", "parent",
		"preceding-sibling", "self",
	}
	xpathFarAxes = []string{"ancestor", "descendant", "descendant-or-self"}
)

// xpathOperators are words before an opening parenthesis that are not functions.
var xpathOperators = []string{"and", "div", "mod", "or"}

// compileXPath checks and compiles an XPath. The error says what is wrong, as a sentence.
func compileXPath(text string) (query, error) {
	if len(text) > maxPath {
		return nil, fmt.Errorf("is longer than %d bytes", maxPath)
	}
	plain := xpathString.ReplaceAllString(text, `''`)
	if err := checkXPath(plain); err != nil {
		return nil, err
	}
	if _, err := parseXPath(text); err != nil {
		return nil, err
	}
	q := xmlQuery{text: text, cost: xpathCost(plain)}
	q.stepCost = 1 + (len(text)-len(plain))*(q.cost-1)/bytesPerStep
	return q, nil
}

// xpathCost returns the cost of a byte of the document in an XPath without strings.
func xpathCost(plain string) int {
	cost := 1
	for _, call := range xpathCall.FindAllStringSubmatch(plain, -1) {
		if !slices.Contains(xpathCheap, call[1]) && !slices.Contains(xpathOperators, call[1]) {
			cost += callCost
		}
	}
	return cost
}

// parseXPath compiles an XPath. The package panics for some invalid ones.
func parseXPath(text string) (expr *xpath.Expr, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("is not an XPath: %v", p)
		}
	}()
	if expr, err = xpath.Compile(text); err != nil {
		return nil, fmt.Errorf("is not an XPath: %w", err)
	}
	return expr, nil
}

// checkXPath reports what is refused in an XPath without strings.
func checkXPath(plain string) error {
	for _, call := range xpathCall.FindAllStringSubmatch(plain, -1) {
		if name := call[1]; !slices.Contains(xpathFunctions, name) && !slices.Contains(xpathOperators, name) {
			return fmt.Errorf("calls the function %s, which is not supported", name)
		}
	}
	for _, axis := range xpathAxis.FindAllStringSubmatch(plain, -1) {
		if !slices.Contains(xpathAxes, axis[1]) {
			return fmt.Errorf("uses the axis %s, which is not supported", axis[1])
		}
	}
	depth := 0
	for i, c := range plain {
		switch {
		case c == '[':
			depth++
		case c == ']':
			depth--
		case depth > 0 && strings.HasPrefix(plain[i:], "//"):
			return errors.New("has a descendant step (//) in a predicate")
		case depth > 0 && c == ':':
			for _, axis := range xpathFarAxes {
				if strings.HasSuffix(strings.TrimSpace(plain[:i]), axis) {
					return fmt.Errorf("uses the axis %s in a predicate", axis)
				}
			}
		}
	}
	return nil
}

// nodes implements [query].
func (q xmlQuery) nodes(from any, s *steps) ([]any, error) {
	var found []any
	err := q.evaluate(from, s, func(n *navigator) error {
		switch {
		case n.attr >= 0:
			return unreadable("the path items, %s, selects attributes: select their elements", q.text)
		case len(found) == maxNodes:
			return errSteps
		}
		found = append(found, n.at)
		return nil
	}, func(string) error {
		return unreadable("the path items, %s, is a value and no list of elements", q.text)
	})
	return found, err
}

// texts implements [query].
func (q xmlQuery) texts(from any, s *steps) ([]string, error) {
	var list []string
	add := func(text string) error {
		if text = strings.TrimSpace(text); text != "" {
			list = append(list, strings.Clone(cutTo(text, maxSubject)))
		}
		return nil
	}
	err := q.evaluate(from, s, func(n *navigator) error { return add(n.Value()) }, add)
	return list, err
}

// evaluate calls node for each node that the path selects, or scalar with the value of an expression.
func (q xmlQuery) evaluate(from any, s *steps, node func(*navigator) error, scalar func(string) error) (err error) {
	n := from.(*xmlNode)
	expr, err := parseXPath(q.text)
	if err != nil {
		return unreadable("the path %s %w", q.text, err)
	}
	defer func() {
		switch p := recover().(type) {
		case nil:
		case stop:
			err = p.error
		default: // the package panics for functions of values of the wrong type
			err = unreadable("the path %s cannot be evaluated: %v", q.text, p)
		}
	}()
	start := &navigator{at: n, root: rootOf(n), attr: -1, steps: s, cost: q.cost, stepCost: q.stepCost}
	switch v := expr.Evaluate(start).(type) {
	case *xpath.NodeIterator:
		for v.MoveNext() {
			if err := node(v.Current().(*navigator)); err != nil {
				return err
			}
		}
		return nil
	case string:
		return scalar(v)
	case float64:
		return scalar(strconv.FormatFloat(v, 'f', -1, 64))
	case bool:
		return scalar(strconv.FormatBool(v))
	}
	return nil
}

func rootOf(n *xmlNode) *xmlNode {
	for n.parent != nil {
		n = n.parent
	}
	return n
}

// A stop is the panic that ends an evaluation with an error.
type stop struct{ error }

// A navigator is a position in a document, for package xpath. Each move takes a step; the navigator panics with a stop
// if there is none left, because the package knows no other way to end an evaluation.
type navigator struct {
	at, root *xmlNode
	attr     int // the index of the attribute, or -1
	steps    *steps
	// cost and stepCost are those of the xmlQuery.
	cost, stepCost int
}

var _ xpath.NodeNavigator = (*navigator)(nil)

func (n *navigator) step() {
	if err := n.steps.spend(n.stepCost); err != nil {
		panic(stop{err})
	}
}

// move moves to a node if it is not nil.
func (n *navigator) move(to *xmlNode) bool {
	n.step()
	if to == nil {
		return false
	}
	n.at, n.attr = to, -1
	return true
}

// NodeType implements [xpath.NodeNavigator], as all methods do.
func (n *navigator) NodeType() xpath.NodeType {
	switch {
	case n.attr >= 0:
		return xpath.AttributeNode
	case n.at.isText:
		return xpath.TextNode
	case n.at.parent == nil:
		return xpath.RootNode
	}
	return xpath.ElementNode
}

// LocalName returns the name without its prefix.
func (n *navigator) LocalName() string {
	if n.attr >= 0 {
		return n.at.attrs[n.attr].Name.Local
	}
	return n.at.name
}

// Prefix returns the prefix of the name.
func (n *navigator) Prefix() string {
	if n.attr >= 0 {
		return n.at.attrs[n.attr].Name.Space
	}
	return n.at.prefix
}

// Value returns the text of the node.
func (n *navigator) Value() string {
	if n.attr >= 0 {
		value := n.at.attrs[n.attr].Value
		n.spendText(len(value))
		return value
	}
	text, err := n.at.content(n.steps)
	if err != nil {
		panic(stop{err})
	}
	n.spendText(len(text))
	return text
}

// spendText takes the steps for a text that the functions of the path are called with.
func (n *navigator) spendText(length int) {
	if err := n.steps.spend(1 + length*n.cost/bytesPerStep); err != nil {
		panic(stop{err})
	}
}

// Copy returns a navigator at the same position.
func (n *navigator) Copy() xpath.NodeNavigator {
	n.step()
	c := *n
	return &c
}

// MoveToRoot moves to the document.
func (n *navigator) MoveToRoot() { n.move(n.root) }

// MoveToParent moves to the parent, which of an attribute is its element.
func (n *navigator) MoveToParent() bool {
	if n.attr >= 0 {
		return n.move(n.at)
	}
	return n.move(n.at.parent)
}

// MoveToNextAttribute moves to the first attribute of an element, or to the next one of an attribute.
func (n *navigator) MoveToNextAttribute() bool {
	n.step()
	if n.attr+1 >= len(n.at.attrs) {
		return false
	}
	n.attr++
	return true
}

// MoveToChild moves to the first child.
func (n *navigator) MoveToChild() bool { return n.attr < 0 && n.move(n.at.first) }

// MoveToFirst moves to the first sibling.
func (n *navigator) MoveToFirst() bool {
	if n.attr >= 0 || n.at.parent == nil {
		return false
	}
	return n.move(n.at.parent.first)
}

// MoveToNext moves to the next sibling.
func (n *navigator) MoveToNext() bool { return n.attr < 0 && n.move(n.at.next) }

// MoveToPrevious moves to the previous sibling.
func (n *navigator) MoveToPrevious() bool { return n.attr < 0 && n.move(n.at.previous) }

// MoveTo moves to the position of another navigator of the same document.
func (n *navigator) MoveTo(other xpath.NodeNavigator) bool {
	o, ok := other.(*navigator)
	if !ok || o.root != n.root {
		return false
	}
	n.step()
	n.at, n.attr = o.at, o.attr
	return true
}
