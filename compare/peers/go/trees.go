package main

// gcbench and bintrees: binary trees come and go.
type node struct {
	left, right *node
	payload     [2]uint64
}

func treeSize(depth uint64) uint64 { return 2<<depth - 1 }

func bottomUp(depth uint64) *node {
	if depth == 0 {
		return new(node)
	}
	left, right := bottomUp(depth-1), bottomUp(depth-1)
	return &node{left: left, right: right}
}
func (n *node) grow(depth uint64) {
	if depth > 0 {
		n.left, n.right = new(node), new(node)
		n.left.grow(depth - 1)
		n.right.grow(depth - 1)
	}
}
func topDown(depth uint64) *node {
	tree := new(node)
	tree.grow(depth)
	return tree
}
func (n *node) count() uint64 {
	if n.left == nil {
		return 1
	}
	return 1 + n.left.count() + n.right.count()
}
func (n *node) spine() (length uint64) {
	for ; n != nil; n = n.left {
		length++
	}
	return
}

func gcbenchProgram() uint64 {
	const array = 500000
	sum := bottomUp(18).spine()
	tree, doubles := topDown(16), make([]float64, array)
	for i := 0; i < array/2; i++ {
		doubles[i] = 1 / float64(i+1)
	}
	for depth := uint64(4); depth <= 16; depth += 2 {
		rounds := 2 * treeSize(18) / treeSize(depth)
		for i := uint64(0); i < rounds; i++ {
			sum += topDown(depth).spine()
		}
		for i := uint64(0); i < rounds; i++ {
			sum += bottomUp(depth).spine()
		}
	}
	sum += tree.count()
	for i, d := range doubles {
		if (i < array/2 && d == 1/float64(i+1)) || (i >= array/2 && d == 0) {
			sum++
		}
	}
	return sum
}

func gcbench(a [5]uint64) outcome {
	o := outcome{threads: int(a[1])}
	sums, start := make([]uint64, a[1]), now()
	onThreads(o.threads, func(t int) {
		for i := uint64(0); i < a[0]; i++ {
			sums[t] += gcbenchProgram()
		}
	})
	for _, sum := range sums {
		o.sum += sum
	}
	o.run = now() - start
	return o
}

func bintrees(a [5]uint64) outcome {
	start, most := now(), a[0]
	sum := bottomUp(most + 1).count()
	tree := bottomUp(most)
	for depth := uint64(4); depth <= most; depth += 2 {
		for i := 0; i < 1<<(most-depth+4); i++ {
			sum += bottomUp(depth).count()
		}
	}
	sum += tree.count()
	return outcome{threads: 1, run: now() - start, sum: sum}
}
