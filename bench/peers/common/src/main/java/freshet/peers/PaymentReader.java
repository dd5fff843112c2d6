package freshet.peers;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonFactoryBuilder;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadFeature;
import java.io.IOException;
import java.time.Instant;

/** The fields of a payment that the features need, read from JSON by Jackson's streaming parser. One a thread. */
public final class PaymentReader {
  private static final JsonFactory JSON =
      ((JsonFactoryBuilder) JsonFactory.builder())
          .enable(StreamReadFeature.USE_FAST_DOUBLE_PARSER)
          .build();

  public long at; // µs since the epoch
  public double amount;
  public String card; // left null unless asked for

  public void read(byte[] json, boolean withCard) throws IOException {
    boolean hasTime = false;
    boolean hasAmount = false;
    card = null;
    try (JsonParser parser = JSON.createParser(json)) {
      if (parser.nextToken() != JsonToken.START_OBJECT) throw new IOException("not an object");
      for (String name; (name = parser.nextFieldName()) != null; ) {
        final JsonToken value = parser.nextToken();
        switch (name) {
          case "at" -> {
            at = micros(parser.getTextCharacters(), parser.getTextOffset(), parser.getTextLength());
            hasTime = true;
          }
          case "amount" -> {
            amount = parser.getDoubleValue();
            hasAmount = true;
          }
          case "card" -> {
            if (withCard) card = parser.getText();
          }
          default -> {
            if (value.isStructStart()) parser.skipChildren();
          }
        }
      }
    }
    if (!hasTime || !hasAmount || (withCard && card == null)) throw new IOException("incomplete payment");
  }

  /** RFC 3339. The form that producers write, to the second or the millisecond and in UTC, by hand; others by the library. */
  static long micros(char[] text, int from, int length) {
    final boolean seconds = length == 20 && text[from + 19] == 'Z';
    if (!seconds && !(length == 24 && text[from + 23] == 'Z' && text[from + 19] == '.')) {
      final Instant instant = java.time.OffsetDateTime.parse(new String(text, from, length)).toInstant();
      return Math.addExact(Math.multiplyExact(instant.getEpochSecond(), 1_000_000L), instant.getNano() / 1000);
    }
    final int year = digits(text, from, 4);
    final int month = digits(text, from + 5, 2);
    final int day = digits(text, from + 8, 2);
    final int secondsOfDay =
        digits(text, from + 11, 2) * 3600 + digits(text, from + 14, 2) * 60 + digits(text, from + 17, 2);
    // Days from civil, with years that begin in March.
    final int y = month <= 2 ? year - 1 : year;
    final int era = y / 400;
    final int yearOfEra = y - era * 400;
    final int dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    final long days = era * 146_097L + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468;
    return (days * 86_400 + secondsOfDay) * 1_000_000 + (seconds ? 0 : digits(text, from + 20, 3) * 1000L);
  }

  private static int digits(char[] text, int from, int n) {
    int value = 0;
    for (int i = from; i < from + n; ++i) {
      final int digit = text[i] - '0';
      if (digit < 0 || digit > 9) throw new NumberFormatException("not a time: " + new String(text));
      value = value * 10 + digit;
    }
    return value;
  }
}
