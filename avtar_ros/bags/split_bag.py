"""Recordings in several files."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from avtar_ros.bags.bag import Bag, BagMessage, Loss, Topic


class SplitBag(Bag):
    """Files that are read one after another, in the order of their first messages.

    `lost` says what is wrong with those of which nothing can be read.
    """

    def __init__(self, path: Path, parts: Sequence[Bag], lost: Sequence[str] = ()) -> None:
        super().__init__(path)
        self._lost = "\n".join(lost) or None
        self._parts = sorted(parts, key=lambda part: part.start_ns)
        for part in self._parts:
            self._closing.enter_context(part)
            for name, topic in part.topics.items():
                self.topics.setdefault(name, Topic(topic.msgtype)).count += topic.count
        self.start_ns = min(part.start_ns for part in parts)
        self.end_ns = max(part.end_ns for part in parts)
        self._gather()

    def messages(
        self, topics: Collection[str], start_ns: int | None = None, stop_ns: int | None = None
    ) -> Iterator[BagMessage]:
        for part in self._parts:
            early = start_ns is not None and part.end_ns < start_ns
            late = stop_ns is not None and part.start_ns >= stop_ns
            if early or late:
                continue
            try:
                yield from part.messages(topics, start_ns, stop_ns)
            finally:
                self._gather()

    def _gather(self) -> None:
        """Take over what was found wrong with the parts."""
        self.broken = "\n".join(broken for broken in (self._lost, *(p.broken for p in self._parts)) if broken) or None
        self.notes += [note for part in self._parts for note in part.notes if note not in self.notes]
        self.losses = {}
        for part in self._parts:
            for name, loss in part.losses.items():
                self.losses.setdefault(name, Loss(loss.reason)).at_ns.update(loss.at_ns)
