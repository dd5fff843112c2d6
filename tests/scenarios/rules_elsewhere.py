"""What docs/semantics.md says and no scenario can show, for rules_test.py: where it is tested instead, or why it is no rule."""

# (words of docs/semantics.md, a file of tests/, words of that file: the name of the test, or the sentence that it quotes)
ELSEWHERE = [
    # A scenario sees dead letters by their reason, answers one row a lookup, and has a log from its beginning on one incarnation.
    ("its coordinates (source, incarnation of the log, partition, offset)", "unit/store/commit_test.cc",
     "a commit's rows, progress, dead letters and refusals appear together"),
    ("for all rows or one a row.", "unit/serve/lookup_test.cc", "with one as_of a row a broadcast key is read once and finished at every time"),
    ("`complete_since` is there where the log did not reach back to its beginning: a window below it is partly filled.",
     "unit/ingest/live_loop_test.cc", "a log that began above offset 0 says since when a view is complete"),
    ("`complete_since` is there where the log did not reach back to its beginning:", "unit/serve/lookup_test.cc",
     "an answer says since when each of its views is complete"),
    ("Its event time is the newest of those of the views that it is computed of.", "unit/server/feature_answer_test.cc",
     "a derived feature's event time is the newest of those of its views"),
    ("(none: `incomplete`;", "unit/ingest/deletes_test.cc", "with clock: wall a tombstone's time is the record's own, and one of the future is refused"),
    ("nor E.", "unit/ingest/deletes_test.cc", "a tombstone moves neither now, watermark nor E, and is passed"),
    ("`freshet replay --key-separator '\\t'` sends deletes: of lines of key, tab and value those without a value.",
     "integration/server/journey_test.py", '"--key-separator", "\\\\t"'),
    # Refused when declared, or told by `freshet validate`.
    ("h divides W", "unit/declare/mistakes/features.yaml", "hop 7m does not divide the window, 1h"),
    ("`validate` lists them for a view with history.", "unit/declare/project_test.cc", "validate lists those that have none"),
    ("A view with lifetime, rows, `report: ended` or latest values declares one, or `never`.", "unit/declare/project_test.cc",
     "views with lifetime, rows or report: ended must declare a ttl, or never"),
    ("or latest values declares one", "unit/declare/latest_test.cc", "view card_profile needs a ttl"),
    ("a vector (`list<float>[N]`) has none:", "unit/declare/latest_test.cc", "a vector without a value is NaN"),
    ("So a row is of the bytes that `freshet validate` tells, which counts texts with 16 bytes", "unit/state/row_test.cc",
     "bytes a row are bounded by what validate prints"),
    ("or at most of some sixty times that.", "unit/state/collections_test.cc", "a row of long texts stays within its bytes, texts counted with 1024"),
    ("and `freshet validate` how many bytes a row's list takes.", "unit/state/deletes_test.cc", "the ids of a row take the bytes that validate prints at most"),
    # On the wire, in the store's bytes, in metrics.
    ("where it has no value it is NaN in all its elements.", "unit/serve/answer_lists_test.cc",
     "a vector is its floats, and NaN in each where it has no value"),
    ("`freshet_ingest_dedup_forgotten_ids_total` says how many were", "unit/state/deletes_test.cc", "beyond max_ids the oldest id is forgotten, and told"),
    # Estimates of thousands of values, and what holds of every value.
    ("or to 1e-307 where it is nearer to 0 than that.", "unit/aggregate/quantiles_test.cc", "a quantile of values below the normal doubles"),
    ("Values of more magnitudes than 64 · 2^b buckets can hold (at 0.01: 64 powers of two, all filled) make it coarser, and the answer is then DEGRADED.",
     "unit/aggregate/quantiles_test.cc", "a quantile over more powers of two than fit is as near as the buckets left"),
    ("a sketch that is coarser than declared", "unit/state/aggregations_test.cc", "tell of a coarse sketch"),
    ("HyperLogLog with Apache DataSketches' composite estimator.", "unit/aggregate/distinct_test.cc",
     "count_distinct's stored bytes and estimates are those of full registers"),
    ("It has so many registers that `error` is 2.4 standard errors: 98 of 100 answers are within it.", "property/sketch_test.cc",
     "count_distinct: the estimate of values merged from panes is within its stated error"),
    ("Of N values counted it tells each count up to 3.5 · N / slots too great (never too small), where the slots are the least power of two, "
     "at least 8, of which three quarters are `exact_to` or more: 0.17 % of N at 1024.", "unit/aggregate/laws_test.cc",
     "top_k past its exact bound tells counts within its error, however its parts combine"),
    ("as long as what they bring would not be expired anyway.", "property/latest_test.cc",
     "latest values agree with the oracle over partial updates out of order"),
    # Producers that send twice: a scenario's events carry no record headers.
    ("a pushed record carries the headers `freshet-producer` (any text up to 256 bytes) and `freshet-sequence` (a whole number from 1 on)",
     "unit/ingest/producer_sequences_test.cc", "headers that are not as a push's are let be"),
    ("and whoever produces to the topic may set them too.", "unit/ingest/producer_sequences_test.cc",
     "what a producer repeats counts once, whatever the batches and the crashes, and as the oracle"),
    ("A sequence not above the last passed of that producer in that partition is dropped, whatever became of the first (a second letter is not written either): it moves nothing and is counted as `repeated_push`.",
     "unit/ingest/producer_sequences_test.cc", "what a producer repeats counts once, whatever the batches and the crashes, and as the oracle"),
    ("A producer repeats what failed before it sends later sequences, and does one thing after the other.", "unit/ingest/pusher_test.cc",
     "what became durable of a call that failed is said, and its repetition counts once"),
    ("Gaps in its sequences are nothing.", "unit/ingest/pusher_test.cc", "events that would be dead letters are told by index, and nothing is sent"),
    ("It does where the record has a key; records without one are spread by their producer.", "integration/server/push_test.py",
     "test_a_retry_at_the_other_replica_counts_once"),
    ("The last sequence is kept with the progress of each view, in the same commit: restarts, the other replica and rebuilds drop the same records.",
     "unit/ingest/producer_sequences_test.cc", "a pass that rebuilds a view drops what the live loop dropped"),
    ("A partition remembers 4096 producers: those of which the last record that was not dropped stands furthest on, and apart from them as many of replayed dead letters (`freshet-dlq/…`). A repetition by one that was forgotten counts again. Nobody is forgotten by time.",
     "unit/ingest/producer_sequences_test.cc", "of more producers than are remembered those that sent longest ago are forgotten"),
    ("A record with one of the headers alone, twice, or unreadable is as any other.", "unit/ingest/producer_sequences_test.cc",
     "headers that are not as a push's are let be"),
]

