package wire_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/recipe"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var (
	berlin   = time.FixedZone("CET", 3600)
	moment   = time.Date(2026, 3, 1, 12, 30, 15, 999, berlin)
	instant  = wire.Time(moment)
	text     = "a <text> & more"
	pointer  = &text
	failures = []patch.Failure{{Path: "/id", Message: "is missing: add it"}}
	warnings = []patch.Warning{
		{Code: "order", Path: "/patches", Message: "out of order", Fix: "sorted", Error: true},
		{Code: "order", Path: "/patches", Message: "out of order"},
	}
	summary = patch.Summary{
		Name: "A <b>", Publisher: "P", LastModified: "2026-03-01T11:30:15Z", CurrentVersion: "1.2", ID: "A",
	}
	state = wire.SyncState{
		URL: "https://example.com/a?b=1&c", LastAttempt: instant, LastSuccess: instant, LastChange: instant,
		NextAttempt: instant, Failures: 2, LastError: pointer, Status: 503, Signer: "CN=A",
	}
)

var (
	feed    = recipe.Feed{Kind: "sparkle", URL: "https://example.com/a.xml?b=1&token=REDACTED", Channel: "beta"}
	release = wire.Release{
		Version: "1.2", Build: "12", Channel: "beta", MinimumOperatingSystem: "12.0", Date: instant, Prerelease: true,
		URL: "https://example.com/a?b&c",
	}
	version    = patch.Patch{Version: "1.2", ReleaseDate: "2026-03-01T11:30:15Z"}
	held       = []wire.HeldVersion{{Version: "1.2", Until: instant}, {}}
	dropped    = []wire.DroppedRelease{{Version: "1.2", Reason: text}, {}}
	watchState = wire.WatchState{
		Status: wire.WatchFailing, Failures: 2, LastError: pointer, LastAttempt: instant, LastSuccess: instant,
		NextCheck: instant, Newest: pointer, Silent: true, Held: held,
	}
	watch = wire.Watch{
		Title: "A", Feed: feed, Policy: recipe.Policy{Mode: recipe.Propose, Hold: recipe.Duration(48 * time.Hour)},
		Source: "folder:a", ReadOnly: true, State: watchState,
	}
	proposal = wire.Proposal{
		ID: "p", Title: "A", Version: "1.2", Versions: []string{"1.2"}, Reasons: []string{text}, Found: instant,
		Patches: []patch.Patch{version},
	}
)

