/** oldmut: new objects beside a large old graph, some of them stored into old ones. */
final class OldMut {
    static final class Node {
        Node left, right, young;
        long id, owner, p, q, r;
    }

    static double zeta(long terms) {
        double sum = 0, from = 1000, to = terms;
        for (long k = 1; k <= Math.min(terms, 1000); k++) {
            sum += Math.pow(k, -0.99);
        }
        return terms <= 1000 ? sum : sum + Math.pow(to, 0.01) / 0.01 - Math.pow(from, 0.01) / 0.01
            + (Math.pow(to, -0.99) - Math.pow(from, -0.99)) / 2;
    }

    static final class Picks {
        final Lehmer s;
        final long bound, locality;
        final double zeta, eta;
        long first;

        Picks(long thread, long threads, long bound, long locality) {
            s = Lehmer.ofThread(thread);
            this.bound = bound;
            this.locality = locality;
            first = bound / threads * thread;
            zeta = OldMut.zeta(bound);
            eta = (1 - Math.pow(2.0 / bound, 0.01)) / (1 - OldMut.zeta(2) / zeta);
        }

        long next() {
            if (locality == 0) {
                return s.below(bound);
            }
            if (locality == 1) {
                double u = (double) s.next() / Lehmer.MODULUS, scaled = u * zeta;
                if (scaled < 1) {
                    return 0;
                }
                if (scaled < 1 + Math.pow(2, -0.99)) {
                    return 1;
                }
                return Math.min((long) (bound * Math.pow(eta * u - eta + 1, 1 / (1 - 0.99))), bound - 1);
            }
            return (first++ + s.below(Math.max(bound / 100, 1))) % bound;
        }
    }

    static Operations mutate(long[] a, Node[] nodes, long thread, long start) {
        long total = a[1] * 16384, due = 0, share = total / a[2] + (thread < total % a[2] ? 1 : 0);
        Picks picks = new Picks(thread, a[2], a[0], a[4]);
        Node[] ring = new Node[1024];
        Operations operations = new Operations(start);
        for (long turn = 0; turn < share; turn++) {
            Node node = new Node();
            node.id = turn;
            ring[(int) (turn % 1024)] = node;
            if ((due += a[3]) >= 16384) {
                due -= 16384;
                long owner = picks.next();
                node.owner = owner;
                nodes[(int) owner].young = node;
            }
            if (turn % 1000 == 999) {
                operations.lap();
            }
        }
        return operations;
    }

    static Outcome run(long[] a) {
        Outcome o = new Outcome((int) a[2], new Operations[(int) a[2]]);
        long begin = System.nanoTime();
        Lehmer s = new Lehmer(Lehmer.SEED);
        Node[] nodes = new Node[(int) a[0]];
        for (int i = 0; i < nodes.length; i++) {
            nodes[i] = new Node();
            nodes[i].id = i;
        }
        for (Node node : nodes) {
            node.left = nodes[(int) s.below(nodes.length)];
            node.right = nodes[(int) s.below(nodes.length)];
        }
        long start = System.nanoTime();
        o.setup = start - begin;
        Main.onThreads(o.threads, t -> o.operations[t] = mutate(a, nodes, t, start));
        o.run = System.nanoTime() - start;
        for (Node node : nodes) {
            o.sum += node.id + node.left.id + node.right.id + (node.young == null ? 0 : node.young.owner + 1);
        }
        return o;
    }
}