# (words of docs/semantics.md, why no test can show it)
NO_RULE = [
    ("A producer that cannot put ids into its events tells who it is and counts what it sends:", "introduces the headers"),
    ("What is repeated must come to the same partition.", "what producers that partition by themselves have to see to"),
    ("A topic that is given more partitions in between may count a repetition twice.", "says where nothing is promised"),
    ("For what can be declared today. Tests quote these sentences.", "of the document itself"),
    ("and of kurtosis the digits run out below 1e-75.", "says where nothing is promised"),
    ("Apache DataSketches' frequent items sketch.", "names the algorithm; what it promises follows"),
    ("What it lets go does depend on the order of events and panes.", "allows what need not be"),
    ("Exact of count_distinct means: of 64-bit hashes. Two of 256 values share one in one window of 5 · 10^14.", "too seldom to be shown"),
    ("then all events and deletes of an entity are in one partition.", "what follows for producers that partition by key; Freshet does not check it"),
    ("Ids are compared by 64-bit hashes: an event is taken for another's double with probability n / 2^64, n being the ids in the row's list.",
     "too seldom to be shown"),
    ("doubles may differ in their last bits. Five exceptions: sums of doubles that leave the doubles on the way, though the whole is one again:",
     "allows what need not be"),
    ("`dedup` where an entity's events are in several partitions (which of two doubles counts, and at `max_ids` which ids are known, depends on "
     "the order between them) or where one of them comes later than `lateness` and its row was removed meanwhile;", "allows what need not be"),
    ("`top_k` past its exact bound (within its error);", "allows what need not be"),
    ("sessions and a lifetime with ttl where events come later than `lateness` (which of two such counts hangs on which came first, and one may "
     "join a run that compaction has removed to one that it has not),", "allows what need not be"),
]
