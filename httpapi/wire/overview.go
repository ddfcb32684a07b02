package wire

// MaxAttention is how many ids an [Attention] has at most.
const MaxAttention = 100

// An Overview is the body that answers GET /api/v1/overview: what needs attention among the titles that the caller may
// change.
type Overview struct {
	// Complete is false for some seconds after a start, while the warnings and the dates of titles are still counted.
	Complete bool `json:"complete"`
	// Titles is the number of titles.
	Titles int `json:"titles"`
	// Sources are the titles and the mirrors whose source cannot be followed, and Feeds the titles whose release feed
	// cannot be read.
	Sources Attention `json:"sources"`
	Feeds   Attention `json:"feeds"`
	// Proposals are the proposals that wait for a person, and Drafts the titles that have a draft.
	Proposals Attention `json:"proposals"`
	Drafts    Attention `json:"drafts"`
	// Warnings are the titles about which lint warns, and Stale those whose next version is overdue: the newest one is
	// more than three times as old as the usual time between two, and more than 30 days.
	Warnings Attention `json:"warnings"`
	Stale    Attention `json:"stale"`
	// Webhooks are the webhooks whose last delivery failed. They are empty unless the caller is an administrator.
	Webhooks Attention `json:"webhooks"`
	// Tokens are the tokens that the caller may revoke and that expire within 30 days.
	Tokens Attention `json:"tokens"`
	// Releases are the numbers of versions that were released on each of the last 14 days, the oldest day first.
	Releases []DayReleases `json:"releases"`
}

// An Attention is a number of things that need attention, and the ids of the first of them.
type Attention struct {
	Count int      `json:"count"`
	IDs   []string `json:"ids"`
}

// Add adds a thing. Its id is kept if it is one of the first [MaxAttention].
func (a *Attention) Add(id string) {
	a.Count++
	if len(a.IDs) < MaxAttention {
		a.IDs = append(a.IDs, id)
	}
}

// A DayReleases is the number of versions that were released on a day.
type DayReleases struct {
	// Day is in UTC, such as 2026-03-01.
	Day      string `json:"day"`
	Versions int    `json:"versions"`
}
