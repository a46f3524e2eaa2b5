"""The parts of the attack that need processes: one live node, and replays that are killed."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from mcap.reader import make_reader
from sensor_msgs.msg import Image

from tests.attack.campaign import Outcome
from tests.avtar_ros.node.test_hostile_input import ask
from tests.node_client import NODE, connect, counts, image, numbers, picture, set_parameters, settled
from tests.ros_processes import Client, RosProcess
from tests.tiny_bags import write_truth_bag
from tests.tiny_models import write_tiny_model

CYCLE = (
    Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP, Transition.TRANSITION_CONFIGURE,
    Transition.TRANSITION_ACTIVATE,
)
KILL_FRAMES = 120
FULL = {
    "bad frames": 2000, "requests": 500, "lifecycle cycles": 200, "engine swaps": 100, "soak, s": 3600, "kills": 100,
}
"""Of each part; of requests so many rounds, each of one to every service."""
WARMING_UP = 0.1
"""The share of all live parts that a node has behind it before its memory is watched."""


class Attacked:
    """A node with a camera whose maps are received, and what it is like now."""

    def __init__(self, client: Client, node: RosProcess, folder: Path) -> None:
        self.client, self.node, self.folder = client, node, folder
        self.raw = client.inbox(Image, "camera/depth/image")
        self.images = connect(client, self.raw)
        self._number = 0

    @property
    def peak_mb(self) -> float:
        status = Path(f"/proc/{self.node._process.pid}/status").read_text()
        return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))

    def served(self) -> float:
        """Seconds until a good frame has its map, sent again while none comes; fails after a minute."""
        begin = time.monotonic()
        self._number += 1
        number = 1_000_000 + self._number

        def came() -> bool:
            self.images.publish(image(picture(), number))
            self.client.spin(0.02)
            return number in numbers(self.raw)

        self.client.wait_until(came, "the map of a good frame")
        self.raw.clear()
        return time.monotonic() - begin


def bad_frame(rng: random.Random) -> Image:
    message = image(picture(), 1)
    message.header.frame_id = rng.choice(["lens", "", "x" * 1000, "\x1b[31m"])
    message.header.stamp.sec = rng.choice([0, -1, -(2**31), 2**31 - 1, 1_700_000_000])
    message.width = rng.choice([96, 0, 1, 2**32 - 1, 95])
    message.height = rng.choice([72, 0, 1, 2**32 - 1, 20_000])
    message.step = rng.choice([288, 0, 1, 2**32 - 1])
    message.encoding = rng.choice(["rgb8", "", "32FC1", "bayer_rggb8", "nv12", "x" * 1000, "mono16"])
    if rng.random() < 0.5:
        message.data = message.data[: rng.choice([0, 1, 1000])]
    return message


def bad_frames(attacked: Attacked, rng: random.Random, count: int, outcome: Outcome) -> None:
    for _ in range(count):
        attacked.images.publish(bad_frame(rng))
        outcome.tried += 1
        if outcome.tried % 10 == 0:
            outcome.longest_s = max(outcome.longest_s, attacked.served())
    attacked.client.wait_until(lambda: settled(counts(attacked.client)), "every frame to be counted")


def many_requests(attacked: Attacked, rng: random.Random, count: int, outcome: Outcome) -> None:
    for _ in range(count):
        begin = time.monotonic()
        outcome.tried += ask(attacked.client, rng.randrange(2**30), 1)
        outcome.longest_s = max(outcome.longest_s, time.monotonic() - begin)
    set_parameters(attacked.client, max_rate=[0.0], max_age=0.0, tasks=["all"], map_size="camera", use_sim_time=False)
    attacked.served()


def cycles(attacked: Attacked, rng: random.Random, count: int, outcome: Outcome) -> None:
    for _ in range(count):
        for number in CYCLE:
            request = ChangeState.Request(transition=Transition(id=number))
            answer = attacked.client.call(ChangeState, f"{NODE}/change_state", request)
            assert answer.success, f"transition {number} failed"
        outcome.tried += 1
        outcome.longest_s = max(outcome.longest_s, attacked.served())


def swaps(attacked: Attacked, rng: random.Random, count: int, outcome: Outcome) -> None:
    for number in range(count):
        model = attacked.folder / f"{'ab'[number % 2]}.onnx"
        assert set_parameters(attacked.client, model=str(model)) == []
        outcome.tried += 1
        outcome.longest_s = max(outcome.longest_s, attacked.served())


def soak(attacked: Attacked, rng: random.Random, seconds: int, outcome: Outcome) -> None:
    """Frames at 30 a second, in the middle third as many as can be sent, with bad ones among them."""
    begin, before = time.monotonic(), counts(attacked.client)
    newest, stalled_since = 0, begin
    while (now := time.monotonic()) - begin < seconds:
        outcome.tried += 1
        attacked.images.publish(bad_frame(rng) if rng.random() < 0.02 else image(picture(), outcome.tried % 10**9))
        overload = seconds / 3 < now - begin < 2 * seconds / 3
        attacked.client.spin(0.001 if overload else 1 / 30)
        if attacked.raw:
            newest, stalled_since = numbers(attacked.raw)[-1], now
            attacked.raw.clear()
        outcome.longest_s = max(outcome.longest_s, now - stalled_since)
    assert newest
    attacked.client.wait_until(lambda: settled(counts(attacked.client)), "every frame to be counted")
    after = counts(attacked.client)
    assert after["failed"] == before["failed"], "frames failed"


Attack = Callable[[Attacked, random.Random, int, Outcome], None]
LIVE: dict[str, Attack] = {
    "bad frames": bad_frames, "requests": many_requests, "lifecycle cycles": cycles, "engine swaps": swaps,
    "soak, s": soak,
}


@contextmanager
def attacked_node(folder: Path) -> Iterator[Attacked]:
    for name in "ab":
        write_tiny_model(folder / f"{name}.onnx", name=name)
    settings: dict[str, object] = {"model": folder / "a.onnx", "threads": 1, "reliability": "reliable"}
    with Client() as client, RosProcess("avtar_ros.node.multitask_node", folder / "log", settings) as node:
        yield Attacked(client, node, folder)


def run_live(scale: float, folder: Path, seed: int = 1) -> Iterator[Outcome]:
    """All live parts on one node, which must serve good frames to the end; memory is how much the node has grown.

    First comes a little of each, in a row of its own: what a node takes when it first does something, such as a swap,
    is not what it goes on taking.
    """
    with attacked_node(folder) as attacked:
        for _ in range(50):
            attacked.served()
        yield _watched(attacked, "a tenth of what follows", LIVE, scale * WARMING_UP, seed + 1)
        for name, attack in LIVE.items():
            if attacked.node.running:
                yield _watched(attacked, name, {name: attack}, scale, seed)


def _watched(attacked: Attacked, part: str, attacks: dict[str, Attack], scale: float, seed: int) -> Outcome:
    outcome, before = Outcome(part, seed), attacked.node.memory
    try:
        for name, attack in attacks.items():
            attack(attacked, random.Random(seed), max(2, round(FULL[name] * scale)), outcome)
        assert attacked.node.running, "the node has ended"
    except AssertionError as error:
        outcome.failed += 1
        outcome.faults.append(f"{error}\n{attacked.node.output[-2000:]}")
    outcome.peak_mb = (attacked.node.memory - before) / 2**20
    return outcome


def run_kills(scale: float, folder: Path, seed: int = 1) -> Outcome:
    """Replays killed at any time and started again: in the end, the same maps as of one that nobody killed."""
    rng, outcome = random.Random(seed), Outcome("kills", seed)
    model, bag = folder / "m.onnx", write_truth_bag(folder / "bag.mcap", KILL_FRAMES, 320, 240)
    write_tiny_model(model)

    def replay(out: Path) -> subprocess.Popen[bytes]:
        words = [bag, "--out", out, "--model", model, "--threads", "1"]
        command = [sys.executable, "-m", "avtar_ros.replay.cli", *map(str, words)]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    begin = time.monotonic()
    assert replay(folder / "whole").wait() == 0
    took, expected = time.monotonic() - begin, messages(folder / "whole/output.mcap")
    left, run = max(1, round(FULL["kills"] * scale)), 0
    while left > 0:
        out, run = folder / f"out{run}", run + 1
        for _ in range(min(left, 3)):
            process = replay(out)
            time.sleep(rng.uniform(0.2, took))
            process.send_signal(signal.SIGKILL)
            process.wait()
            left, outcome.tried = left - 1, outcome.tried + 1
        if replay(out).wait() or messages(out / "output.mcap") != expected:
            outcome.failed += 1
            outcome.faults.append(f"{out}: other maps than of a run that nobody killed")
    return outcome


def messages(path: Path) -> list[tuple[str, int, bytes]]:
    with path.open("rb") as file:
        return [(c.topic, m.log_time, m.data) for _, c, m in make_reader(file).iter_messages(log_time_order=False)]

