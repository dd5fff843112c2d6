#!/usr/bin/python3
"""A month of card payments up to the moment at which a thief wants to pay with a stolen card: what the model is told about that
payment, and about an ordinary one. `./run demo fraud` builds what it needs and starts it."""

import datetime
import json
import statistics
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent
sys.path.insert(0, str(PROJECT.parents[1]))
from demonstration import Server, compare, measure, run  # noqa: E402

sys.path.insert(0, str(PROJECT))
from generate import generate  # noqa: E402

CARDS, DAYS, SEED = 2000, 30, 1


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def scene():
    """All that was sent before the last large payment of a thief, and that payment; {source: [event]}, event."""
    sent = list(generate(CARDS, DAYS, SEED))
    last = max(i for i, (_, e) in enumerate(sent) if e.get("planted") and e["amount"] > 20)
    before = {"payments": [], "account_events": []}
    for source, event in sent[:last]:
        before[source].append(event)
    return before, sent[last][1]


def plain_answer(before, payment):
    """What payments and account events say about `payment`, by plain loops."""
    paid = list({e["id"]: e for e in before["payments"]}.values())  # once each
    # Now is the newest event; windows of 10 minutes have hops of 10 s, those of an hour of 1 min (README: windows).
    now = max(seconds(e["at"]) for e in (before["payments"][-1], before["account_events"][-1]))
    card = [e for e in paid if e["card"] == payment["card"]]
    usual = [e["amount"] for e in card if e["approved"]]
    ten = [e for e in card if seconds(e["at"]) >= (now - 600) // 10 * 10]
    news = [seconds(e["at"]) for e in before["account_events"]
            if e["account"] == payment["sender"] and e["kind"] == "password_change"]
    mean, spread = statistics.fmean(usual), statistics.stdev(usual)
    return {
        "usual_30d": mean,
        "usual_spread_30d": spread,
        "payments_10m": len(ten),
        "small_10m": sum(e["amount"] < 3 for e in ten),
        "last_country": card[-1]["country"],
        "in_another_country": payment["country"] != card[-1]["country"],
        "amount_zscore": (payment["amount"] - mean) / spread,
        "card_is_tried": sum(e["amount"] < 3 for e in ten) >= 2,
        "after_new_password": bool(news) and now - max(news) < 600,
    }


def lookup(payment):
    return ["payment_risk", *(f"{name}={payment[name]}" for name in
                              ("card", "sender", "receiver", "amount", "country"))]


def demo(arguments, folder):
    before, stolen = scene()
    files = {source: folder / f"{source}.jsonl" for source in before}
    for source, events in before.items():
        files[source].write_text("".join(json.dumps(event) + "\n" for event in events))
    print(f"{len(before['payments']):,} payments with {CARDS:,} cards in {DAYS} days, and {len(before['account_events']):,} account events")
    with Server(arguments.freshet, PROJECT, folder) as server:
        for source in ("account_events", "payments"):
            server.replay(source, files[source])
        ordinary = next(e for e in reversed(before["payments"]) if not e.get("planted") and e["approved"])
        for what, payment in (("An ordinary payment", ordinary), ("The payment of a thief", stolen)):
            print(f"\n{what}: {json.dumps({k: v for k, v in payment.items() if k != 'planted'})}")
            server.show(*lookup(payment))
            compare(server.ask(*lookup(payment)), plain_answer(before, payment))
        print("\nThe same as plain loops over the events find.")

        import freshet  # lies in the build folder

        def ask(client, i):
            payment = before["payments"][-1 - i]
            keys = {k: payment[k] for k in ("card", "sender", "receiver")}
            inputs = {k: payment[k] for k in ("amount", "country")}
            client.get_features("payment_risk", keys, inputs=inputs)

        with freshet.Client(server.grpc, timeout=10) as client:
            p50, p99 = measure(client, ask)
        print(f"1,000 lookups, one at a time from the Python client: p50 {p50:.2f} ms, p99 {p99:.2f} ms\n", flush=True)
        if arguments.once:
            return
        print(f"The server stays up until Ctrl-C. In another terminal:\n\n  ./run freshet get {' '.join(lookup(stolen))} "
              f"--address {server.grpc}\n  ./run freshet explain {' '.join(lookup(stolen))} --address {server.grpc}\n"
              f"  curl -s http://{server.admin}/metrics | grep freshet_\n", flush=True)
        server.wait()


if __name__ == "__main__":
    sys.exit(run(demo, __doc__))
