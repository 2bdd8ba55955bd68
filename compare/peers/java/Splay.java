/** splay: top-down splaying (Sleator and Tarjan), each insertion followed by a removal. */
final class Splay {
    static final class Node {
        Node left, right;
        Level payload;
        long key;
    }

    Node root;
    long place = 1;

    void splay(long wanted) {
        if (root == null) {
            return;
        }
        Node top = root, ends = new Node(), smaller = ends, larger = ends, child;
        while (wanted != top.key) {
            if (wanted < top.key) {
                if ((child = top.left) == null) {
                    break;
                }
                if (wanted < child.key) {
                    top.left = child.right;
                    child.right = top;
                    top = child;
                    if ((child = top.left) == null) {
                        break;
                    }
                }
                larger.left = top;
                larger = top;
            } else {
                if ((child = top.right) == null) {
                    break;
                }
                if (wanted > child.key) {
                    top.right = child.left;
                    child.left = top;
                    top = child;
                    if ((child = top.right) == null) {
                        break;
                    }
                }
                smaller.right = top;
                smaller = top;
            }
            top = child;
        }
        smaller.right = top.left;
        larger.left = top.right;
        top.left = ends.right;
        top.right = ends.left;
        root = top;
    }

    long insert(Lehmer s) {
        for (;;) {
            long key = s.below(Lehmer.MODULUS) << 31;
            key |= s.below(Lehmer.MODULUS);
            splay(key);
            if (root != null && root.key == key) {
                continue;
            }
            Node node = new Node();
            node.payload = Level.tree(3);
            node.key = key;
            if (root != null && key < root.key) {
                node.left = root.left;
                node.right = root;
                root.left = null;
            } else if (root != null) {
                node.right = root.right;
                node.left = root;
                root.right = null;
            }
            root = node;
            return key;
        }
    }

    void remove(long victim) {
        splay(victim);
        for (Node next = root.left; next != null; next = next.right) {
            victim = next.key;
        }
        splay(victim);
        Node left = root.left, right = root.right;
        root = left == null ? right : left;
        if (left != null) {
            splay(victim);
            root.right = right;
        }
    }

    long sum(Node tree) {
        long sum = 0;
        for (; tree != null; tree = tree.right) {
            sum += sum(tree.left);
            sum += tree.key * place++ + tree.payload.sum();
        }
        return sum;
    }

    static Outcome run(long[] a) {
        long begin = System.nanoTime();
        Lehmer s = Lehmer.ofThread(0);
        Splay tree = new Splay();
        for (long i = 0; i < a[0]; i++) {
            tree.insert(s);
        }
        long start = System.nanoTime();
        Outcome o = new Outcome(1, new Operations(start));
        o.setup = start - begin;
        for (long i = 0; i < a[1]; i++) {
            tree.remove(tree.insert(s));
            o.operations[0].lap();
        }
        o.run = System.nanoTime() - start;
        o.sum = tree.sum(tree.root);
        return o;
    }
}
