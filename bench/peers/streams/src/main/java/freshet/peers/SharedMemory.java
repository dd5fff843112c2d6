package freshet.peers;

import java.util.Map;
import org.apache.kafka.streams.state.RocksDBConfigSetter;
import org.rocksdb.BlockBasedTableConfig;
import org.rocksdb.BloomFilter;
import org.rocksdb.Cache;
import org.rocksdb.LRUCache;
import org.rocksdb.Options;
import org.rocksdb.WriteBufferManager;

/** One block cache and one bound of write buffers for all of the program's stores, as Kafka's own guide to memory advises. */
public final class SharedMemory implements RocksDBConfigSetter {
  private static final Cache CACHE = new LRUCache(256L << 20);
  private static final WriteBufferManager BUFFERS = new WriteBufferManager(256L << 20, CACHE);

  @Override
  public void setConfig(String store, Options options, Map<String, Object> configs) {
    final BlockBasedTableConfig table = (BlockBasedTableConfig) options.tableFormatConfig();
    table.setBlockCache(CACHE);
    table.setFilterPolicy(new BloomFilter(10, false));
    options.setWriteBufferManager(BUFFERS);
    options.setWriteBufferSize(32L << 20);
    options.setTableFormatConfig(table);
  }

  @Override
  public void close(String store, Options options) {}
}
