package webui

import (
	"errors"
	"net/http"

	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
)

// publishPages are the pages for publishing without an account.
type publishPages struct{ *visit }

// A publishPage has the form for a definition.
type publishPage struct {
	Open          bool // visitors without an account may publish
	Author, Email string
	URL, Text     string
	Message       string
	fieldErrors
	Finding   finding
	Published wire.Answer
}

func (p publishPages) form() {
	p.show(http.StatusOK, "publish", "Publish", publishPage{Open: p.h.publishing})
}

// publish publishes a definition, or the URL of one.
func (p publishPages) publish() {
	files, ok := p.uploaded(maxPublished)
	if !ok {
		return
	}
	page := publishPage{
		Open:        p.h.publishing,
		Author:      p.value("author_name"),
		Email:       p.value("author_email"),
		URL:         p.value("definition_url"),
		fieldErrors: fieldErrors{},
	}
	answer, err := p.post(&page, files)
	if err == nil {
		answer.Message = sentence(answer.Message)
		page.Published = answer
		p.show(http.StatusCreated, "published", "Published", page)
		return
	}
	r := p.refusalOf(err)
	page.Message = r.Message
	others := page.take(r.Errors, "/author_name", "/author_email", "/definition_url")
	var text []byte
	if len(files) > 0 {
		text = files[0].Text
	}
	page.Finding = find(text, "/definition", others, nil)
	page.Text = page.Finding.Text
	p.again(r, "publish", "Publish", page)
}

// post calls the API to publish what the form has. Visitors publish without their token.
func (p publishPages) post(page *publishPage, files []file) (wire.Answer, error) {
	request := wire.Publication{AuthorName: page.Author, AuthorEmail: page.Email}
	refused := &refusal{Status: http.StatusBadRequest}
	switch {
	case len(files) > 1:
		refused.Message = "Nothing was published: provide the definition as a file or as text, not both."
	case len(files) == 1 && page.URL != "":
		refused.Message = "Nothing was published: provide a definition or the URL of one, not both."
	case len(files) == 0 && page.URL == "":
		refused.Message = "Nothing was published: choose a file, paste a definition, or enter the URL of one."
	case len(files) == 0:
		request.URL = page.URL
		return p.anonymous().Publish(p.r.Context(), request)
	default:
		err := patch.CheckSyntax(files[0].Text, nil)
		if err == nil {
			return p.anonymous().PublishJSON(p.r.Context(), request, files[0].Text)
		}
		refused.Message = "Nothing was published: this is not valid JSON."
		if errors.Is(err, patch.ErrTooLarge) {
			refused.Status = http.StatusRequestEntityTooLarge
			refused.Message = "Nothing was published: the definition is larger than 10 MiB."
		}
		for _, e := range syntaxErrors(files[0].Text) {
			refused.Errors = append(refused.Errors, patch.Failure{Path: "/definition" + e.Path, Message: e.Message})
		}
	}
	return wire.Answer{}, refused
}
