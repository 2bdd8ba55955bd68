/** strings: built, sliced and dropped, 200 MiB of them alive. A string is words; its length is in its header. */
final class Strings {
    static Outcome run(long[] a) {
        final int live = (200 << 20) / 8, queue = 65536;
        long[][] ring = new long[queue][];
        int first = 0, alive = 0, words = 0;
        long start = System.nanoTime();
        Outcome o = new Outcome(1, new Operations(start));
        Lehmer s = Lehmer.ofThread(0);
        for (long op = 0; op < a[0]; op++) {
            long[] string;
            if (s.below(4) == 0 && alive > 0) {
                long[] of = ring[(int) ((first + s.below(alive)) % queue)];
                int whole = of.length + 1, length = Math.max(whole / 2, 8);
                string = new long[length - 1];
                System.arraycopy(of, Math.min(whole / 4, whole - length), string, 0, length - 1);
            } else {
                int shortest = 8 << s.below(10), length = shortest + (int) s.below(shortest);
                long value = s.below(Lehmer.MODULUS);
                string = new long[length - 1];
                for (int i = 1; i < length; i++) {
                    string[i - 1] = value + i;
                }
            }
            ring[(first + alive++) % queue] = string;
            words += string.length + 1;
            while (words > live || alive == queue) {
                long[] oldest = ring[first];
                ring[first] = null;
                first = (first + 1) % queue;
                alive--;
                words -= oldest.length + 1;
                o.sum += oldest[0] + oldest[oldest.length - 1];
            }
            o.operations[0].lap();
        }
        o.run = System.nanoTime() - start;
        for (int i = 0; i < alive; i++) {
            for (long word : ring[(first + i) % queue]) {
                o.sum += word;
            }
        }
        return o;
    }
}
