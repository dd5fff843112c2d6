package freshet.peers;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/**
 * How many events the process has applied, counted by each task for itself and said on standard output as
 * {@code applied N} whenever it changed, which is what the driver waits for.
 */
public final class Progress {
  private static final long POLL_MILLIS = 10;
  private static final List<Counter> COUNTERS = new CopyOnWriteArrayList<>();
  private static final VarHandle COUNT;

  static {
    try {
      COUNT = MethodHandles.lookup().findVarHandle(Counter.class, "count", long.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  private Progress() {}

  /** Written by one thread, read by the one that reports. */
  public static final class Counter {
    private long count;

    public void increment() {
      COUNT.setRelease(this, count + 1);
    }
  }

  public static Counter counter() {
    final Counter counter = new Counter();
    COUNTERS.add(counter);
    return counter;
  }

  public static void report() {
    final Thread thread =
        new Thread(
            () -> {
              long said = 0;
              while (true) {
                long now = 0;
                for (Counter counter : COUNTERS) now += (long) COUNT.getAcquire(counter);
                if (now != said) say("applied " + now);
                said = now;
                try {
                  Thread.sleep(POLL_MILLIS);
                } catch (InterruptedException e) {
                  return;
                }
              }
            },
            "progress");
    thread.setDaemon(true);
    thread.start();
  }

  public static synchronized void say(String line) {
    System.out.println(line);
    System.out.flush();
  }
}
