package guides

import (
	"bytes"
	"html/template"
	"strconv"
	"strings"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	tables "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// A heading is an entry of the table of contents, with the headings below it.
type heading struct {
	ID, Title string
	Below     []*heading
}

// A section is the text from a heading to the next one, for the search.
type section struct {
	Guide           *guide
	ID, Title, Text string
}

// render renders the Markdown of a guide.
func (lib *library) render(g *guide) error {
	md := goldmark.New(
		goldmark.WithExtensions(extension.GFM),
		goldmark.WithParserOptions(parser.WithAutoHeadingID()),
		goldmark.WithRendererOptions(renderer.WithNodeRenderers(util.Prioritized(nodes{}, 100))),
	)
	context := parser.NewContext(parser.WithIDs(slugs{}))
	doc := md.Parser().Parse(text.NewReader(g.Source), parser.WithContext(context))
	if h, ok := doc.FirstChild().(*ast.Heading); ok && h.Level == 1 {
		g.Title = plain(h, g.Source)
		g.sections = append(g.sections, section{Guide: g, Title: g.Title})
		doc.RemoveChild(doc, h)
	}
	removeContents(doc)
	g.collect(doc)
	err := ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if entering {
			switch n := n.(type) {
			case *ast.Link:
				n.Destination = []byte(lib.link(g.Folder, string(n.Destination)))
			case *tables.Table:
				labelCells(n, g.Source)
			}
		}
		return ast.WalkContinue, nil
	})
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := md.Renderer().Render(&b, g.Source, doc); err != nil {
		return err
	}
	g.Body = template.HTML(b.String())
	return nil
}

// removeContents removes a table of contents from a guide: a list, before the second heading, all of whose items are
// links to sections. The page has a table of its own.
func removeContents(doc ast.Node) {
	for n := doc.FirstChild(); n != nil && n.Kind() != ast.KindHeading; n = n.NextSibling() {
		if list, ok := n.(*ast.List); ok && linksToSections(list) {
			doc.RemoveChild(doc, list)
			return
		}
	}
}

// linksToSections reports whether each item of a list is a link to a section.
func linksToSections(list *ast.List) bool {
	for item := list.FirstChild(); item != nil; item = item.NextSibling() {
		if item.ChildCount() != 1 || item.FirstChild().ChildCount() != 1 {
			return false
		}
		link, ok := item.FirstChild().FirstChild().(*ast.Link)
		if !ok || !bytes.HasPrefix(link.Destination, []byte("#")) {
			return false
		}
	}
	return true
}

// collect sets the headings and the sections of a guide.
func (g *guide) collect(doc ast.Node) {
	for n := doc.FirstChild(); n != nil; n = n.NextSibling() {
		h, ok := n.(*ast.Heading)
		if !ok {
			if len(g.sections) > 0 {
				last := &g.sections[len(g.sections)-1]
				last.Text = strings.TrimSpace(last.Text + " " + plain(n, g.Source))
			}
			continue
		}
		id, _ := h.AttributeString("id")
		slug, _ := id.([]byte)
		entry := &heading{ID: string(slug), Title: plain(h, g.Source)}
		g.sections = append(g.sections, section{Guide: g, ID: entry.ID, Title: entry.Title})
		if last := len(g.Headings) - 1; h.Level > 2 && last >= 0 {
			g.Headings[last].Below = append(g.Headings[last].Below, entry)
		} else {
			g.Headings = append(g.Headings, entry)
		}
	}
}

// plain returns the text of a node, on one line.
func plain(n ast.Node, source []byte) string {
	var b strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) { // fails only if the function does
		switch n := n.(type) {
		case *ast.Text:
			if entering {
				b.Write(n.Segment.Value(source))
				if n.SoftLineBreak() || n.HardLineBreak() {
					b.WriteByte(' ')
				}
			}
		case *ast.AutoLink:
			if entering {
				b.Write(n.Label(source))
			}
		case *ast.FencedCodeBlock, *ast.CodeBlock:
			if entering {
				b.Write(n.Lines().Value(source))
			}
		}
		if !entering && (n.Type() == ast.TypeBlock) {
			b.WriteByte(' ')
		}
		return ast.WalkContinue, nil
	})
	return strings.Join(strings.Fields(b.String()), " ")
}

// labelCells gives each cell of a table the text of its column's heading, which a narrow page shows before it.
func labelCells(table *tables.Table, source []byte) {
	var labels []string
	for row := table.FirstChild(); row != nil; row = row.NextSibling() {
		i := 0
		for cell := row.FirstChild(); cell != nil; cell = cell.NextSibling() {
			if row.Kind() == tables.KindTableHeader {
				labels = append(labels, plain(cell, source))
			} else if i < len(labels) {
				cell.SetAttributeString("data-label", []byte(labels[i]))
			}
			i++
		}
	}
}

// slugs makes the ids of headings, as GitHub does: a letter stays, a space becomes a hyphen, and punctuation is left
// out. The numbers are those of the headings that have had the same text.
type slugs map[string]int

// Generate implements parser.IDs.
func (s slugs) Generate(value []byte, _ ast.NodeKind) []byte {
	slug := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsLetter(r), unicode.IsNumber(r), r == '-', r == '_':
			return unicode.ToLower(r)
		case r == ' ':
			return '-'
		}
		return -1
	}, strings.TrimSpace(string(value)))
	n := s[slug]
	s[slug]++
	if n > 0 {
		slug += "-" + strconv.Itoa(n)
	}
	return []byte(slug)
}

// Put implements parser.IDs.
func (s slugs) Put(value []byte) { s[string(value)]++ }
