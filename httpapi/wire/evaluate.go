package wire

import (
	"encoding/json"

	"github.com/patchsource/patchsource/patch"
)

// The numbers of computers that one request can evaluate.
const (
	MaxComputersAnonymous = 1_000
	MaxComputers          = 50_000 // with a token
)

// An EvaluateRequest is the body of a request to evaluate computers. It has a title or a definition.
type EvaluateRequest struct {
	// Title is the id of a title that is served.
	Title string `json:"title,omitempty"`
	// Definition is a definition, which is not stored.
	Definition json.RawMessage  `json:"definition,omitempty"`
	Computers  []patch.Computer `json:"computers"`
}

// An EvaluateResult is the body that answers it: one evaluation for each computer, in the same order.
type EvaluateResult struct {
	Computers []Evaluation `json:"computers"`
}

// An Evaluation is what Jamf Pro would report for a computer.
type Evaluation struct {
	Name      string `json:"name"`
	Installed bool   `json:"installed"`
	// Version is null if the title is not installed or its version is unknown.
	Version *string `json:"version"`
	// Latest reports whether Version is the newest version.
	Latest bool `json:"latest"`
	// Eligible reports whether the computer can run the newest version.
	Eligible bool `json:"eligible"`
	// Why are sentences: the criteria that decided, and what cannot be told.
	Why []string `json:"why"`
}

// Evaluations returns evaluations in their JSON form.
func Evaluations(results []patch.Evaluation) EvaluateResult {
	all := EvaluateResult{Computers: make([]Evaluation, len(results))}
	for i, r := range results {
		all.Computers[i] = Evaluation{
			Name:      r.Name,
			Installed: r.Installed,
			Version:   String(r.Version),
			Latest:    r.Latest,
			Eligible:  r.Eligible,
			Why:       r.Why,
		}
	}
	return all
}
