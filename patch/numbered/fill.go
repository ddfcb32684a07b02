package numbered

import "slices"

const (
	blockBits = 16
	placeMask = 1<<blockBits - 1
)

// Block returns the block to which the number of a part belongs.
func Block(number uint64) uint64 { return number >> blockBits }

// visit calls f with each number of a part, in the order of the parts in the definition.
func (n *Numbers) visit(f func(*uint64)) {
	each := func(numbers []uint64) {
		for i := range numbers {
			f(&numbers[i])
		}
	}
	each(n.Requirements)
	for i := range n.Patches {
		n.Patches[i].visit(f)
	}
	each(n.ExtensionAttributes)
}

// visit calls f with the number of the patch and those of its parts.
func (n *PatchNumbers) visit(f func(*uint64)) {
	each := func(numbers []uint64) {
		for i := range numbers {
			f(&numbers[i])
		}
	}
	f(&n.Number)
	each(n.KillApps)
	for i := range n.Components {
		f(&n.Components[i].Number)
		each(n.Components[i].Criteria)
	}
	each(n.Capabilities)
}

// Missing returns the number of parts that have no number.
func (n *Numbers) Missing() int {
	missing := 0
	n.visit(func(number *uint64) {
		if *number == 0 {
			missing++
		}
	})
	return missing
}

// Free returns how many numbers are left in the blocks of the title.
func (n *Numbers) Free() int {
	next := n.Next
	free := 0
	for block := next >> blockBits; block <= uint64(len(n.Blocks)); block++ {
		first := max(next, block<<blockBits+1) // the place 0 is not used
		free += int((block+1)<<blockBits - first)
	}
	return free
}

// Fill gives a number to each part that has none. It changes nothing and returns [ErrFull] if there are more such parts
// than numbers left; see [Numbers.Free].
func (n *Numbers) Fill() error {
	if n.Missing() > n.Free() {
		return ErrFull
	}
	n.visit(func(number *uint64) {
		if *number == 0 {
			*number = n.take()
		}
	})
	return nil
}

// take returns the next number. There must be one.
func (n *Numbers) take() uint64 {
	if n.Next&placeMask == 0 {
		n.Next++
	}
	block := n.Title
	if i := n.Next >> blockBits; i > 0 {
		block = n.Blocks[i-1]
	}
	number := block<<blockBits | n.Next&placeMask
	n.Next++
	return number
}

// forgetStray takes their numbers from parts whose numbers an earlier part has, or were not given yet, so that no two
// parts ever have the same one.
func (n *Numbers) forgetStray() {
	seen := map[uint64]struct{}{}
	n.visit(func(number *uint64) {
		if _, twice := seen[*number]; twice || !n.given(*number) {
			*number = 0
			return
		}
		seen[*number] = struct{}{}
	})
}

// given reports whether a number has been given to a part of the title.
func (n *Numbers) given(number uint64) bool {
	block := uint64(0)
	if b := Block(number); b != n.Title {
		i := slices.Index(n.Blocks, b)
		if i < 0 {
			return false
		}
		block = uint64(i) + 1
	}
	place := number & placeMask
	return place != 0 && block<<blockBits|place < n.Next
}
