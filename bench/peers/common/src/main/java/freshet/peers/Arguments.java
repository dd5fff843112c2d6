package freshet.peers;

import java.util.HashMap;
import java.util.Map;

/** {@code name=value} words of a command line. */
public final class Arguments {
  private final Map<String, String> values = new HashMap<>();

  public Arguments(String[] words) {
    for (String word : words) {
      final int at = word.indexOf('=');
      if (at < 0) throw new IllegalArgumentException(word + " is not of the form name=value");
      values.put(word.substring(0, at), word.substring(at + 1));
    }
  }

  public String text(String name) {
    final String value = values.get(name);
    if (value == null) throw new IllegalArgumentException(name + "=… is missing");
    return value;
  }

  public String text(String name, String otherwise) {
    return values.getOrDefault(name, otherwise);
  }

  public long number(String name, long otherwise) {
    return values.containsKey(name) ? Long.parseLong(values.get(name)) : otherwise;
  }
}