// bodies are values of every body of the contract, with all members and with none, by the names of their golden files.
var bodies = map[string]any{
	"answer": wire.Answer{
		Message: text, Success: text, ID: "A", Name: "A", Changes: []string{text}, Warnings: warnings,
	},
	"answer-empty":     wire.Answer{},
	"subscribed":       wire.Subscribed{Success: text, Answer: wire.Answer{Message: text, ID: "A", Name: "A"}},
	"subscribed-empty": wire.Subscribed{},
	"job": wire.Job{
		ID: "J", Kind: wire.JobRestore, State: wire.JobDone, Begun: instant, Ended: instant, Total: 2, Done: 2,
		Status: 201, Result: json.RawMessage(`[{"id":"A"}]`),
	},
	"job-empty": wire.Job{},
	"jobs": wire.JobList{Jobs: []wire.Job{
		{ID: "J", Kind: wire.JobImport, State: wire.JobRunning, Begun: instant},
	}},
	"jobsummary": wire.JobSummary{
		Message: text, Counts: map[string]int{wire.ResultRefused: 1},
		Refused: []wire.Imported{{Item: "/0", Result: wire.ResultRefused, Message: text}},
		Skipped: []wire.Restored{{ID: "A", Skipped: text}},
	},
	"jobsummary-empty": wire.JobSummary{Counts: map[string]int{}},
	"lint":             wire.LintResult{Errors: failures, Warnings: warnings},
	"lint-empty":       wire.LintResult{Errors: []patch.Failure{}, Warnings: []patch.Warning{}},
	"evaluaterequest": wire.EvaluateRequest{Title: "A", Definition: []byte("{}"), Computers: []patch.Computer{{
		Name: "c", OSVersion: "14",
		Applications:        []patch.InstalledApplication{{Name: "A", BundleID: "b", Version: "1"}},
		ExtensionAttributes: map[string]string{"e": "1"}, Facts: map[string]string{"Model": "m"},
	}, {}}},
	"evaluaterequest-empty": wire.EvaluateRequest{Computers: []patch.Computer{}},
	"evaluations": wire.Evaluations([]patch.Evaluation{
		{Name: "c", Installed: true, Version: "1", Latest: true, Eligible: true, Why: []string{text}},
		{Why: []string{}},
	}),
	"evaluations-empty": wire.Evaluations(nil),
	"titles": wire.TitlePage{
		Titles: []wire.Title{
			{
				Summary: summary, Author: pointer, Sync: &state,
				Updated: *instant, Released: instant, Warnings: new(2),
			},
			{Summary: summary},
		},
		Next: pointer,
	},
	"audit": wire.AuditPage{
		Entries: []wire.AuditEntry{
			{ID: "e", At: *instant, Action: text, Token: &wire.AuditToken{ID: "t", Name: text},
				Details: map[string]string{"title": "A"}},
			{Principal: pointer},
		},
		Next: pointer,
	},
	"overview": wire.Overview{
		Complete: true, Titles: 3, Sources: wire.Attention{Count: 1, IDs: []string{"A"}},
		Releases: []wire.DayReleases{{Day: "2026-03-01", Versions: 2}},
	},
	"titles-empty": wire.TitlePage{Titles: []wire.Title{}},
	"history": wire.History{Revisions: []wire.Revision{
		{Number: 2, At: instant, Token: pointer, Version: "1.2", Current: true}, {},
	}},
	"difference":       wire.Difference{Changes: []string{text}},
	"difference-empty": wire.Difference{Changes: []string{}},
	"newtoken": wire.NewToken{
		Message: text, ID: "t1", Secret: "pst_x", Name: "n", Kind: wire.TitleToken, Titles: []string{"A"},
		Expires: instant,
	},
	"newtoken-empty": wire.NewToken{},
	"exchangedtoken": wire.ExchangedToken{Secret: "pst_x", ID: "t1", Message: text},
	"claimedtoken":   wire.ClaimedToken{Message: text, Secret: "pst_x"},
	"tokens": wire.TokenList{Tokens: []wire.Token{
		{
			ID: "t1", Name: "n", Kind: wire.TitleToken, Titles: []string{}, MadeWith: pointer,
			Created: moment.Truncate(time.Second), Expires: instant, LastUsed: instant,
		},
		{},
	}},
	"tokens-empty": wire.TokenList{Tokens: []wire.Token{}},
	"identity": wire.Identity{
		ID: "t1", Kind: wire.Contributor, Titles: []string{"A"}, Contributor: pointer, Expires: instant,
	},
	"identity-empty": wire.Identity{},
	"sources": wire.SourceList{Sources: []wire.Source{
		{Title: pointer, SyncState: state, Titles: 1},
		{Mirror: pointer, Titles: 3, Refused: map[string]string{"B": text, "A": text}},
	}},
	"webhooks": []wire.Webhook{
		{
			ID: "w", URL: "https://example.com", Enabled: true, VerifySSL: true, SendDefinition: true, Format: "json",
			Signed: true, Events: []string{wire.EventNewTitle}, Titles: []string{"A"}, Pending: 1, Dropped: 2,
			Failures: 3, LastAttempt: instant, LastSuccess: instant, NextAttempt: instant, LastError: pointer,
			Status: 500,
		},
		{Events: []string{}, Titles: []string{}},
	},
	"deliveries": wire.DeliveryList{Deliveries: []wire.Delivery{
		{
			ID: "e", Event: wire.EventNewTitle, Title: "A", Version: "1", At: instant, Attempts: 2,
			LastAttempt: instant, Status: 503, Error: text, State: wire.DeliveryPending, NextAttempt: instant,
		},
		{},
	}},
	"deliveries-empty": wire.DeliveryList{Deliveries: []wire.Delivery{}},
	"webhookcreated":   wire.WebhookCreated{ID: "w", Message: text},
	"contributors":     []wire.ContributorListing{{ID: "c", Name: "C", Titles: 1, URN: "u", URL: "h"}, {}},
	"restored":         []wire.Restored{{ID: "A"}, {ID: "B", Skipped: text}},
	"restoreplan": wire.RestorePlan{
		Create: []string{"A"}, Counts: map[string]int{"skip": 1, "create": 2}, Confirm: "1-a",
	},
	"imported": wire.Imported{
		Item: "a.json", ID: "A", Result: "refused", Message: text, Errors: failures, Warnings: warnings,
	},
	"imported-empty": wire.Imported{},
	"error": wire.Error{
		Message: text, Code: wire.CodeInvalidJSON, Detail: text, Failures: failures, Simple: true,
	},
	"error-internal": wire.Error{Message: text, Code: wire.CodeInternal},
	"tokenrequest": wire.TokenRequest{
		Name: "n", Days: new(0), NeverExpires: true, Titles: []string{"A"}, Administrator: true,
	},
	"tokenrequest-min": wire.TokenRequest{},
	"watch":            watch,
	"watches":          wire.WatchList{Watches: []wire.Watch{watch, {Feed: recipe.Feed{Kind: "electron"}}}},
	"watches-empty":    wire.WatchList{Watches: []wire.Watch{}},
	"checkresult": wire.CheckResult{
		Message: text, Newest: &release, Added: []string{"1.2"},
		WouldAdd: []wire.Addition{{Version: "1.2", Patch: version, Reasons: []string{text}}},
		Proposal: &proposal, Held: held, Skipped: dropped, Error: pointer, State: watchState,
	},
	"checkresult-empty": wire.CheckResult{
		Added: []string{}, WouldAdd: []wire.Addition{}, Held: []wire.HeldVersion{}, Skipped: []wire.DroppedRelease{},
	},
	"proposals":       wire.ProposalList{Proposals: []wire.Proposal{proposal}},
	"proposals-empty": wire.ProposalList{Proposals: []wire.Proposal{}},
	"recipetest": wire.RecipeTest{
		Recipe: recipe.Recipe{ID: "A", Name: "A", BundleID: "a", Feed: feed},
		Answer: &wire.RecipeAnswer{Status: 200, Headers: map[string]string{"B": "b", "A": "a"}, Body: "<a>&"},
	},
	"recipetest-min": wire.RecipeTest{Recipe: recipe.Recipe{Feed: recipe.Feed{Kind: "electron"}}},
	"recipetestresult": wire.RecipeTestResult{
		Releases: []wire.Release{release, {Version: "1"}}, Newest: &release, Dropped: dropped,
	},
	"recipetestresult-empty": wire.RecipeTestResult{Releases: []wire.Release{}, Dropped: []wire.DroppedRelease{}},
	"draftrequest-cask":      wire.DraftRequest{Cask: json.RawMessage(`{"token":"a"}`)},
	"draftrequest-app": wire.DraftRequest{App: &wire.DraftApp{
		InfoPlist: wire.Document("<plist/>"), AppName: "A.app", UpdateConfig: wire.Document("provider: github\n"),
	}},
	"recipedraft": wire.RecipeDraft{
		Recipe:  recipe.Recipe{ID: "A", Name: "A", BundleID: "a", Feed: feed},
		Guesses: []wire.Guess{{Path: "/id", Why: text}}, Gaps: []string{"/feed"},
	},
	"recipedraft-empty": wire.RecipeDraft{Guesses: []wire.Guess{}, Gaps: []string{}},
}

