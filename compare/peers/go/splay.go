package main

// splay: top-down splaying (Sleator and Tarjan), each insertion followed by a removal.
type splayNode struct {
	header      uint64
	left, right *splayNode
	payload     *level
	key         uint64
}
type splayTree struct{ root *splayNode }

func (t *splayTree) splay(wanted uint64) {
	top := t.root
	if top == nil {
		return
	}
	var smaller, larger *splayNode
	smallerEnd, largerEnd := &smaller, &larger
loop:
	for {
		switch {
		case wanted < top.key:
			child := top.left
			if child == nil {
				break loop
			}
			if wanted < child.key {
				top.left, child.right, top = child.right, top, child
				if child = top.left; child == nil {
					break loop
				}
			}
			*largerEnd, largerEnd, top = top, &top.left, child
		case wanted > top.key:
			child := top.right
			if child == nil {
				break loop
			}
			if wanted > child.key {
				top.right, child.left, top = child.left, top, child
				if child = top.right; child == nil {
					break loop
				}
			}
			*smallerEnd, smallerEnd, top = top, &top.right, child
		default:
			break loop
		}
	}
	*smallerEnd, *largerEnd = top.left, top.right
	top.left, top.right = smaller, larger
	t.root = top
}
func (t *splayTree) insert(s *lehmer) uint64 {
	for {
		key := s.below(modulus) << 31
		key |= s.below(modulus)
		t.splay(key)
		if t.root != nil && t.root.key == key {
			continue
		}
		n, root := &splayNode{payload: levelTree(3), key: key}, t.root
		if root != nil && key < root.key {
			n.left, n.right, root.left = root.left, root, nil
		} else if root != nil {
			n.right, n.left, root.right = root.right, root, nil
		}
		t.root = n
		return key
	}
}
func (t *splayTree) remove(victim uint64) {
	t.splay(victim)
	for n := t.root.left; n != nil; n = n.right {
		victim = n.key
	}
	t.splay(victim)
	left, right := t.root.left, t.root.right
	if left == nil {
		t.root = right
		return
	}
	t.root = left
	t.splay(victim)
	t.root.right = right
}
func (n *splayNode) sum(place, sum *uint64) {
	for ; n != nil; n = n.right {
		n.left.sum(place, sum)
		*sum += n.key**place + n.payload.sum()
		*place++
	}
}

func splay(a [5]uint64) outcome {
	begin, s := now(), ofThread(0)
	var tree splayTree
	for i := uint64(0); i < a[0]; i++ {
		tree.insert(&s)
	}
	start := now()
	o := outcome{threads: 1, setup: start - begin, ops: []*operations{newOperations(start)}}
	for i := uint64(0); i < a[1]; i++ {
		tree.remove(tree.insert(&s))
		o.ops[0].lap()
	}
	o.run = now() - start
	place := uint64(1)
	tree.root.sum(&place, &o.sum)
	return o
}
