package webui

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"sync"
	"time"
)

// setupPages are the page that leads through the configuration of the server.
type setupPages struct{ *visit }

// setupResults are the results of the latest checks, by the IDs of their steps. They end with the process.
type setupResults struct {
	running sync.Mutex // held while a check runs

	mu     sync.Mutex
	latest map[string]setupResult
}

// A setupResult is the result of a check.
type setupResult struct {
	SetupFinding
	At time.Time
	// before is what was known without the check. If that has changed since, the result is obsolete.
	before SetupFinding
}

// of returns the latest result of a step, or nil if there is none that is still about what is known now.
func (s *setupResults) of(id string, now SetupFinding) *setupResult {
	s.mu.Lock()
	defer s.mu.Unlock()
	result, ok := s.latest[id]
	if !ok || result.before.State != now.State || result.before.Text != now.Text {
		return nil
	}
	return &result
}

// keep keeps the result of a step.
func (s *setupResults) keep(id string, result setupResult) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.latest == nil {
		s.latest = map[string]setupResult{}
	}
	s.latest[id] = result
}

// A setupPage shows the steps.
type setupPage struct {
	Steps  []setupEntry
	Report *setupEntry
	Done   int // steps that need no more work
}

// A setupEntry is a step on the page.
type setupEntry struct {
	SetupStep
	Number int
	// Known has the facts that are known without a check. Found is the result of the check, or Known without one.
	Known, Found SetupFinding
	At           *time.Time // when it was checked; nil: it was not
	Just         bool       // it was checked by this request
	Next         bool       // it is the first step that needs work
	// Entered is the mail address that this request has sent for the step.
	Entered string
}

// ButtonLabel returns the label of the button that starts the check.
func (e setupEntry) ButtonLabel() string { return cmp.Or(e.Button, "Check") }

// Facts returns what is known without a check, and what the check has found.
func (e setupEntry) Facts() []SetupFact {
	if e.At == nil {
		return e.Known.Facts
	}
	return slices.Concat(e.Known.Facts, e.Found.Facts)
}

// get shows the page.
func (p setupPages) get() {
	if !p.setupAllowed() {
		return
	}
	if id := p.r.PathValue("step"); id != "" && p.step(id) == nil {
		errorPages(p).notFound()
		return
	}
	p.showSteps("")
}

// step returns the step with an ID, or nil if there is none.
func (p setupPages) step(id string) *SetupStep {
	for _, step := range p.h.setup.all() {
		if step.ID == id {
			return &step
		}
	}
	return nil
}

// check checks a step, and shows the page with the result. It does not redirect: behind a load balancer, another server
// would answer, which does not know the result.
func (p setupPages) check() {
	if !p.setupAllowed() || !p.readForm() {
		return
	}
	step := p.step(p.r.PathValue("step"))
	if step == nil {
		errorPages(p).notFound()
		return
	}
	if !p.h.checks.running.TryLock() {
		p.refused(&refusal{
			Status:     http.StatusServiceUnavailable,
			Message:    "Another check is running. Wait until it has ended, and try again.",
			RetryAfter: 5 * time.Second,
		})
		return
	}
	defer p.h.checks.running.Unlock()
	v := p.setupVisit()
	found := p.found(step, v)
	if p.r.Context().Err() != nil {
		return // the visitor has gone, and the check was not completed
	}
	p.h.checks.keep(step.ID, setupResult{SetupFinding: found, At: p.h.now(), before: step.Look(v)})
	p.showSteps(step.ID)
}

// found checks a step and returns the result.
func (p setupPages) found(step *SetupStep, v SetupVisit) SetupFinding {
	if step.Check == nil {
		found := step.Look(v)
		found.Facts = nil // they are shown already
		return found
	}
	timeout := p.h.setup.Timeout
	if timeout <= 0 {
		timeout = defaultSetupTimeout
	}
	ctx, cancel := context.WithTimeout(p.r.Context(), timeout)
	defer cancel()
	return step.Check(ctx, v)
}

// showSteps shows the page. just is the ID of the step that this request has checked, or empty.
func (p setupPages) showSteps(just string) {
	page := setupPage{}
	v := p.setupVisit()
	entered := v.Mailbox
	v.Mailbox = ""
	entry := func(step SetupStep, number int) setupEntry {
		e := setupEntry{SetupStep: step, Number: number, Known: step.Look(v), Just: step.ID == just}
		e.Found = e.Known
		if result := p.h.checks.of(step.ID, e.Known); result != nil {
			e.Found, e.At = result.SetupFinding, &result.At
		}
		if e.Just {
			e.Entered = entered
		}
		return e
	}
	next := true
	for i, step := range p.h.setup.Steps {
		e := entry(step, i+1)
		if e.Found.State != SetupTodo && e.Found.State != SetupFailed {
			page.Done++
		} else {
			e.Next, next = next, false
		}
		page.Steps = append(page.Steps, e)
	}
	if report := p.h.setup.Report; report != nil {
		e := entry(*report, 0)
		page.Report = &e
	}
	p.show(http.StatusOK, "setup", "Setup", page)
}
