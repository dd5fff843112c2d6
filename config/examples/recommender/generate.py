#!/usr/bin/python3
"""Items of a made-up shop and what its visitors do with them, as JSON lines: what the recommender example is fed with.

The same seed gives the same lines. An item's embedding is a point near its category's centre; a visitor prefers a few categories and
comes in sessions, within which items are seen, sometimes put into the cart and bought. Some events arrive late."""

import argparse
import datetime
import json
import math
import random
from pathlib import Path

BEGIN = datetime.datetime(2026, 3, 1, tzinfo=datetime.timezone.utc)
CATEGORIES = ["books", "garden", "games", "kitchen", "music", "shoes", "tools", "toys"]
DIMENSIONS = 16


def direction(numbers):
    length = math.sqrt(sum(n * n for n in numbers))
    return [round(n / length, 5) for n in numbers]


def text(seconds):
    return (BEGIN + datetime.timedelta(microseconds=round(seconds * 1e6))).isoformat().replace("+00:00", "Z")


def make_items(count, choose):
    centres = {c: [choose.gauss(0, 1) for _ in range(DIMENSIONS)] for c in CATEGORIES}
    for number in range(count):
        category = choose.choice(CATEGORIES)
        yield {
            "at": text(0), "item": f"item-{number:05d}", "category": category,
            "price": round(choose.lognormvariate(3, 0.8), 2), "tags": choose.sample(["new", "sale", "eco", "gift", "used"], 2),
            "embedding": direction([x + choose.gauss(0, 0.5) for x in centres[category]]),
        }


def changes(items, days, choose):
    """Partial updates: a new price, and nothing else."""
    for item in choose.choices(items, k=len(items) // 5):
        yield {"at": text(choose.uniform(3600, days * 86_400)), "item": item["item"],
               "price": round(item["price"] * choose.uniform(0.7, 1.2), 2)}


def session(user, begin, by_category, favourites, choose):
    at = begin
    for _ in range(1 + int(choose.expovariate(1 / 6))):
        at += choose.expovariate(1 / 40)
        category = choose.choice(favourites) if choose.random() < 0.8 else choose.choice(CATEGORIES)
        there = by_category[category]
        item = there[min(int(choose.expovariate(8 / len(there))), len(there) - 1)]  # the first ones are popular
        step = {"user": user, "item": item["item"], "category": category, "price": item["price"]}
        yield at, {**step, "action": "view"}
        if choose.random() < 0.15:
            at += choose.expovariate(1 / 20)
            yield at, {**step, "action": "cart"}
            if choose.random() < 0.4:
                at += choose.expovariate(1 / 60)
                yield at, {**step, "action": "buy"}


def generate(users, items, days, seed):
    """Lists of what is sent, in the order of sending: {source: [event]}."""
    choose = random.Random(seed)
    shelf = list(make_items(items, choose))
    by_category = {c: [i for i in shelf if i["category"] == c] or shelf for c in CATEGORIES}
    seen = []
    for number in range(users):
        favourites = choose.sample(CATEGORIES, 2)
        begin = choose.expovariate(1 / 86_400)
        while begin < days * 86_400:
            seen.extend(session(f"user-{number:05d}", begin, by_category, favourites, choose))
            begin += choose.expovariate(1 / (86_400 * choose.lognormvariate(0.3, 0.5)))
    # One in fifty arrives up to five minutes late: the phone was in a tunnel.
    arrived = sorted((at + (choose.uniform(0, 300) if choose.random() < 0.02 else 0), n) for n, (at, _) in enumerate(seen))
    actions = [{"at": text(seen[n][0]), **seen[n][1]} for _, n in arrived]
    return {"items": shelf + sorted(changes(shelf, days, choose), key=lambda e: e["at"]), "actions": actions}


def write(folder, users, items, days, seed):
    """One file a source in `folder`; their paths by source."""
    files = {}
    for source, events in generate(users, items, days, seed).items():
        files[source] = Path(folder) / f"{source}.jsonl"
        files[source].write_text("".join(json.dumps(event) + "\n" for event in events))
    return files


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where items.jsonl and actions.jsonl go")
    parser.add_argument("--users", type=int, default=2000)
    parser.add_argument("--items", type=int, default=1000)
    parser.add_argument("--days", type=int, default=14)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    sizes = arguments.users, arguments.items, arguments.days, arguments.seed
    for source, path in write(arguments.folder, *sizes).items():
        print(f"{source}: {path}, {sum(1 for _ in path.open())} lines")
