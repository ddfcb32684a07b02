package webhook

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
)

const (
	// maxLogEntries and maxLogBytes bound the log of a webhook: the number of its entries, and the bytes of these.
	maxLogEntries = 100
	maxLogBytes   = 256 << 10
	// maxLogChanges bounds the bytes of the changes that an entry describes, and maxLogError those of its error.
	maxLogChanges = 2 << 10
	maxLogError   = 500
)

// A logRecord is the log of a webhook in the store: the outcomes of the deliveries of its newest events.
type logRecord struct {
	Format  int        `json:"format"`
	Entries []logEntry `json:"entries"`
}

// A logEntry describes the attempts to deliver an event.
type logEntry struct {
	Notice catalog.Notice `json:"notice"` // as logged returns it
	Number int64          `json:"number"` // that of the delivery
	// State is that after the last attempt. A pending event is one that failed and has a record in the queue.
	State    State     `json:"state"`
	Attempts int       `json:"attempts"`
	Last     time.Time `json:"last_attempt,omitzero"`
	Status   int       `json:"status,omitempty"`
	Error    string    `json:"error,omitempty"`
	Next     time.Time `json:"next_attempt,omitzero"`
}

// logged returns an event as the log keeps it: without its definition, and with as many of its changes as fit.
func logged(n *catalog.Notice) catalog.Notice {
	short := *n
	short.Definition, short.Changes = nil, nil
	bytes := 0
	for i, change := range n.Changes {
		if bytes += len(change); bytes <= maxLogChanges {
			short.Changes = append(short.Changes, change)
			continue
		}
		if i == 0 {
			short.Changes = append(short.Changes, shorten(change, maxLogChanges))
			i++
		}
		if more := len(n.Changes) - i; more > 0 {
			short.Changes = append(short.Changes, fmt.Sprintf("and %d more changes", more))
		}
		break
	}
	return short
}

// shorten returns a text of at most a number of bytes and an ellipsis.
func shorten(text string, length int) string {
	if len(text) <= length {
		return text
	}
	return strings.ToValidUTF8(text[:length], "") + "…"
}

// newOutcome returns the outcome of an attempt to deliver an event. over says that it was the last one. The caller must
// hold queues.mu.
func newOutcome(d *delivery, began time.Time, res result, err error, over bool) logEntry {
	e := logEntry{
		Notice:   res.notice,
		Number:   d.number,
		State:    StatePending,
		Attempts: 1,
		Last:     began,
		Status:   res.status,
	}
	if e.Notice.ID == "" {
		e.Notice = d.notice()
	}
	switch {
	case err == nil:
		e.State = StateDelivered
		return e
	case over:
		e.State = StateDropped
	default:
		e.Next = later(d.next, d.hook.next).UTC()
	}
	e.Error = shorten(err.Error(), maxLogError)
	return e
}

// notice returns as much of the event as is known without its record. The name of the title is not.
func (d *delivery) notice() catalog.Notice {
	n := catalog.Notice{ID: d.event(), Kind: d.about.kind, At: d.about.at}
	n.Title.ID, n.Title.CurrentVersion = d.about.title, d.about.version
	return n
}

// after returns the entry of an event after a later outcome, whose Attempts are those since e.
func (e logEntry) after(outcome logEntry) logEntry {
	outcome.Attempts += e.Attempts
	if outcome.Notice.Title.Name == "" && e.Notice.ID != "" { // the record could not be read; see delivery.notice
		outcome.Notice = e.Notice
	}
	return outcome
}

// byNewest orders entries: those of the newest events first.
func byNewest(a, b logEntry) int {
	return cmp.Or(b.Notice.At.Compare(a.Notice.At), cmp.Compare(b.Number, a.Number),
		cmp.Compare(a.Notice.ID, b.Notice.ID))
}

// openLog returns the entries of a log by the ids of their events. A record without a revision is an empty log, and so
// is one that cannot be read or has no format. The error is [store.ErrFormat] if a newer version wrote it.
func openLog(rec store.Record) (entries map[string]logEntry, err error) {
	entries = map[string]logEntry{}
	var r logRecord
	if rec.Revision == "" || json.Unmarshal(rec.Value, &r) != nil {
		return entries, nil
	}
	if r.Format > format {
		return nil, store.NewerFormat(rec.Key, r.Format, format)
	}
	if r.Format != format {
		return entries, nil
	}
	for _, e := range r.Entries {
		entries[e.Notice.ID] = e
	}
	return entries, nil
}

// merge adds outcomes to entries.
func merge(entries, outcomes map[string]logEntry) {
	for id, outcome := range outcomes {
		entries[id] = entries[id].after(outcome)
	}
}

// mergeAgain is like merge, for outcomes that entries may have already.
func mergeAgain(entries, outcomes map[string]logEntry) {
	for id, outcome := range outcomes {
		if e, ok := entries[id]; ok && e.Last.Equal(outcome.Last) && e.State == outcome.State {
			continue
		}
		entries[id] = entries[id].after(outcome)
	}
}

// newest returns the entries of the newest events, at most n, in their order.
func newest(entries map[string]logEntry, n int) []logEntry {
	all := make([]logEntry, 0, len(entries))
	for _, e := range entries {
		all = append(all, e)
	}
	slices.SortFunc(all, byNewest)
	return all[:min(n, len(all))]
}

// sealLog returns the value of the record of a log: its newest entries, as many as fit.
func sealLog(entries map[string]logEntry) ([]byte, error) {
	var fitting []json.RawMessage
	bytes := 0
	for _, e := range newest(entries, maxLogEntries) {
		value, err := json.Marshal(e)
		if err != nil {
			return nil, err
		}
		if bytes += len(value); bytes > maxLogBytes {
			break
		}
		fitting = append(fitting, value)
	}
	return json.Marshal(struct {
		Format  int               `json:"format"`
		Entries []json.RawMessage `json:"entries"`
	}{format, fitting})
}
