package main

// Trees whose nodes know their height, and gcold, which is made of them.
type level struct {
	header      uint64
	left, right *level
	height      uint64
}

func levelTree(height uint64) *level {
	if height == 0 {
		return new(level)
	}
	left, right := levelTree(height-1), levelTree(height-1)
	return &level{left: left, right: right, height: height}
}
func (l *level) sum() uint64 {
	if l.left == nil {
		return l.height
	}
	return l.height + l.left.sum() + l.right.sum()
}
func (l *level) spine() (length uint64) {
	for ; l != nil; l = l.left {
		length++
	}
	return
}
func (l *level) descend(depth, path uint64) *level {
	for ; depth > 0; depth-- {
		if path&1 == 1 {
			l = l.right
		} else {
			l = l.left
		}
		path >>= 1
	}
	return l
}

func gcold(a [5]uint64) outcome {
	begin, s, work := now(), ofThread(0), lehmer(seed)
	trees := make([]*level, a[0])
	for i := range trees {
		trees[i] = levelTree(14)
	}
	after := func(nodes uint64) {
		for i := nodes * a[3]; i > 0; i-- {
			first, second := trees[s.below(a[0])], trees[s.below(a[0])]
			depth, path := s.below(13), s.below(modulus)
			first, second = first.descend(depth, path), second.descend(depth, path>>15)
			first.left, second.left = second.left, first.left
		}
		for i := nodes * a[1]; i > 0; i-- {
			work.next()
		}
	}
	start := now()
	o := outcome{threads: 1, setup: start - begin, ops: []*operations{newOperations(start)}}
	for step := uint64(0); step < a[4]; step++ {
		for i := uint64(0); i < a[2]*32; i++ {
			o.sum += levelTree(9).spine()
			after(1023)
			o.ops[0].lap()
		}
		at := s.below(a[0])
		trees[at] = levelTree(14)
		after(32767)
		o.ops[0].lap()
	}
	o.sum += work.below(modulus)
	o.run = now() - start
	for _, tree := range trees {
		o.sum += tree.sum()
	}
	return o
}
