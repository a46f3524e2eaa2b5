"""Bags whose recording was ended properly."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from rosbags.highlevel import AnyReader
from rosbags.typesys import Stores, get_typestore

from avtar_ros.bags.bag import Bag, BagError, BagMessage, Topic, error_text, plain


class IndexedBag(Bag):
    """A bag with its index in place, which is every bag whose recording was ended properly."""

    def __init__(self, path: Path, files: list[Path]) -> None:
        self.path = path
        # The parsers let through whatever they stumble over in a damaged file, errors of any type.
        try:
            self._reader = AnyReader(files, default_typestore=get_typestore(Stores.LATEST))
            self._reader.open()
        except Exception as error:
            raise BagError(
                f"{path}: cannot be opened as a bag ({error_text(error)}). If its recording was cut off, "
                "`ros2 bag reindex`, or `rosbag reindex` for ROS 1, helps. Otherwise copy or record it again."
            ) from error
        self.topics = {
            name: Topic(info.msgtype or "several types", info.msgcount)
            for name, info in self._reader.topics.items()
        }
        if not self._reader.message_count:
            self.close()
            raise BagError(f"{path}: the bag is empty. Record again, with the camera running.")
        self.start_ns, self.end_ns = self._reader.start_time, self._reader.end_time

    def messages(
        self, topics: Collection[str], start_ns: int | None = None, stop_ns: int | None = None
    ) -> Iterator[BagMessage]:
        connections = [connection for connection in self._reader.connections if connection.topic in topics]
        if not connections:  # rosbags would take none for all
            return
        log_ns = self.start_ns
        # Here too, an error of any type is where the bag breaks.
        try:
            for connection, log_ns, raw in self._reader.messages(connections, start_ns, stop_ns):
                message = self._reader.deserialize(plain(raw), connection.msgtype)
                yield BagMessage(connection.topic, log_ns, message)
        except Exception as error:  # noqa: BLE001
            self._break(log_ns, error)

    def close(self) -> None:
        self._reader.close()
