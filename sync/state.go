package patchsync

import (
	"fmt"
	"strings"
	"time"

	"github.com/patchsource/patchsource/patch/catalog"
)

// A State is the state of a followed source. Times are in UTC, and zero if the event has not happened.
type State struct {
	// Source is the URL of the source, or the key of a source without one, as [RedactURL] returns it.
	Source string
	// Title is the id of the title that is followed on its own. If it is empty, Mirror is the redacted name of the
	// mirror that follows the source.
	Title, Mirror string
	// LastAttempt is when the source was last asked, LastSuccess when that last succeeded, and LastChange when a
	// definition last changed. After a restart, the first two are those of the last round that changed anything else
	// in the state.
	LastAttempt, LastSuccess, LastChange time.Time
	// NextAttempt is when the source will be asked again.
	NextAttempt time.Time
	// Failures is the number of failed attempts since the last success.
	Failures int
	// LastError is the reason of the last failure, or an error of a title of a mirror. If empty, there is none.
	LastError string
	// Status is the HTTP status of the last failure, 0 if it has none.
	Status int
	// Signer is the subject of the certificate that signed the definition that was last fetched, if one did.
	Signer string
	// Titles is the number of titles that a mirror has brought.
	Titles int
	// Refused are the titles of a mirror that are not served as the source has them, by their ids there, with the
	// reasons.
	Refused map[string]string
}

// Outcome returns what everyone may know of LastError: the status that the source answered, and nothing about its
// address, its network or what it sent. It is empty if LastError is.
func (s State) Outcome() string {
	switch {
	case s.LastError == "":
		return ""
	case s.Status != 0:
		return fmt.Sprintf("the source answered with status %d", s.Status)
	}
	return "the source could not be read; callers who may change the title can see the reason"
}

// stateOf returns the state of a job.
func (a *agenda) stateOf(j *job) State {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := j.summary()
	if j.mirror == nil {
		return out
	}
	for id, it := range j.state.Items {
		if it.Title != "" {
			out.Titles++
		}
		if it.Error != "" {
			if out.Refused == nil {
				out.Refused = map[string]string{}
			}
			out.Refused[redactID(id)] = j.withoutSecrets(it.Error)
		}
	}
	return out
}

// stateOfTitle returns the state of a job with the error of one of its titles.
func (a *agenda) stateOfTitle(j *job, t catalog.Title) State {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := j.summary()
	if j.mirror == nil || j.state.LastError == "" {
		return out
	}
	if j.state.Failures == 0 {
		out.LastError = "" // the error is about other titles
	}
	if text := j.errors[t.ID]; text != "" {
		out.LastError = j.withoutSecrets(text)
	}
	return out
}

// summary returns the state of a job without Titles and Refused. The caller must hold agenda.mu.
func (j *job) summary() State {
	s := &j.state
	out := State{
		Source:      j.shown(),
		Title:       j.title.id,
		LastAttempt: s.LastAttempt,
		LastSuccess: s.LastSuccess,
		LastChange:  s.LastChange,
		NextAttempt: j.next.UTC(),
		Failures:    s.Failures,
		LastError:   j.withoutSecrets(s.LastError),
		Status:      s.Status,
		Signer:      s.Signer,
	}
	if j.mirror != nil {
		out.Mirror = RedactURL(j.mirror.Name)
	}
	return out
}

// withoutSecrets removes the secrets of the source's URL from a message. Earlier versions saved messages with the
// whole URL.
func (j *job) withoutSecrets(message string) string {
	if key := j.source.Key(); key != "" {
		return strings.ReplaceAll(message, key, j.shown())
	}
	return message
}
