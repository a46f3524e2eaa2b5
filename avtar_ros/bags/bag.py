"""What a bag is, whatever it is stored in."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import zstandard

from avtar_ros.bags.unpacking import unpack_zstd
from avtar_ros.errors import AvtarError
from avtar_ros.terminal.names import printable


class BagError(AvtarError):
    """A bag that cannot be read, or lacks what was asked for."""


@dataclass
class Topic:
    """A topic as recorded; `msgtype` in the form "sensor_msgs/msg/Image", also for ROS 1."""

    msgtype: str
    count: int = 0


class BagMessage(NamedTuple):
    """`log_ns`: when it was recorded; when it was taken says its header."""

    topic: str
    log_ns: int
    message: Any


@dataclass
class Loss:
    """Messages of a topic that could not be read: when each was recorded, and why the first of them."""

    reason: str
    at_ns: set[int] = field(default_factory=set)


class Bag(AbstractContextManager["Bag"]):
    """An open bag. Read it from one thread at a time; several readings of it may be under way."""

    path: Path
    topics: dict[str, Topic]
    start_ns: int
    end_ns: int
    broken: str | None
    """What is damaged and where, as far as reading has come upon it."""
    notes: list[str]
    """What else there is to say of how it is read."""
    losses: dict[str, Loss]
    """By topic, the messages that were there and could not be read, as far as reading has come upon them."""

    def __init__(self, path: Path, file: Path | None = None) -> None:
        """`path` is what the bag is called; `file` what is read, where that is a copy of it."""
        self.path = path
        self._file = file or path
        self._closing = ExitStack()
        self.topics = {}
        self.start_ns, self.end_ns = 2**63 - 1, 0
        self.broken = None
        self.notes = []
        self.losses = {}

    @abstractmethod
    def messages(
        self, topics: Collection[str], start_ns: int | None = None, stop_ns: int | None = None
    ) -> Iterator[BagMessage]:
        """The messages of these topics, in the order recorded. What is damaged is left out, and noted.

        Only those recorded at or after `start_ns` and before `stop_ns`, where given.
        """

    def on_close(self, call: Callable[[], None]) -> None:
        """Have something done when the bag is closed."""
        self._closing.callback(call)

    def close(self) -> None:
        """Let go of the files."""
        self._closing.close()

    def __exit__(self, *_: object) -> None:
        self.close()

    def describe_topics(self) -> str:
        """All topics with type and count, one a line, for error messages."""
        topics = sorted(self.topics.items())
        return "\n".join(f"  {printable(name)}  {printable(t.msgtype)}  ({t.count})" for name, t in topics)

    def describe_losses(self) -> list[str]:
        """What could not be read, a sentence for each topic."""
        return [
            f"{len(loss.at_ns)} of the {self.topics[name].count} messages of {printable(name)} could not be read. "
            f"The first was recorded {self.seconds(min(loss.at_ns)):.3f} s after the bag's start: {loss.reason}."
            for name, loss in sorted(self.losses.items())
        ]

    def told(self) -> list[str]:
        """All that there is to say of how it was read, a sentence each."""
        return [*([self.broken] if self.broken else []), *self.notes, *self.describe_losses()]

    def seconds(self, log_ns: int) -> float:
        """How long after the bag's start something was recorded."""
        return (log_ns - self.start_ns) / 1e9

    def _lose(self, topic: str, log_ns: int, error: Exception) -> None:
        """Note that a message cannot be read."""
        self.losses.setdefault(topic, Loss(error_text(error))).at_ns.add(log_ns)

    def _break(self, log_ns: int, error: Exception) -> None:
        """Note the damage met after the message recorded at `log_ns`, which ends the reading."""
        self._note_damage(log_ns, error, "It was read up to there")

    def _note_damage(self, log_ns: int, error: Exception, what_was_read: str) -> None:
        """Note the first damage, or that there is more of it."""
        where = f"{self.seconds(log_ns):.3f} s after" if log_ns >= self.start_ns else "at"
        self.broken = self.broken or (
            f"{self.path}: damaged {where} its start ({error_text(error)}). "
            f"{what_was_read}; copy or record it again to have the rest."
        )


def plain(raw: bytes | memoryview) -> bytes | memoryview:
    """A message's bytes, decompressed where rosbag2 compressed it: bare files do not say so elsewhere."""
    if bytes(raw[:4]) == zstandard.FRAME_HEADER:
        return unpack_zstd(raw)
    return raw


def unopened(path: Path, error: Exception) -> BagError:
    """What to say of a file that cannot be opened."""
    return BagError(
        f"{path}: cannot be opened as a bag ({error_text(error)}). If its recording was cut off, "
        "`ros2 bag reindex`, or `rosbag reindex` for ROS 1, helps. Otherwise copy or record it again."
    )


def error_text(error: Exception) -> str:
    return str(error).rstrip(".") or type(error).__name__
