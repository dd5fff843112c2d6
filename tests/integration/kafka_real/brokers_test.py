#!/usr/bin/python3
"""Two servers on one topic while the broker is restarted, killed and stopped: nothing is lost, nothing counts twice, and both answer
the same. brokers_test.py PROGRAM KAFKA_TOOL [--rounds N] [--seed S]"""

import argparse
import pathlib
import random
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support/kafka"))
from real_log import Reader, RealLog, Sums, required

PARTITIONS = 4
CARDS = 500


class Load:
    """A producer that goes on all the while, in a thread of its own, whatever the broker does."""

    def __init__(self, log, topic, seed):
        self.producer = log.producer(topic)
        self.random = random.Random(seed)
        self.sums = Sums()
        self.sent = 0
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        while not self.stopping.is_set():
            for _ in range(100):
                card = self.random.randrange(CARDS)
                self.producer.send(card % PARTITIONS, f"card-{card}", self.random.randrange(1000), sums=self.sums)
            self.producer.process.stdin.flush()
            self.sent += 100
            self.stopping.wait(0.02)  # 5,000 a second

    def end(self):
        self.stopping.set()
        self.thread.join()
        self.producer.do("flush")
        self.producer.close()


def restart(broker, _):
    broker.stop()
    broker.start()


def kill(broker, _):
    broker.kill()
    broker.start()


def stand_still(broker, seconds):
    broker.pause()
    time.sleep(seconds)
    broker.resume()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program")
    parser.add_argument("tool")
    parser.add_argument("--rounds", type=int, default=3, help="faults, one after the other; the first three are one of each kind")
    parser.add_argument("--seed", type=int, default=20261129)
    asked = parser.parse_args()
    required()
    print(f"seed {asked.seed}", flush=True)
    choice = random.Random(asked.seed)
    faults = [restart, kill, stand_still]
    log = RealLog(asked.tool)
    readers = []
    try:
        topic = log.topic(PARTITIONS)
        readers = [Reader(asked.program, log, topic) for _ in range(2)]
        load = Load(log, topic, asked.seed)
        try:
            for reader in readers:
                reader.start(ready=False)
            for number in range(asked.rounds):
                fault = faults[number] if number < len(faults) else choice.choice(faults)
                seconds = 4.0 if number < len(faults) else choice.uniform(0.2, 12)
                time.sleep(choice.uniform(0.3, 1.0))
                before = load.sent
                fault(log.broker, seconds)
                # A server that is killed meanwhile, too, goes on from what it has stored.
                victim = readers[number % 2]
                victim.kill()
                victim.start(ready=False)
                print(f"round {number}: {fault.__name__}, {load.sent - before} events sent meanwhile", flush=True)
        finally:
            load.end()
        wrong = 0
        cards = [f"card-{card}" for card in range(CARDS)]
        expected = load.sums.answers()
        for number, reader in enumerate(readers):
            reader.wait_for_fence(range(PARTITIONS), seconds=120)
            answers = reader.answers(cards)
            for card in cards:
                if answers.get(card) != expected.get(card):
                    wrong += 1
                    print(f"server {number}, {card}: {answers.get(card)}, expected {expected.get(card)}")
        one, other = (reader.answers(cards) for reader in readers)
        wrong += one != other
        print(f"{load.sent} events, {asked.rounds} faults, {len(readers)} servers, {len(cards)} cards each: {wrong} wrong")
        return 0 if wrong == 0 and load.sent > 0 else 1
    finally:
        for reader in readers:
            reader.close()
        log.broker.close()


if __name__ == "__main__":
    sys.exit(main())
