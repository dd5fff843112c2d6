package freshet.peers;

import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Fills a new topic with the bench's payments, keyed by card: {@code cards=zipf} draws from {@code of} cards by Zipf(0.99),
 * {@code cards=each} gives every card one event in turn, {@code cards=uniform} draws evenly. Says {@code filled EVENTS NEWEST}, the
 * latter being the greatest event time in µs.
 */
public final class FillTopic {
  private static final long START = 1_700_000_000_000L; // ms
  private static final long MOST_STEP_MILLIS = 400; // five events a second on average

  public static void main(String[] words) throws Exception {
    final Arguments arguments = new Arguments(words);
    final String bootstrap = arguments.text("bootstrap");
    final String topic = arguments.text("topic");
    final int partitions = (int) arguments.number("partitions", 4);
    final long events = arguments.number("events", 5_000_000);
    final int cards = (int) arguments.number("of", 100_000);
    final String draw = arguments.text("cards", "zipf");
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
      admin.createTopics(List.of(new NewTopic(topic, Optional.of(partitions), Optional.empty()))).all().get();
    }
    final Map<String, Object> options = new HashMap<>();
    options.put("bootstrap.servers", bootstrap);
    options.put("linger.ms", 20);
    options.put("batch.size", 256 << 10);
    options.put("buffer.memory", 64L << 20);
    final SplittableRandom random = new SplittableRandom(20130101);
    final double[] cumulative = draw.equals("zipf") ? zipf(cards) : null;
    final AtomicReference<Exception> failed = new AtomicReference<>();
    long at = START;
    try (KafkaProducer<byte[], byte[]> producer =
        new KafkaProducer<>(options, new ByteArraySerializer(), new ByteArraySerializer())) {
      for (long i = 0; i < events; ++i) {
        at += random.nextLong(MOST_STEP_MILLIS);
        final int number =
            switch (draw) {
              case "zipf" -> ranked(cumulative, random);
              case "each" -> (int) (i % cards);
              case "uniform" -> random.nextInt(cards);
              default -> throw new IllegalArgumentException("cards=" + draw + "; write zipf, each or uniform");
            };
        final String card = String.format(Locale.ROOT, "card-%08d", number);
        producer.send(
            new ProducerRecord<>(topic, card.getBytes(StandardCharsets.US_ASCII), payment(card, at, random)),
            (metadata, error) -> {
              if (error != null) failed.set(error);
            });
        if (failed.get() != null) throw failed.get();
      }
      producer.flush();
    }
    if (failed.get() != null) throw failed.get();
    Progress.say("filled " + events + " " + at * 1000);
  }

  static byte[] payment(String card, long atMillis, SplittableRandom random) {
    final StringBuilder text = new StringBuilder(160);
    final long cents = random.nextLong(50_000);
    text.append("{\"at\":\"").append(java.time.Instant.ofEpochMilli(atMillis));
    text.append("\",\"card\":\"").append(card).append("\",\"amount\":").append(cents / 100).append('.');
    text.append((char) ('0' + cents / 10 % 10)).append((char) ('0' + cents % 10));
    text.append(",\"merchant\":\"merchant-").append(10_000 + random.nextInt(20_000));
    text.append("\",\"country\":\"DE\",\"online\":").append(random.nextBoolean()).append('}');
    return text.toString().getBytes(StandardCharsets.US_ASCII);
  }

  private static double[] zipf(int n) {
    final double[] cumulative = new double[n];
    double sum = 0;
    for (int i = 0; i < n; ++i) cumulative[i] = sum += Math.pow(i + 1, -0.99);
    return cumulative;
  }

  private static int ranked(double[] cumulative, SplittableRandom random) {
    final double at = random.nextDouble() * cumulative[cumulative.length - 1];
    final int found = java.util.Arrays.binarySearch(cumulative, at);
    return found >= 0 ? found : -found - 1;
  }

  private FillTopic() {}
}
