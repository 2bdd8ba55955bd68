package main

// strings: built, sliced and dropped, 200 MiB of them alive. A string is words; the first is its length.
func strs(a [5]uint64) outcome {
	const live, queue = 200 << 20 / 8, 65536
	ring := make([][]uint64, queue)
	var first, alive, words uint64
	start, s := now(), ofThread(0)
	o := outcome{threads: 1, ops: []*operations{newOperations(start)}}
	for op := uint64(0); op < a[0]; op++ {
		var str []uint64
		if s.below(4) == 0 && alive > 0 {
			of := ring[(first+s.below(alive))%queue]
			length, from := of[0]/2, of[0]/4
			if length < 8 {
				length = 8
			}
			if from > of[0]-length {
				from = of[0] - length
			}
			str = make([]uint64, length)
			copy(str[1:], of[from+1:from+length])
		} else {
			shortest := uint64(8) << s.below(10)
			length := shortest + s.below(shortest)
			value := s.below(modulus)
			str = make([]uint64, length)
			for i := range str {
				str[i] = value + uint64(i)
			}
		}
		str[0] = uint64(len(str))
		ring[(first+alive)%queue] = str
		alive++
		words += str[0]
		for words > live || alive == queue {
			oldest := ring[first]
			ring[first] = nil
			first, alive, words = (first+1)%queue, alive-1, words-oldest[0]
			o.sum += oldest[1] + oldest[len(oldest)-1]
		}
		o.ops[0].lap()
	}
	o.run = now() - start
	for i := uint64(0); i < alive; i++ {
		for _, word := range ring[(first+i)%queue][1:] {
			o.sum += word
		}
	}
	return o
}
