/** Trees whose nodes know their height, and gcold, which is made of them. */
final class Level {
    Level left, right;
    long height;

    static Level tree(int height) {
        Level left = null, right = null;
        if (height > 0) {
            left = tree(height - 1);
            right = tree(height - 1);
        }
        Level tree = new Level();
        tree.height = height;
        tree.left = left;
        tree.right = right;
        return tree;
    }

    long sum() {
        return left == null ? height : height + left.sum() + right.sum();
    }

    long spine() {
        long length = 0;
        for (Level tree = this; tree != null; tree = tree.left) {
            length++;
        }
        return length;
    }

    Level descend(long depth, long path) {
        Level tree = this;
        for (; depth > 0; depth--, path >>= 1) {
            tree = (path & 1) == 1 ? tree.right : tree.left;
        }
        return tree;
    }

    static void after(long nodes, long[] a, Level[] trees, Lehmer s, Lehmer work) {
        for (long i = nodes * a[3]; i > 0; i--) {
            Level first = trees[(int) s.below(a[0])], second = trees[(int) s.below(a[0])];
            long depth = s.below(13), path = s.below(Lehmer.MODULUS);
            first = first.descend(depth, path);
            second = second.descend(depth, path >> 15);
            Level left = first.left;
            first.left = second.left;
            second.left = left;
        }
        for (long i = nodes * a[1]; i > 0; i--) {
            work.next();
        }
    }

    static Outcome gcold(long[] a) {
        long begin = System.nanoTime();
        Lehmer s = Lehmer.ofThread(0), work = new Lehmer(Lehmer.SEED);
        Level[] trees = new Level[(int) a[0]];
        for (int i = 0; i < trees.length; i++) {
            trees[i] = tree(14);
        }
        long start = System.nanoTime();
        Outcome o = new Outcome(1, new Operations(start));
        o.setup = start - begin;
        for (long step = 0; step < a[4]; step++) {
            for (long i = 0; i < a[2] * 32; i++) {
                o.sum += tree(9).spine();
                after(1023, a, trees, s, work);
                o.operations[0].lap();
            }
            int at = (int) s.below(a[0]);
            trees[at] = tree(14);
            after(32767, a, trees, s, work);
            o.operations[0].lap();
        }
        o.sum += work.below(Lehmer.MODULUS);
        o.run = System.nanoTime() - start;
        for (Level tree : trees) {
            o.sum += tree.sum();
        }
        return o;
    }
}
