package freshet.peers;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.Arrays;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.BytesDeserializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.InvalidStateStoreException;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.QueryableStoreTypes;
import org.apache.kafka.streams.state.ReadOnlyKeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * card_spend of config/bench as a Kafka Streams program: the Processor API, one row a card in one RocksDB store with its cache and
 * its changelog, exactly once. The record's key is the card, so that nothing is repartitioned, and stays bytes, so that the
 * store need not encode it. {@code get CARD TIME} on standard input asks for the features.
 */
public final class StreamsProgram {
  private static final String ROWS = "rows";

  private static final class Apply implements Processor<Bytes, byte[], Void, Void> {
    private final PaymentReader payment = new PaymentReader();
    private final CardRow row = new CardRow();
    private final Progress.Counter applied = Progress.counter();
    private KeyValueStore<Bytes, byte[]> rows;

    @Override
    public void init(ProcessorContext<Void, Void> context) {
      rows = context.getStateStore(ROWS);
    }

    @Override
    public void process(Record<Bytes, byte[]> record) {
      try {
        payment.read(record.value(), false);
      } catch (Exception e) {
        throw new IllegalStateException("payment of " + record.key() + ": " + e.getMessage(), e);
      }
      rows.put(record.key(), row.apply(rows.get(record.key()), payment.at, payment.amount));
      applied.increment();
    }
  }

  public static void main(String[] words) throws Exception {
    final Arguments arguments = new Arguments(words);
    final Properties options = options(arguments);
    final Topology topology = new Topology();
    topology.addSource("payments", new BytesDeserializer(), new ByteArrayDeserializer(), arguments.text("topic"));
    topology.addProcessor("apply", Apply::new, "payments");
    topology.addStateStore(
        Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(ROWS), Serdes.Bytes(), Serdes.ByteArray())
            .withCachingEnabled()
            .withLoggingEnabled(Map.of()),
        "apply");
    final KafkaStreams streams = new KafkaStreams(topology, options);
    streams.setUncaughtExceptionHandler(
        e -> {
          e.printStackTrace();
          Runtime.getRuntime().halt(1);
          throw new AssertionError(e);
        });
    streams.setStateListener((now, before) -> Progress.say("state " + now));
    Progress.report();
    streams.start();
    answer(streams);
    streams.close();
  }

  private static void answer(KafkaStreams streams) throws Exception {
    final CardRow row = new CardRow();
    final BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
    for (String line; (line = in.readLine()) != null; ) {
      final String[] words = line.split(" ");
      final byte[] found = find(streams, Bytes.wrap(words[1].getBytes()));
      final String features = found == null ? "null" : Arrays.toString(row.features(found, Long.parseLong(words[2])));
      Progress.say("row " + words[1] + " " + features);
    }
  }

  /** Waits while partitions are on their way from one thread to another: until then nothing can be asked. */
  private static byte[] find(KafkaStreams streams, Bytes card) throws InterruptedException {
    while (true) {
      try {
        final ReadOnlyKeyValueStore<Bytes, byte[]> rows =
            streams.store(StoreQueryParameters.fromNameAndType(ROWS, QueryableStoreTypes.keyValueStore()));
        return rows.get(card);
      } catch (InvalidStateStoreException notYet) {
        Thread.sleep(20);
      }
    }
  }

  private static Properties options(Arguments arguments) {
    final Properties options = new Properties();
    options.put(StreamsConfig.APPLICATION_ID_CONFIG, arguments.text("application"));
    options.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments.text("bootstrap"));
    options.put(StreamsConfig.STATE_DIR_CONFIG, arguments.text("state"));
    options.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    options.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, (int) arguments.number("threads", 2));
    options.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, (int) arguments.number("commit_ms", 10_000));
    options.put(StreamsConfig.producerPrefix("transaction.timeout.ms"), 60_000);
    options.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, arguments.number("cache", 512L << 20));
    options.put(StreamsConfig.ROCKSDB_CONFIG_SETTER_CLASS_CONFIG, SharedMemory.class);
    options.put(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");
    options.put(StreamsConfig.consumerPrefix("fetch.max.wait.ms"), 10);
    options.put(StreamsConfig.consumerPrefix("max.poll.records"), 10_000);
    options.put(StreamsConfig.consumerPrefix("max.partition.fetch.bytes"), 4 << 20);
    options.put(StreamsConfig.consumerPrefix("receive.buffer.bytes"), 1 << 20);
    options.put(StreamsConfig.producerPrefix("batch.size"), 256 << 10);
    options.put(StreamsConfig.producerPrefix("linger.ms"), 100);
    if (arguments.number("session_ms", 0) > 0) {
      options.put(StreamsConfig.consumerPrefix("session.timeout.ms"), (int) arguments.number("session_ms", 0));
      options.put(StreamsConfig.consumerPrefix("heartbeat.interval.ms"), (int) arguments.number("session_ms", 0) / 3);
    }
    final String instance = arguments.text("instance", "");
    if (!instance.isEmpty()) options.put(StreamsConfig.consumerPrefix("group.instance.id"), instance);
    return options;
  }

  private StreamsProgram() {}
}
