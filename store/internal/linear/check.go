package linear

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// An input is what a call asks for. conditional says that it has IfRevision of the revision of the value old.
type input struct {
	op, value           string
	absent, conditional bool
	old                 string
	racy                bool // an unconditional Delete that may succeed beside another
}

// An output is what a call returned.
type output struct{ outcome, value string }

// model is the model of one record. Its state is the record's value, and empty if there is no record.
var model = porcupine.NondeterministicModel{
	Init: func() []any { return []any{""} },
	Step: func(state, in, out any) []any { return step(state.(string), in.(input), out.(output)) },
	DescribeOperation: func(in, out any) string {
		return fmt.Sprintf("%+v -> %+v", in, out)
	},
}

// step returns the states after a call that had an outcome in a state. There are none if it cannot have had it.
func step(state string, in input, out output) []any {
	after, want := expect(state, in)
	if in.racy && state == "" && out.outcome == outcomeOK {
		return []any{""}
	}
	switch out.outcome {
	case outcomeUnknown:
		if after == state {
			return []any{state}
		}
		return []any{state, after}
	case want.outcome:
		if in.op == opGet && out.value != state {
			return nil
		}
		return []any{after}
	}
	return nil
}

// expect returns the state after a call, and its outcome.
func expect(state string, in input) (after string, out output) {
	holds := !(in.absent && state != "" || in.conditional && (state == "" || in.old != state))
	switch {
	case in.op != opPut && state == "":
		return "", output{outcome: outcomeNotFound}
	case in.op == opGet:
		return state, output{outcomeOK, state}
	case !holds:
		return state, output{outcome: outcomeConflict}
	case in.op == opDelete:
		return "", output{outcome: outcomeOK}
	}
	return in.value, output{outcome: outcomeOK}
}

// Check checks the calls of each key, within a time for each. The results are by key. The error reports a revision that
// two states of records had.
func (h *History) Check(timeout time.Duration) (map[string]porcupine.CheckResult, error) {
	operations, err := h.operations()
	if err != nil {
		return nil, err
	}
	results := map[string]porcupine.CheckResult{}
	for _, key := range slices.Sorted(maps.Keys(operations)) {
		results[key] = porcupine.CheckOperationsTimeout(model.ToModel(), operations[key], timeout)
	}
	return results, nil
}
