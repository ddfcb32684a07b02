package patch

import "context"

// stepsPerCheck is the number of steps after which the context is checked again.
const stepsPerCheck = 1 << 20

// steps bounds the work of an evaluation.
type steps struct {
	ctx       context.Context
	unlimited bool
	left      int
	unchecked int
	err       error // of the first step too many, or of the context
}

func newSteps(ctx context.Context, maxSteps int) steps {
	s := steps{ctx: ctx, left: maxSteps, unlimited: maxSteps < 0, err: ctx.Err()}
	if maxSteps == 0 {
		s.left = DefaultMaxSteps
	}
	return s
}

// spend takes n steps, and reports whether the work may go on.
func (s *steps) spend(n int) bool {
	if s.err != nil {
		return false
	}
	if s.unchecked += n; s.unchecked >= stepsPerCheck {
		s.unchecked = 0
		if s.err = s.ctx.Err(); s.err != nil {
			return false
		}
	}
	if s.unlimited {
		return true
	}
	if n > s.left {
		s.err = ErrTooManySteps
		return false
	}
	s.left -= n
	return true
}
