// The workloads of examples/workloads in Java. Usage: Main WORKLOAD ARGS...; the limit is -Xmx.

import java.lang.management.GarbageCollectorMXBean;
import java.lang.management.ManagementFactory;
import java.util.Map;
import java.util.function.Function;

final class Lehmer {
    static final long MODULUS = 2147483647L, SEED = 12345;
    private long s;

    Lehmer(long seed) {
        s = seed;
    }

    static Lehmer ofThread(long thread) {
        return new Lehmer(SEED + 7919 * (thread + 1));
    }

    long next() {
        return s = s * 48271 % MODULUS;
    }

    long below(long bound) {
        return next() % bound;
    }
}

/** A histogram of nanoseconds with 32 buckets for each power of two; and operations of 0.1 ms or more. */
final class Operations {
    final long[] counts = new long[64 * 32], starts = new long[65536], times = new long[65536];
    final long run;
    long max, last = System.nanoTime();
    int kept;

    Operations(long run) {
        this.run = run;
    }

    void lap() {
        long now = System.nanoTime();
        record(last, now);
        last = now;
    }

    void record(long due, long end) {
        long ns = end - due;
        int shift = ns < 32 ? 0 : 58 - Long.numberOfLeadingZeros(ns);
        counts[(int) (shift * 32 + (ns >> shift))]++;
        max = Math.max(max, ns);
        if (ns >= 100_000 && kept < times.length) {
            starts[kept] = due - run;
            times[kept++] = ns;
        }
    }

    void print(int thread, StringBuilder out) {
        for (int i = 0; i < kept; i++) {
            out.append("LONG " + thread + " " + starts[i] + " " + times[i] + "\n");
        }
    }

    void merge(Operations other) {
        for (int b = 0; b < counts.length; b++) {
            counts[b] += other.counts[b];
        }
        max = Math.max(max, other.max);
    }

    double us(double quantile) {
        long total = 0, seen = 0;
        for (long count : counts) {
            total += count;
        }
        for (int b = 0; b < counts.length; b++) {
            seen += counts[b];
            if (seen >= quantile * total) {
                return (b < 64 ? b : (b % 32 + 32L) << (b / 32 - 1)) / 1e3;
            }
        }
        return max / 1e3;
    }
}

final class Outcome {
    final int threads;
    final Operations[] operations;
    long run, setup, sum;

    Outcome(int threads, Operations... operations) {
        this.threads = threads;
        this.operations = operations;
    }
}

public final class Main {
    interface Work {
        void run(int thread) throws Exception;
    }

    static void onThreads(int threads, Work work) {
        Thread[] all = new Thread[threads];
        for (int t = 0; t < threads; t++) {
            int thread = t;
            all[t] = new Thread(null, () -> {
                try {
                    work.run(thread);
                } catch (Exception e) {
                    e.printStackTrace();
                    System.exit(1);
                }
            });
            all[t].start();
        }
        for (Thread thread : all) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
        }
    }

    static long number(String text) {
        return switch (text) {
            case "uniform" -> 0;
            case "zipf" -> 1;
            case "cluster" -> 2;
            default -> Long.parseLong(text);
        };
    }

    public static void main(String[] line) {
        Map<String, Function<long[], Outcome>> workloads = Map.of("gcbench", Trees::gcbench, "bintrees",
            Trees::bintrees, "oldmut", OldMut::run, "lru", Lru::run, "gcold", Level::gcold, "splay",
            Splay::run, "strings", Strings::run, "server", Server::run);
        if (line.length < 2 || line.length > 6 || !workloads.containsKey(line[0])) {
            System.err.println("usage: Main WORKLOAD ARGS...; the workloads are those of the Rust example");
            System.exit(2);
        }
        long[] arguments = {0, 0, 0, 1000, 0};
        for (int i = 1; i < line.length; i++) {
            arguments[i - 1] = number(line[i]);
        }
        Outcome o = workloads.get(line[0]).apply(arguments);
        StringBuilder out = new StringBuilder();
        for (int t = 0; t < o.operations.length; t++) {
            o.operations[t].print(t, out);
            if (t > 0) {
                o.operations[0].merge(o.operations[t]);
            }
        }
        out.append(String.format("RESULT bench=%s threads=%d run_ms=%.3f", line[0], o.threads, o.run / 1e6));
        if (o.setup > 0) {
            out.append(String.format(" setup_ms=%.3f", o.setup / 1e6));
        }
        if (o.operations.length > 0) {
            Operations all = o.operations[0];
            out.append(String.format(" p50_us=%.3f p99_us=%.3f p999_us=%.3f p9999_us=%.3f max_us=%.3f",
                all.us(0.5), all.us(0.99), all.us(0.999), all.us(0.9999), all.max / 1e3));
        }
        long collections = 0;
        for (GarbageCollectorMXBean bean : ManagementFactory.getGarbageCollectorMXBeans()) {
            collections += bean.getCollectionCount();
        }
        out.append(" gcs=" + collections + " sum=" + Long.toUnsignedString(o.sum));
        System.out.println(out);
    }
}
