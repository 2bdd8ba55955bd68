import java.util.concurrent.locks.LockSupport;

/** server: requests due at fixed times, to two threads, change sessions of all ages. */
final class Server {
    record Request(Request before, long number) {}

    static final class Session {
        Request history;
        final long[] name = new long[254];
        final Level cart = Level.tree(4);
        final long number;
        long remembered;

        Session(long number) {
            this.number = number;
            java.util.Arrays.fill(name, number);
        }
    }

    static long serve(Session[] all, Lehmer s, Operations operations, long requests) {
        long sum = 0, start = operations.run;
        for (long number = 0; number < requests; number++) {
            long due = start + number * 1_000_000_000 / 5000, early;
            while ((early = due - System.nanoTime()) > 0) {
                LockSupport.parkNanos(early);
            }
            int at = (int) s.below(all.length);
            boolean last = s.below(64) == 0;
            sum += Level.tree(9).spine();
            if (last) {
                all[at] = new Session(number);
            } else {
                Session of = all[at];
                boolean full = of.remembered == 16;
                of.history = new Request(full ? null : of.history, number);
                of.remembered = full ? 1 : of.remembered + 1;
            }
            operations.record(due, System.nanoTime());
        }
        return sum;
    }

    static Outcome run(long[] a) {
        long[] sums = new long[2];
        Outcome o = new Outcome(2, new Operations[2]);
        long start = System.nanoTime();
        Main.onThreads(2, t -> {
            Session[] all = new Session[(int) (a[0] / 2 + (t < a[0] % 2 ? 1 : 0))];
            for (int i = 0; i < all.length; i++) {
                all[i] = new Session(i);
            }
            o.operations[t] = new Operations(System.nanoTime());
            sums[t] = serve(all, Lehmer.ofThread(t), o.operations[t], a[1] * 5000);
            for (Session of : all) {
                sums[t] += of.number + of.name[253] + of.cart.sum();
                for (Request r = of.history; r != null; r = r.before()) {
                    sums[t] += r.number();
                }
            }
        });
        o.run = System.nanoTime() - start;
        o.sum = sums[0] + sums[1];
        return o;
    }
}
