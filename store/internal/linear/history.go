// Package linear tests that a store shared by several processes is linearizable: that all calls have the results that
// they would have if they had been made one after the other, each at some moment between its beginning and its end.
//
// [Work] makes random calls in a worker process and records them. [Run] starts the workers, disturbs them with faults
// and collects their records in a [History], which [History.Check] checks.
package linear

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"sync"

	"github.com/anishathalye/porcupine"

	"github.com/patchsource/patchsource/store"
)

// The operations and outcomes of a call.
const (
	opGet, opPut, opDelete = "get", "put", "delete"

	outcomeOK       = "ok"
	outcomeNotFound = "not found"
	outcomeConflict = "conflict"
	outcomeUnknown  = "unknown" // an error after which the call may have had an effect, or may have it later
)

// A call is a line that a worker writes before a call.
type call struct {
	ID     string         `json:"id"` // unique
	Op     string         `json:"op"`
	Key    string         `json:"key"`
	Value  string         `json:"value,omitempty"` // is unique among all Puts
	Absent bool           `json:"absent,omitempty"`
	If     store.Revision `json:"if,omitempty"`
	At     int64          `json:"at"` // nanoseconds of a clock that all workers share
}

// A result is a line that a worker writes after a call.
type result struct {
	ID       string         `json:"id"`
	Outcome  string         `json:"outcome"`
	Value    string         `json:"value,omitempty"`
	Revision store.Revision `json:"revision,omitempty"`
	At       int64          `json:"at"`
}

// A line is a call or a result.
type line struct {
	Call   *call   `json:"call,omitempty"`
	Result *result `json:"result,omitempty"`
}

// A History has the calls of all workers. It is safe for concurrent use.
type History struct {
	// RacyDeletes says that of several Deletes without a condition at once, more than one may succeed, because the
	// storage does not tell which of them found the record.
	RacyDeletes bool

	mu      sync.Mutex
	calls   []*call
	results map[string]*result // by the id of the call
}

// Read adds the lines of a worker, until its end. The last line may be a part of one, since workers are killed.
func (h *History) Read(r io.Reader) error {
	lines := bufio.NewScanner(r)
	var broken error
	for lines.Scan() {
		if broken != nil {
			return broken
		}
		var l line
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			broken = fmt.Errorf("a worker wrote %q: %w", lines.Text(), err)
			continue
		}
		h.add(l)
	}
	return lines.Err()
}

// add adds a line.
func (h *History) add(l line) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.results == nil {
		h.results = map[string]*result{}
	}
	if l.Call != nil {
		h.calls = append(h.calls, l.Call)
	}
	if l.Result != nil {
		h.results[l.Result.ID] = l.Result
	}
}

// Counts returns the number of calls by operation and outcome.
func (h *History) Counts() map[string]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	counts := map[string]int{}
	for _, c := range h.calls {
		counts[c.Op+" "+h.resultLocked(c).Outcome]++
	}
	return counts
}

// resultLocked returns the result of a call, which is unknown if it never ended. The caller must hold h.mu.
func (h *History) resultLocked(c *call) *result {
	if r := h.results[c.ID]; r != nil {
		return r
	}
	return &result{Outcome: outcomeUnknown, At: math.MaxInt64}
}

// operations returns the calls of each key for the checker. The value of a record stands for its revision, because
// every Put writes another value. The error reports a revision that two states had.
func (h *History) operations() (map[string][]porcupine.Operation, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	values, err := h.valuesLocked()
	if err != nil {
		return nil, err
	}
	observed := h.observedLocked(values)
	operations := map[string][]porcupine.Operation{}
	for _, c := range h.calls {
		r := *h.resultLocked(c)
		if r.Outcome == outcomeUnknown {
			if c.Op == opGet {
				continue
			}
			r.At = math.MaxInt64 // it may take effect at any later time
			if at, ok := observed[c.Value]; ok && c.Op == opPut {
				r.Outcome, r.At = outcomeOK, at // it has taken effect by then
			}
		}
		in := input{op: c.Op, value: c.Value, absent: c.Absent, conditional: c.If != "", old: values[c.If]}
		in.racy = h.RacyDeletes && c.Op == opDelete && !in.conditional && !in.absent
		operations[c.Key] = append(operations[c.Key], porcupine.Operation{
			Input: in, Call: c.At, Output: output{r.Outcome, r.Value}, Return: r.At,
		})
	}
	return operations, nil
}

// observedLocked returns for each value the end of the first call that shows that it was written. The caller must hold
// h.mu.
func (h *History) observedLocked(values map[store.Revision]string) map[string]int64 {
	observed := map[string]int64{}
	for _, c := range h.calls {
		r := h.resultLocked(c)
		if r.Outcome != outcomeOK {
			continue
		}
		for _, value := range []string{r.Value, values[c.If]} {
			if at, ok := observed[value]; value != "" && (!ok || r.At < at) {
				observed[value] = r.At
			}
		}
	}
	return observed
}

// valuesLocked returns the value of each revision. The caller must hold h.mu.
func (h *History) valuesLocked() (map[store.Revision]string, error) {
	values, revisions := map[store.Revision]string{}, map[string]store.Revision{}
	for _, c := range h.calls {
		r := h.resultLocked(c)
		value := r.Value
		if c.Op == opPut {
			value = c.Value
		}
		if r.Revision == "" {
			continue
		}
		if v, seen := values[r.Revision]; seen && v != value {
			return nil, fmt.Errorf("the revision %q is that of %q and of %q", r.Revision, v, value)
		}
		if other, seen := revisions[value]; seen && other != r.Revision {
			return nil, fmt.Errorf("the value %q, which was put once, has the revisions %q and %q",
				value, other, r.Revision)
		}
		values[r.Revision], revisions[value] = value, r.Revision
	}
	return values, nil
}
