/** gcbench and bintrees: binary trees come and go. */
final class Trees {
    static final class Node {
        Node left, right;
        long i, j;
    }

    static long size(int depth) {
        return (2L << depth) - 1;
    }

    static Node bottomUp(int depth) {
        if (depth == 0) {
            return new Node();
        }
        Node left = bottomUp(depth - 1), right = bottomUp(depth - 1), tree = new Node();
        tree.left = left;
        tree.right = right;
        return tree;
    }

    static void grow(Node tree, int depth) {
        if (depth > 0) {
            tree.left = new Node();
            tree.right = new Node();
            grow(tree.left, depth - 1);
            grow(tree.right, depth - 1);
        }
    }

    static Node topDown(int depth) {
        Node tree = new Node();
        grow(tree, depth);
        return tree;
    }

    static long count(Node tree) {
        return tree.left == null ? 1 : 1 + count(tree.left) + count(tree.right);
    }

    static long spine(Node tree) {
        long length = 0;
        for (; tree != null; tree = tree.left) {
            length++;
        }
        return length;
    }

    static long program() {
        int array = 500_000;
        long sum = spine(bottomUp(18));
        Node tree = topDown(16);
        double[] doubles = new double[array];
        for (int i = 0; i < array / 2; i++) {
            doubles[i] = 1.0 / (i + 1);
        }
        for (int depth = 4; depth <= 16; depth += 2) {
            long rounds = 2 * size(18) / size(depth);
            for (long i = 0; i < rounds; i++) {
                sum += spine(topDown(depth));
            }
            for (long i = 0; i < rounds; i++) {
                sum += spine(bottomUp(depth));
            }
        }
        sum += count(tree);
        for (int i = 0; i < array; i++) {
            sum += doubles[i] == (i < array / 2 ? 1.0 / (i + 1) : 0) ? 1 : 0;
        }
        return sum;
    }

    static Outcome gcbench(long[] a) {
        Outcome o = new Outcome((int) a[1]);
        long[] sums = new long[o.threads];
        long start = System.nanoTime();
        Main.onThreads(o.threads, t -> {
            for (long i = 0; i < a[0]; i++) {
                sums[t] += program();
            }
        });
        o.run = System.nanoTime() - start;
        for (long sum : sums) {
            o.sum += sum;
        }
        return o;
    }

    static Outcome bintrees(long[] a) {
        Outcome o = new Outcome(1);
        int most = (int) a[0];
        long start = System.nanoTime();
        o.sum = count(bottomUp(most + 1));
        Node tree = bottomUp(most);
        for (int depth = 4; depth <= most; depth += 2) {
            for (long i = 0; i < 1L << (most - depth + 4); i++) {
                o.sum += count(bottomUp(depth));
            }
        }
        o.sum += count(tree);
        o.run = System.nanoTime() - start;
        return o;
    }
}
