#!/usr/bin/python3
"""Two weeks of a shop's visitors: what is known of one of them, and 500 items for that visitor in one request.
`./run demo recommender` builds what it needs and starts it."""

import collections
import datetime
import json
import random
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent
sys.path.insert(0, str(PROJECT.parents[1]))
from demonstration import Failed, Server, compare, measure, run  # noqa: E402

sys.path.insert(0, str(PROJECT))
from generate import write  # noqa: E402

USERS, ITEMS, DAYS, SEED = 2000, 1000, 14, 1
CANDIDATES = 500


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def plain_answer(actions, user):
    """What the actions say of `user`, by plain loops."""
    mine = [e for e in sorted(actions, key=lambda e: e["at"]) if e["user"] == user]
    newest = mine[::-1]
    now = max(seconds(e["at"]) for e in actions)
    week = [e for e in mine if seconds(e["at"]) >= (now - 7 * 86_400) // 21_600 * 21_600]  # the hop of 7d is 6h
    often = collections.Counter(e["category"] for e in week)
    spent = collections.defaultdict(float)
    for e in week:
        if e["action"] == "buy":
            spent[e["category"]] += e["price"]
    return {
        "recent_item": [e["item"] for e in newest[:20]],
        "recent_action": [e["action"] for e in newest[:20]],
        "seen": list(dict.fromkeys(e["item"] for e in newest))[:20],
        "categories_7d": sorted(often, key=lambda c: (-often[c], c))[:3],
    }, dict(spent)


def demo(arguments, folder):
    files = write(folder, USERS, ITEMS, DAYS, SEED)
    actions = [json.loads(line) for line in files["actions"].open()]
    with Server(arguments.freshet, PROJECT, folder) as server:
        for source in ("items", "actions"):
            server.replay(source, files[source])
        user = actions[-1]["user"]
        server.show("visitor", f"user={user}")
        got = server.ask("visitor", f"user={user}")
        expected, spent = plain_answer(actions, user)
        compare(got, expected)
        if any(abs((got["spent_7d"] or {}).get(c, 0) - amount) > 1e-6 for c, amount in spent.items()):
            raise Failed(f"spent_7d is {got['spent_7d']}; the events say {spent}")
        print("\nThe same as plain loops over the events find.")

        import freshet  # lies in the build folder

        items = [f"item-{number:05d}" for number in random.Random(1).sample(range(ITEMS), CANDIDATES)]
        with freshet.Client(server.grpc, timeout=10) as client:
            answer = client.get_features("rank", {"user": user, "item": items})
            embeddings = answer["embedding"]
            print(f"\n{user} and {CANDIDATES} items in one request; the first three:")
            for i in range(3):
                print(f"  {items[i]}: views {answer['views_24h'][i]}, heat {answer['heat'][i]:.2f}, "
                      f"price {answer['price'][i]}, embedding {embeddings[i][:3]}… ({len(embeddings[i])} numbers)")
            p50, p99 = measure(client, lambda c, _: c.get_features("rank", {"user": user, "item": items}), 200)
        print(f"200 such requests, one at a time from the Python client: p50 {p50:.2f} ms, p99 {p99:.2f} ms\n", flush=True)
        if arguments.once:
            return
        print(f"The server stays up until Ctrl-C. In another terminal:\n\n  ./run freshet get visitor user={user} "
              f"--address {server.grpc}\n  ./run freshet get rank user={user} item={items[0]} --address {server.grpc}\n"
              f"  curl -s http://{server.admin}/metrics | grep freshet_\n", flush=True)
        server.wait()


if __name__ == "__main__":
    sys.exit(run(demo, __doc__))
