"""What a bag is, whatever it is stored in."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import zstandard

from avtar_ros.errors import AvtarError


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


class Bag(AbstractContextManager["Bag"]):
    """An open bag. Read it from one thread at a time."""

    path: Path
    topics: dict[str, Topic]
    start_ns: int
    end_ns: int
    broken: str | None = None
    """What is damaged and where, once reading has come upon it."""

    @abstractmethod
    def messages(
        self, topics: Collection[str], start_ns: int | None = None, stop_ns: int | None = None
    ) -> Iterator[BagMessage]:
        """The messages of these topics, in the order recorded. At damage it ends and sets `broken`.

        Only those recorded at or after `start_ns` and before `stop_ns`, where given.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of the files."""

    def __exit__(self, *_: object) -> None:
        self.close()

    def describe_topics(self) -> str:
        """All topics with type and count, one a line, for error messages."""
        return "\n".join(f"  {name}  {t.msgtype}  ({t.count})" for name, t in sorted(self.topics.items()))

    def _break(self, log_ns: int, error: Exception) -> None:
        """Note the damage met after the message recorded at `log_ns`."""
        self.broken = (
            f"{self.path}: damaged {(log_ns - self.start_ns) / 1e9:.3f} s after its start ({error_text(error)}). "
            "It was read up to there; copy or record it again to have the rest."
        )


def plain(raw: bytes) -> bytes:
    """A message's bytes, decompressed where rosbag2 compressed it: bare files do not say so elsewhere."""
    if bytes(raw[:4]) == zstandard.FRAME_HEADER:
        return zstandard.ZstdDecompressor().decompressobj().decompress(raw)
    return raw


def error_text(error: Exception) -> str:
    return str(error).rstrip(".") or type(error).__name__
