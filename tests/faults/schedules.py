"""Schedules of faults: drawn from a seed, carried out while events are produced and applied, then everything is healed and compared."""

import random
import signal
import subprocess
import time

import load


class MockBroker:
    """librdkafka's mock cluster, three brokers in one process that takes faults by its standard input (mock_broker_with_faults.cc)."""

    def __init__(self, program, partitions):
        self.process = subprocess.Popen([str(program), load.TOPIC, str(partitions)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.address = self.process.stdout.readline().strip()
        self.partitions = partitions

    def tell(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if answer != "ok":
            raise RuntimeError(f"the mock broker says {answer!r} to {words}")

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def heal(self):
        self.resume()
        self.tell("heal")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.resume()
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


# A fault is a function of (broker, subject, rng) that does one thing and leaves it so for as long as it draws. What it says is printed
# where a schedule fails. Errors that stop a source by design (an offset out of range, a topic made anew) are not among them.

# Of Kafka's protocol: what a broker may answer to anybody at any time, and what is expected to be tried again.
REQUESTS = {"fetch": 1, "list_offsets": 2, "metadata": 3}
ERRORS = {"not_leader": 6, "timed_out": 7, "broker_not_available": 8, "replica_not_available": 9, "storage": 56,
          "leader_not_available": 5, "unknown_server_error": -1, "disconnect": -195}


def mock_errors(broker, subject, rng):
    request = rng.choice(list(REQUESTS))
    errors = [rng.choice(list(ERRORS)) for _ in range(rng.randint(1, 8))]
    broker.tell("errors", REQUESTS[request], *(ERRORS[error] for error in errors))
    return f"{request} answered with {' '.join(errors)}"


def mock_disconnects(broker, subject, rng):
    count = rng.randint(1, 5)
    for request in REQUESTS.values():
        broker.tell("errors", request, *[ERRORS["disconnect"]] * count)
    return f"{count} disconnects at each kind of request"


def mock_slow(broker, subject, rng):
    milliseconds = rng.choice((50, 200, 700, 1500))
    chosen = rng.sample((1, 2, 3), rng.randint(1, 3))
    for one in chosen:
        broker.tell("rtt", one, milliseconds)
    time.sleep(rng.uniform(0.2, 2.0))
    for one in chosen:
        broker.tell("rtt", one, 0)
    return f"brokers {chosen} slow by {milliseconds} ms for a while"


def mock_down(broker, subject, rng):
    chosen = rng.sample((1, 2, 3), rng.choice((1, 1, 2, 3)))
    for one in chosen:
        broker.tell("down", one)
    time.sleep(rng.uniform(0.05, 1.5))
    for one in chosen:
        broker.tell("up", one)
    return f"brokers {chosen} down for a while"


def mock_leaders(broker, subject, rng):
    moves = {p: rng.choice((1, 2, 3)) for p in range(broker.partitions) if rng.random() < 0.7}
    for partition, leader in moves.items():
        broker.tell("leader", partition, leader)
    return f"leaders moved: {moves}"


def mock_paused(broker, subject, rng):
    broker.pause()
    time.sleep(rng.choice((0.1, 0.5, 2.5)))
    broker.resume()
    return "all brokers stopped by SIGSTOP for a while"


def server_paused(broker, subject, rng):
    subject.pause()
    time.sleep(rng.choice((0.1, 0.5, 2.5)))
    subject.resume()
    return "the server stopped by SIGSTOP for a while"


def server_killed(broker, subject, rng):
    subject.kill()
    subject.start_server()
    return "the server killed"


def server_stopped(broker, subject, rng):
    subject.stop_server()
    subject.start_server()
    return "the server stopped in order, and started"


def real_stopped(broker, subject, rng):
    broker.stop()
    time.sleep(rng.uniform(0, 2))
    broker.start()
    return "the broker stopped in order, and started"


def real_killed(broker, subject, rng):
    broker.kill()
    time.sleep(rng.uniform(0, 2))
    broker.start()
    return "the broker killed, and started"


def real_paused(broker, subject, rng):
    seconds = rng.choice((0.5, 2, 6))
    broker.pause()
    time.sleep(seconds)
    broker.resume()
    return f"the broker stopped by SIGSTOP for {seconds} s"


SERVER_FAULTS = {"server_stop": server_paused, "server_kill": server_killed, "server_restart": server_stopped}
MOCK_FAULTS = {"errors": mock_errors, "disconnects": mock_disconnects, "slow": mock_slow, "down": mock_down,
               "leaders": mock_leaders, "stop": mock_paused, **SERVER_FAULTS}
REAL_FAULTS = {"restart": real_stopped, "kill": real_killed, "stop": real_paused, **SERVER_FAULTS}

# Consumers give a request up after this long: by default only after a minute, which no schedule waits for.
TIMEOUTS_MS = (1000, 3000, 60000)


def draw(seed, faults, kinds=None):
    """The schedule: client's time-out, and steps of a wait and a fault with a seed of its own."""
    rng = random.Random(seed)
    names = kinds.split(",") if kinds else list(faults)
    unknown = [name for name in names if name not in faults]
    if unknown:
        raise SystemExit(f"there is no fault {', '.join(unknown)}; there are {', '.join(faults)}")
    steps = [(rng.uniform(0.1, 0.6), rng.choice(names), rng.randrange(1 << 32)) for _ in range(rng.randint(2, 5))]
    return rng.choice(TIMEOUTS_MS), steps


def carry_out(steps, faults, broker, subject):
    """While the producer goes on. Returns what was done."""
    said = []
    for wait, name, seed in steps:
        time.sleep(wait)
        said.append(faults[name](broker, subject, random.Random(seed)))
        subject.check_alive()
    return "; ".join(said)
