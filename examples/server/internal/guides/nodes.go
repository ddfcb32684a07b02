package guides

import (
	"html/template"
	"regexp"
	"strconv"

	"github.com/yuin/goldmark/ast"
	tables "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/util"
)

// nodes renders headings with a link to themselves, code with a button that copies it, and tables that scroll.
type nodes struct{}

// RegisterFuncs implements renderer.NodeRenderer.
func (nodes) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(ast.KindHeading, renderHeading)
	r.Register(ast.KindFencedCodeBlock, renderCode)
	r.Register(ast.KindCodeBlock, renderCode)
	r.Register(ast.KindCodeSpan, renderCodeSpan)
	r.Register(tables.KindTable, renderTable)
}

// pathSegment matches the end of a segment of a path, where a line may break.
var pathSegment = regexp.MustCompile(`(\w|\})/`)

// flagName matches a flag, in which no line may break.
var flagName = regexp.MustCompile(`\B--?[a-z][a-z-]*`)

func renderCodeSpan(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if entering {
		text := template.HTMLEscapeString(plain(n, source))
		text = flagName.ReplaceAllString(pathSegment.ReplaceAllString(text, "$1<wbr>/"), "<span>$0</span>")
		_, _ = w.WriteString("<code>" + text + "</code>")
	}
	return ast.WalkSkipChildren, nil
}

func renderHeading(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	h := n.(*ast.Heading)
	id, _ := h.AttributeString("id")
	slug, _ := id.([]byte)
	level, name := strconv.Itoa(h.Level), template.HTMLEscapeString(string(slug))
	if entering {
		_, _ = w.WriteString(`<div class="heading"><h` + level + ` id="` + name + `">`)
	} else {
		_, _ = w.WriteString("</h" + level + `><a href="#` + name + `" aria-label="Link to the section ` +
			template.HTMLEscapeString(plain(h, source)) + `">#</a></div>` + "\n")
	}
	return ast.WalkContinue, nil
}

func renderCode(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	language := ""
	if fenced, ok := n.(*ast.FencedCodeBlock); ok {
		language = template.HTMLEscapeString(string(fenced.Language(source)))
	}
	_, _ = w.WriteString(`<div class="code"><div class="bar"><span>` + language +
		`</span><button type="button" hidden>Copy</button></div><pre tabindex="0"><code>` +
		template.HTMLEscapeString(string(n.Lines().Value(source))) + "</code></pre></div>\n")
	return ast.WalkSkipChildren, nil
}

func renderTable(w util.BufWriter, _ []byte, _ ast.Node, entering bool) (ast.WalkStatus, error) {
	if entering {
		_, _ = w.WriteString(`<div class="wide"><table class="stacks">` + "\n")
	} else {
		_, _ = w.WriteString("</table></div>\n")
	}
	return ast.WalkContinue, nil
}
