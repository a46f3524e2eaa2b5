"""Bags whose recording was cut off: read from the beginning, message after message, up to the break."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from rosbags.typesys import get_types_from_msg
from rosbags.typesys.store import Typestore

from avtar_ros.bags.bag import Bag, BagError, BagMessage, Topic


class StoredMessage(NamedTuple):
    """A message as it lies in the file."""

    topic: str
    msgtype: str
    log_ns: int
    data: bytes


class UnfinishedBag(Bag):
    """A file read without its index; once in advance, to learn which topics there are.

    Raises `unreadable`, the error of opening it by its index, if not one message can be had from it.
    """

    typestore: Typestore

    def __init__(self, path: Path, unreadable: BagError) -> None:
        self.path = path
        self.topics = {}
        self.start_ns, self.end_ns = 2**63 - 1, 0
        for message in self._up_to_the_break():
            topic = self.topics.setdefault(message.topic, Topic(message.msgtype))
            topic.count += 1
            self.start_ns = min(self.start_ns, message.log_ns)
            self.end_ns = max(self.end_ns, message.log_ns)
        if not self.topics:
            raise unreadable

    @abstractmethod
    def stored(self) -> Iterator[StoredMessage]:
        """All messages from the first on; whatever it raises is where the file breaks. Sets `typestore`."""

    @abstractmethod
    def deserialize(self, message: StoredMessage) -> Any:
        """The message's content."""

    def messages(
        self, topics: Collection[str], start_ns: int | None = None, stop_ns: int | None = None
    ) -> Iterator[BagMessage]:
        start_ns = self.start_ns if start_ns is None else start_ns
        stop_ns = self.end_ns + 1 if stop_ns is None else stop_ns
        for message in self._up_to_the_break():
            if message.topic in topics and start_ns <= message.log_ns < stop_ns:
                yield BagMessage(message.topic, message.log_ns, self.deserialize(message))

    def _up_to_the_break(self) -> Iterator[StoredMessage]:
        log_ns = self.start_ns if self.topics else 0
        # What parsers stumble over in a damaged file are errors of any type.
        try:
            for message in self.stored():
                log_ns = message.log_ns
                yield message
        except Exception as error:  # noqa: BLE001
            self._break(log_ns, error)

    def add_type(self, msgtype: str, definition: str) -> None:
        """Make a type known, and those within it; known ones stay as they are."""
        found = get_types_from_msg(definition, msgtype)
        self.typestore.register({k: v for k, v in found.items() if k not in self.typestore.types})

    def close(self) -> None:
        """Nothing stays open between readings."""


class SplitBag(Bag):
    """A recording in several files, of which some are damaged: read one after another, each up to its break.

    `lost` says what is wrong with those of which nothing can be read.
    """

    def __init__(self, path: Path, parts: Sequence[Bag], lost: str | None) -> None:
        self.path = path
        self.broken = lost
        self.topics = {}
        self._parts = sorted(parts, key=lambda part: part.start_ns)
        self._open = ExitStack()
        for part in self._parts:
            self._open.enter_context(part)
            for name, topic in part.topics.items():
                self.topics.setdefault(name, Topic(topic.msgtype)).count += topic.count
        self.start_ns = min(part.start_ns for part in parts)
        self.end_ns = max(part.end_ns for part in parts)

    def messages(
        self, topics: Collection[str], start_ns: int | None = None, stop_ns: int | None = None
    ) -> Iterator[BagMessage]:
        for part in self._parts:
            yield from part.messages(topics, start_ns, stop_ns)
            self.broken = self.broken or part.broken

    def close(self) -> None:
        self._open.close()
