package freshet.peers;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * What one card keeps for the ten features of config/bench: the same three rings of panes as Freshet's row (10 s for ten
 * minutes, a minute for an hour, an hour for a day), by the same rules: an event goes to the finest ring that still keeps
 * its time, and a pane that leaves a ring goes to the next that keeps it. Decoded, changed and encoded in place; one
 * object serves all rows of a thread.
 *
 * <p>Bytes: newest event time (8, little-endian), then of each ring the number of panes and, of each pane, oldest first:
 * distance from the pane before (the first: from zero) shifted left by one, its low bit set where the pane holds one
 * event; else the count follows; the sum (8); the maximum (8) where there is more than one event.
 */
public final class CardRow {
  private static final int RINGS = 3;
  private static final long[] HOP = {10_000_000L, 60_000_000L, 3_600_000_000L};
  private static final long[] WINDOW = {600_000_000L, 3_600_000_000L, 86_400_000_000L};
  // A ring's window covers 61 panes at most (25 in the last); an event in order makes one more before others leave.
  private static final int PANES = 64;
  private static final int MOST_BYTES = 8 + RINGS * (2 + PANES * (10 + 10 + 16));
  private static final VarHandle LONG =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
  private static final VarHandle DOUBLE =
      MethodHandles.byteArrayViewVarHandle(double[].class, ByteOrder.LITTLE_ENDIAN);

  private static final class Ring {
    int panes;
    final long[] number = new long[PANES]; // start ÷ hop, ascending
    final long[] count = new long[PANES];
    final double[] sum = new double[PANES];
    final double[] max = new double[PANES];

    void add(long pane, long moreCount, double moreSum, double moreMax) {
      int i = panes;
      while (i > 0 && number[i - 1] > pane) --i;
      if (i > 0 && number[i - 1] == pane) {
        count[i - 1] += moreCount;
        sum[i - 1] += moreSum;
        max[i - 1] = Math.max(max[i - 1], moreMax);
        return;
      }
      if (i < panes) {
        System.arraycopy(number, i, number, i + 1, panes - i);
        System.arraycopy(count, i, count, i + 1, panes - i);
        System.arraycopy(sum, i, sum, i + 1, panes - i);
        System.arraycopy(max, i, max, i + 1, panes - i);
      }
      number[i] = pane;
      count[i] = moreCount;
      sum[i] = moreSum;
      max[i] = moreMax;
      ++panes;
    }

    void dropFront(int n) {
      panes -= n;
      System.arraycopy(number, n, number, 0, panes);
      System.arraycopy(count, n, count, 0, panes);
      System.arraycopy(sum, n, sum, 0, panes);
      System.arraycopy(max, n, max, 0, panes);
    }
  }

  private long newest;
  private final Ring[] rings = {new Ring(), new Ring(), new Ring()};
  private final byte[] buffer = new byte[MOST_BYTES];

  /** The row after this event; {@code before} is null for a card never seen. */
  public byte[] apply(byte[] before, long at, double amount) {
    read(before);
    if (at > newest) {
      newest = at;
      fold();
    }
    for (int r = 0; r < RINGS; ++r) {
      if (at >= edge(r)) {
        rings[r].add(at / HOP[r], 1, amount, amount);
        break;
      }
    }
    return write();
  }

  /**
   * The features at q, not before the row's newest event, in the order of config/bench: three sums, three counts, two means,
   * two maxima; NaN where a window is empty of what the feature needs.
   */
  public double[] features(byte[] row, long q) {
    read(row);
    final double[] sum = new double[RINGS];
    final double[] count = new double[RINGS];
    final double[] max = new double[RINGS];
    for (int w = 0; w < RINGS; ++w) {
      final long from = floor(q - WINDOW[w], HOP[w]);
      max[w] = Double.NEGATIVE_INFINITY;
      for (int r = 0; r <= w; ++r) {
        final Ring ring = rings[r];
        for (int i = 0; i < ring.panes; ++i) {
          if (ring.number[i] * HOP[r] < from) continue;
          sum[w] += ring.sum[i];
          count[w] += ring.count[i];
          max[w] = Math.max(max[w], ring.max[i]);
        }
      }
    }
    final double[] features = {
      sum[0], sum[1], sum[2], count[0], count[1], count[2],
      sum[1] / count[1], sum[2] / count[2], max[1], max[2]
    };
    if (count[1] == 0) features[8] = Double.NaN;
    if (count[2] == 0) features[9] = Double.NaN;
    return features;
  }

  private static long floor(long t, long hop) {
    return t - Math.floorMod(t, hop);
  }

  private long edge(int r) {
    return floor(newest - WINDOW[r], HOP[r]);
  }

  private void fold() {
    // Coarsest first: a ring makes room before it takes what leaves a finer one.
    for (int r = RINGS - 1; r >= 0; --r) {
      final Ring ring = rings[r];
      final long edge = edge(r);
      int leaving = 0;
      for (; leaving < ring.panes; ++leaving) {
        final long start = ring.number[leaving] * HOP[r];
        if (start >= edge) break;
        for (int to = r + 1; to < RINGS; ++to) {
          if (start < edge(to)) continue;
          rings[to].add(start / HOP[to], ring.count[leaving], ring.sum[leaving], ring.max[leaving]);
          break;
        }
      }
      if (leaving > 0) ring.dropFront(leaving);
    }
  }

  private int at; // place in the bytes that are read or written

  private void read(byte[] row) {
    if (row == null) {
      newest = Long.MIN_VALUE;
      for (Ring ring : rings) ring.panes = 0;
      return;
    }
    newest = (long) LONG.get(row, 0);
    at = 8;
    for (Ring ring : rings) {
      final int panes = ring.panes = (int) varint(row);
      long number = 0;
      for (int i = 0; i < panes; ++i) {
        final long head = varint(row);
        ring.number[i] = number += head >>> 1;
        final boolean one = (head & 1) != 0;
        ring.count[i] = one ? 1 : varint(row);
        final double sum = ring.sum[i] = (double) DOUBLE.get(row, at);
        at += 8;
        if (one) {
          ring.max[i] = sum;
        } else {
          ring.max[i] = (double) DOUBLE.get(row, at);
          at += 8;
        }
      }
    }
  }

  private byte[] write() {
    LONG.set(buffer, 0, newest);
    at = 8;
    for (Ring ring : rings) {
      putVarint(ring.panes);
      long number = 0;
      for (int i = 0; i < ring.panes; ++i) {
        final boolean one = ring.count[i] == 1;
        putVarint((ring.number[i] - number) << 1 | (one ? 1 : 0));
        number = ring.number[i];
        if (!one) putVarint(ring.count[i]);
        DOUBLE.set(buffer, at, ring.sum[i]);
        at += 8;
        if (!one) {
          DOUBLE.set(buffer, at, ring.max[i]);
          at += 8;
        }
      }
    }
    return Arrays.copyOf(buffer, at);
  }

  private long varint(byte[] from) {
    long value = 0;
    for (int shift = 0; ; shift += 7) {
      final byte b = from[at++];
      value |= (long) (b & 0x7f) << shift;
      if (b >= 0) return value;
    }
  }

  private void putVarint(long value) {
    while ((value & ~0x7fL) != 0) {
      buffer[at++] = (byte) (value | 0x80);
      value >>>= 7;
    }
    buffer[at++] = (byte) value;
  }
}
