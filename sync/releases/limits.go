package releases

const (
	// maxNodes is the maximum number of values of a JSON document or a property list, or of nodes of an XML document.
	maxNodes = 250_000
	// maxDepth is the maximum depth of their nesting.
	maxDepth = 200
	// maxPath is the maximum length in bytes of a JSON path or an XPath.
	maxPath = 1024
	// maxSteps is the maximum number of steps that all paths of a feed take in an answer. All steps together take about
	// a second.
	maxSteps = 5_000_000
	// bytesPerStep is the number of bytes of text that a step copies, compares or searches.
	bytesPerStep = 64
)

// steps bounds the work of paths in an answer.
type steps struct{ left int }

func newSteps() *steps { return &steps{maxSteps} }

// errSteps is the error for paths that take too many steps.
var errSteps = unreadable("the paths of the feed visit too much of the answer: make them more specific")

// spend takes n steps. It returns errSteps if fewer are left.
func (s *steps) spend(n int) error {
	if n > s.left {
		s.left = 0
		return errSteps
	}
	s.left -= n
	return nil
}

// cutTo returns at most the first n bytes of a text.
func cutTo(s string, n int) string { return s[:min(n, len(s))] }