func encode(t *testing.T, body any) []byte {
	t.Helper()
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(body); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestGolden holds the bytes of every body: the names of its members, their order, and whether a member without a
// value is null or absent. The files were written from the answers of the release before package wire.
func TestGolden(t *testing.T) {
	for name, body := range bodies {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join("testdata", name+".json")
			got := encode(t, body)
			if *update {
				if err := os.WriteFile(file, got, 0o666); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("the body differs from %s (-want +got):\n%s", file, diff)
			}
		})
	}
}

// TestRoundTrip reads every body back as a client does and writes it once more.
func TestRoundTrip(t *testing.T) {
	for name, body := range bodies {
		t.Run(name, func(t *testing.T) {
			want := encode(t, body)
			read := reflect.New(reflect.TypeOf(body))
			if err := json.Unmarshal(want, read.Interface()); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(encode(t, read.Elem().Interface()))); diff != "" {
				t.Errorf("the body changed in the round trip (-want +got):\n%s", diff)
			}
		})
	}
}

// A document is read from base64 and from text.
func TestDocument(t *testing.T) {
	for _, body := range []string{`"PHBsaXN0Lz4="`, `"<plist/>"`} {
		var got wire.Document
		if err := json.Unmarshal([]byte(body), &got); err != nil || string(got) != "<plist/>" {
			t.Errorf("%s was read as %q, %v; want <plist/>", body, got, err)
		}
	}
	var got wire.Document
	if err := json.Unmarshal([]byte(`{"a":1}`), &got); err == nil {
		t.Error("an object was read as a document")
	}
}

// An error of which a member has another type keeps its other members.
func TestErrorOfAnotherServer(t *testing.T) {
	tests := []struct {
		name, body string
		want       wire.Error
	}{
		{"message of another type", `{"message":1,"forbidden":"no"}`, wire.Error{Code: "forbidden", Detail: "no"}},
		{"no code", `{"message":"m"}`, wire.Error{Message: "m"}},
		{"two codes", `{"message":"m","b":1,"a":2}`, wire.Error{Message: "m", Code: "a", Detail: 2.0}},
		{"failures of another type", `{"message":"m","errors":"e"}`, wire.Error{Message: "m"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got wire.Error
			if err := json.Unmarshal([]byte(test.body), &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("the error differs (-want +got):\n%s", diff)
			}
		})
	}
	var e wire.Error
	if err := json.Unmarshal([]byte(`["message"]`), &e); err == nil {
		t.Error("an array was read as an error")
	}
}
