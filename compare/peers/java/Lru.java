/** lru: a cache of 256-byte values, a hash table and a list in the order of use. */
final class Lru {
    static final class Entry {
        Entry chain, newer, older;
        long[] value;
        long key;
    }

    Entry[] buckets = new Entry[1024];
    Entry newest, oldest;
    long entries;
    final long capacity;

    Lru(long capacity) {
        this.capacity = capacity;
    }

    int bucket(long key) {
        return (int) (key * 0x9e3779b97f4a7c15L >>> 64 - Integer.numberOfTrailingZeros(buckets.length));
    }

    void link(Entry e) {
        e.newer = null;
        e.older = newest;
        if (newest != null) {
            newest.newer = e;
        } else {
            oldest = e;
        }
        newest = e;
    }

    void unlink(Entry e) {
        if (e.newer != null) {
            e.newer.older = e.older;
        } else {
            newest = e.older;
        }
        if (e.older != null) {
            e.older.newer = e.newer;
        } else {
            oldest = e.newer;
        }
    }

    void add(Entry e) {
        int bucket = bucket(e.key);
        e.chain = buckets[bucket];
        buckets[bucket] = e;
    }

    void evict() {
        Entry e = oldest;
        unlink(e);
        int bucket = bucket(e.key);
        if (buckets[bucket] == e) {
            buckets[bucket] = e.chain;
        } else {
            Entry before = buckets[bucket];
            while (before.chain != e) {
                before = before.chain;
            }
            before.chain = e.chain;
        }
        e.newer = e.chain = null;
        entries--;
    }

    void insert(long key) {
        // With its header 256 bytes.
        long[] value = new long[30];
        java.util.Arrays.fill(value, key);
        Entry e = new Entry();
        if (entries == capacity) {
            evict();
        } else if (entries == buckets.length) {
            buckets = new Entry[2 * buckets.length];
            for (Entry o = newest; o != null; o = o.older) {
                add(o);
            }
        }
        e.key = key;
        e.value = value;
        add(e);
        link(e);
        entries++;
    }

    static Outcome run(long[] a) {
        long start = System.nanoTime(), place = 1;
        Outcome o = new Outcome(1, new Operations(start));
        Lehmer s = Lehmer.ofThread(0);
        Lru c = new Lru(a[0]);
        for (long i = 0; i < a[2]; i++) {
            long key = s.below(a[1]);
            Entry e = c.buckets[c.bucket(key)];
            while (e != null && e.key != key) {
                e = e.chain;
            }
            if (e != null) {
                c.unlink(e);
                c.link(e);
                o.sum += e.value[0];
            } else {
                c.insert(key);
            }
            o.operations[0].lap();
        }
        o.run = System.nanoTime() - start;
        for (Entry e = c.newest; e != null; e = e.older) {
            o.sum += e.key * place++;
        }
        return o;
    }
}
