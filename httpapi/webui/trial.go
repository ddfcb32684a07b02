package webui

import (
	"net/http"

	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch/recipe"
)

const (
	// maxTried limits the number of releases that a trial shows, and maxLeftOut that of the others.
	maxTried   = 20
	maxLeftOut = 50
)

// A trial is the result of trying a feed.
type trial struct {
	wire.RecipeTestResult
	// Message says why there is no result. It is empty if there is one.
	Message               string
	MoreReleases, MoreOut int // the numbers of those that are not shown
}

// tried adds the result of a trial.
func (f *feedForm) tried(result wire.RecipeTestResult) {
	t := &trial{RecipeTestResult: result}
	if n := len(result.Releases) - maxTried; n > 0 {
		t.Releases, t.MoreReleases = result.Releases[:maxTried], n
	}
	if n := len(result.Dropped) - maxLeftOut; n > 0 {
		t.Dropped, t.MoreOut = result.Dropped[:maxLeftOut], n
	}
	f.Trial = t
}

// try tries the feed of a form if the visitor asks for it, or if the form cannot be sent because of values that no
// recipe can have. It reports whether it has shown the form.
func (v *visit) try(f *feedForm, r recipe.Recipe, page, title string) bool {
	trying := v.r.URL.Query().Get("try") != ""
	switch {
	case len(f.fieldErrors) > 0:
		f.complain(f.validate(r))
		f.Message = "Nothing was changed: correct the marked fields."
		v.show(http.StatusBadRequest, page, title, f)
	case trying:
		result, err := v.api.TestRecipe(v.r.Context(), wire.RecipeTest{
			Recipe: recipe.Recipe{Feed: r.Feed, Policy: r.Policy},
		})
		if err != nil {
			v.refuseTrial(f, err, page, title)
			break
		}
		f.tried(result)
		v.show(http.StatusOK, page, title, f)
	default:
		return false
	}
	return true
}

// refuseFeed shows a form again with the error of a call.
func (v *visit) refuseFeed(f *feedForm, err error, page, title string) {
	r := v.refusalOf(err)
	f.complain(r)
	v.again(r, page, title, f)
}

// refuseTrial shows a form again with the error of a trial: below the form, unless fields have to be corrected.
func (v *visit) refuseTrial(f *feedForm, err error, page, title string) {
	r := v.refusalOf(err)
	f.complain(r)
	f.Trial = &trial{Message: r.Message}
	if len(r.Errors) > 0 {
		f.Trial.Message = "The feed was not tried: correct the marked fields."
	} else {
		f.Message = ""
	}
	v.again(r, page, title, f)
}
