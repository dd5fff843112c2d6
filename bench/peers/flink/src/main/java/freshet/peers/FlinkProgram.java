package freshet.peers;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.Arrays;
import java.util.Properties;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.TypeHint;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.MemorySize;
import org.apache.flink.configuration.StateBackendOptions;
import org.apache.flink.configuration.TaskManagerOptions;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.streaming.api.CheckpointingMode;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.streaming.api.functions.source.RichSourceFunction;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/**
 * card_spend of config/bench as a Flink program: a KeyedProcessFunction with one row a card in RocksDB, incremental checkpoints
 * exactly once. {@code get CARD TIME} on standard input asks for the features.
 */
public final class FlinkProgram {
  /** Card, event time in µs, amount; a question has NaN for its amount. */
  private static final TypeInformation<Tuple3<String, Long, Double>> PAYMENT =
      TypeInformation.of(new TypeHint<Tuple3<String, Long, Double>>() {});

  private static final class Decode implements KafkaRecordDeserializationSchema<Tuple3<String, Long, Double>> {
    private transient PaymentReader payment;

    @Override
    public void deserialize(ConsumerRecord<byte[], byte[]> record, Collector<Tuple3<String, Long, Double>> out)
        throws IOException {
      if (payment == null) payment = new PaymentReader();
      payment.read(record.value(), true);
      out.collect(Tuple3.of(payment.card, payment.at, payment.amount));
    }

    @Override
    public TypeInformation<Tuple3<String, Long, Double>> getProducedType() {
      return PAYMENT;
    }
  }

  private static final class Apply extends KeyedProcessFunction<String, Tuple3<String, Long, Double>, Void> {
    private transient CardRow row;
    private transient Progress.Counter applied;
    private transient ValueState<byte[]> stored;

    @Override
    public void open(Configuration parameters) {
      row = new CardRow();
      applied = Progress.counter();
      stored =
          getRuntimeContext()
              .getState(new ValueStateDescriptor<>("row", PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO));
    }

    @Override
    public void processElement(Tuple3<String, Long, Double> payment, Context context, Collector<Void> out)
        throws IOException {
      final byte[] before = stored.value();
      if (Double.isNaN(payment.f2)) {
        Progress.say(
            "row " + payment.f0 + " " + (before == null ? "null" : Arrays.toString(row.features(before, payment.f1))));
        return;
      }
      stored.update(row.apply(before, payment.f1, payment.f2));
      applied.increment();
    }
  }

  /** Lines of standard input. */
  private static final class Questions extends RichSourceFunction<Tuple3<String, Long, Double>> {
    @Override
    public void run(SourceContext<Tuple3<String, Long, Double>> context) throws Exception {
      final BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
      for (String line; (line = in.readLine()) != null; ) {
        final String[] words = line.split(" ");
        synchronized (context.getCheckpointLock()) {
          context.collect(Tuple3.of(words[1], Long.parseLong(words[2]), Double.NaN));
        }
      }
    }

    @Override
    public void cancel() {}
  }

  public static void main(String[] words) throws Exception {
    final Arguments arguments = new Arguments(words);
    final String state = arguments.text("state");
    final Configuration options = new Configuration();
    options.set(StateBackendOptions.STATE_BACKEND, "rocksdb");
    options.set(CheckpointingOptions.INCREMENTAL_CHECKPOINTS, true);
    options.set(CheckpointingOptions.CHECKPOINTS_DIRECTORY, "file://" + state + "/checkpoints");
    options.setString("state.backend.rocksdb.localdir", state + "/rocksdb");
    options.setString("state.backend.rocksdb.use-bloom-filter", "true");
    options.set(TaskManagerOptions.MANAGED_MEMORY_SIZE, MemorySize.ofMebiBytes(arguments.number("managed_mb", 1024)));
    final int threads = (int) arguments.number("threads", 2);
    final StreamExecutionEnvironment environment =
        StreamExecutionEnvironment.createLocalEnvironment(threads, options);
    environment.getConfig().enableObjectReuse();
    environment.enableCheckpointing(arguments.number("checkpoint_ms", 10_000), CheckpointingMode.EXACTLY_ONCE);

    final Properties consumer = new Properties();
    consumer.put("fetch.max.wait.ms", "10");
    consumer.put("max.poll.records", "10000");
    consumer.put("max.partition.fetch.bytes", String.valueOf(4 << 20));
    consumer.put("receive.buffer.bytes", String.valueOf(1 << 20));
    consumer.put("isolation.level", "read_committed");
    final KafkaSource<Tuple3<String, Long, Double>> source =
        KafkaSource.<Tuple3<String, Long, Double>>builder()
            .setBootstrapServers(arguments.text("bootstrap"))
            .setTopics(arguments.text("topic"))
            .setGroupId(arguments.text("application"))
            .setStartingOffsets(OffsetsInitializer.earliest())
            .setDeserializer(new Decode())
            .setProperties(consumer)
            .build();
    final DataStream<Tuple3<String, Long, Double>> payments =
        environment.fromSource(source, WatermarkStrategy.noWatermarks(), "payments");
    final DataStream<Tuple3<String, Long, Double>> questions =
        environment.addSource(new Questions(), "questions", PAYMENT).setParallelism(1);
    payments
        .union(questions)
        .keyBy(payment -> payment.f0)
        .process(new Apply())
        .returns(Void.class)
        .name("card_spend");
    Progress.report();
    environment.execute("card_spend");
  }

  private FlinkProgram() {}
}
