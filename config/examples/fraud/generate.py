#!/usr/bin/python3
"""Payments and account events of a made-up bank, as JSON lines: what the fraud example is fed with.

The same seed gives the same lines. Cards pay where and what they usually do; now and then one is taken over: a new password, a few
small payments to see whether the card works, then large ones far away, minutes apart. Such payments say "planted": true, which no
declaration reads: a model would be trained on it."""

import argparse
import datetime
import heapq
import json
import random
from pathlib import Path

BEGIN = datetime.datetime(2026, 3, 1, tzinfo=datetime.timezone.utc)
COUNTRIES = ["DE", "FR", "NL", "PL", "ES"]
FAR_AWAY = ["KY", "PA", "SG"]


class Card:
    """Who it belongs to and what it usually does."""

    def __init__(self, number, choose):
        self.name = f"card-{number:05d}"
        self.account = f"account-{number // 2:05d}"  # some accounts have two cards
        self.usual = choose.lognormvariate(3.2, 0.6)  # what a payment is about, in euros
        self.spread = choose.uniform(0.2, 0.6)
        self.shops = choose.sample(range(400), 12)
        self.country = choose.choices(COUNTRIES, [70, 10, 8, 7, 5])[0]
        self.a_day = choose.lognormvariate(0.7, 0.7)  # payments


def ordinary(card, at, choose):
    approved = choose.random() > 0.02
    return {
        "at": at, "card": card.name, "sender": card.account,
        "receiver": f"shop-account-{choose.choice(card.shops) % 150:03d}",
        "merchant": f"shop-{choose.choice(card.shops):03d}",
        "country": card.country if choose.random() > 0.03 else choose.choice(COUNTRIES),
        "amount": round(card.usual * choose.lognormvariate(0, card.spread), 2), "approved": approved,
    }


def takeover(card, at, choose):
    """One account event, then payments: all within a quarter of an hour."""
    yield "account_events", {"at": at, "account": card.account, "kind": "password_change"}
    far = choose.choice(FAR_AWAY)
    for step in range(choose.randint(3, 6)):
        at += choose.uniform(20, 90)
        amount = choose.uniform(1, 3) if step < 2 else card.usual * choose.uniform(12, 30)
        yield "payments", {
            "at": at, "card": card.name, "sender": card.account, "receiver": f"mule-account-{choose.randrange(20):03d}",
            "merchant": f"web-shop-{choose.randrange(60):03d}", "country": far, "amount": round(amount, 2), "approved": True,
            "planted": True,
        }


def events(cards, days, seed):
    """(source, event) in order of time; `at` in seconds since BEGIN."""
    choose = random.Random(seed)
    known = [Card(number, choose) for number in range(cards)]
    coming = [(choose.expovariate(card.a_day / 86_400), number, "payment") for number, card in enumerate(known)]
    coming += [(choose.uniform(0, days * 86_400), number, "takeover")
               for number in choose.sample(range(cards), max(1, cards // 100))]
    coming += [(choose.uniform(0, days * 86_400), number, "login") for number in choose.choices(range(cards), k=cards * days // 3)]
    heapq.heapify(coming)
    waiting = []  # of take-overs: what comes after their first event
    order = 0
    while coming or waiting:
        if waiting and (not coming or waiting[0][0] <= coming[0][0]):
            yield heapq.heappop(waiting)[2]
            continue
        at, number, what = heapq.heappop(coming)
        if at >= days * 86_400:
            continue
        card = known[number]
        if what == "payment":
            yield "payments", ordinary(card, at, choose)
            heapq.heappush(coming, (at + choose.expovariate(card.a_day / 86_400), number, what))
        elif what == "login":
            yield "account_events", {"at": at, "account": card.account, "kind": "login"}
        else:
            for source, event in takeover(card, at, choose):
                heapq.heappush(waiting, (event["at"], order, (source, event)))
                order += 1


def generate(cards, days, seed):
    """(source, event) as they are sent: times as text, payments with an id; one in a thousand is sent twice, as producers do."""
    number = 0
    choose = random.Random(seed + 1)
    for source, event in events(cards, days, seed):
        at = BEGIN + datetime.timedelta(microseconds=round(event["at"] * 1e6))
        event = {**event, "at": at.isoformat().replace("+00:00", "Z")}
        if source == "payments":
            number += 1
            event = {"id": f"payment-{number:08d}", **event}
            if choose.random() < 0.001:
                yield source, event
        yield source, event


def write(folder, cards, days, seed):
    """One file a source in `folder`; their paths by source."""
    files = {source: Path(folder) / f"{source}.jsonl" for source in ("payments", "account_events")}
    opened = {source: path.open("w") for source, path in files.items()}
    for source, event in generate(cards, days, seed):
        opened[source].write(json.dumps(event) + "\n")
    for file in opened.values():
        file.close()
    return files


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where payments.jsonl and account_events.jsonl go")
    parser.add_argument("--cards", type=int, default=2000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for source, path in write(arguments.folder, arguments.cards, arguments.days, arguments.seed).items():
        print(f"{source}: {path}, {sum(1 for _ in path.open())} lines")
