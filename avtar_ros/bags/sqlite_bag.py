"""Bags in one SQLite file: in the order recorded, or where it is damaged row after row, as far as rows can be read."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path

from avtar_ros.bags.bag import Bag, BagError, BagMessage, Topic, unopened
from avtar_ros.bags.names import SQLITE_LOGS
from avtar_ros.bags.types import CDR, MessageTypes
from avtar_ros.bags.unpacking import MOST_BYTES

_LEAST_ROW_BYTES = 4
"""What a row takes in a file; a damaged file that gives more of them than fit leads in a circle."""
_MOST_ROWS_TRIED = 10_000
"""After the last row that can be read."""

Row = tuple[int, int, int, bytes]
"""Number, topic's number, when recorded, message."""


class SqliteBag(Bag):
    """Reads a .db3 file, which is not written to. With a log beside it, a copy of both is made whole and read.

    A file that was cut off is read once in advance, to learn what is left of it.
    """

    def __init__(self, path: Path, file: Path | None = None) -> None:
        """Raises BagError if not one message can be had."""
        super().__init__(path, file)
        self._types = MessageTypes()
        self._names: dict[int, str] = {}
        self._damaged = False
        try:
            self._database = self._connect(self._file)
            self._read_topics()
        except (sqlite3.Error, OSError) as error:
            self.close()
            raise unopened(path, error) from error
        try:
            counts = self._database.execute(
                "SELECT topic_id, COUNT(*), MIN(timestamp), MAX(timestamp) FROM messages GROUP BY topic_id"
            ).fetchall()
        except sqlite3.Error as error:
            self._damaged = True
            told, self.broken = self.broken, str(error)  # until it is known where
            counts = [(topic_id, 1, log_ns, log_ns) for _, topic_id, log_ns, _ in self._rows_left()]
            self.broken = told
        for topic_id, count, first_ns, last_ns in counts:
            if topic_id in self._names:
                self.topics[self._names[topic_id]].count += count
                self.start_ns, self.end_ns = min(self.start_ns, first_ns), max(self.end_ns, last_ns)
        if not any(topic.count for topic in self.topics.values()):
            self.close()
            if self._damaged:
                raise unopened(path, ValueError("not one message can be read"))
            raise BagError(f"{path}: the bag is empty. Record again, with the camera running.")

    def messages(
        self, topics: Collection[str], start_ns: int | None = None, stop_ns: int | None = None
    ) -> Iterator[BagMessage]:
        numbers = [number for number, name in self._names.items() if name in topics]
        start_ns = self.start_ns if start_ns is None else start_ns
        stop_ns = self.end_ns + 1 if stop_ns is None else stop_ns
        for _, topic_id, log_ns, data in self._rows(numbers, start_ns, stop_ns):
            name = self._names[topic_id]
            try:
                message = self._types.read(data, CDR, self.topics[name].msgtype)
            except Exception as error:  # noqa: BLE001, whatever the parser raises of a damaged message
                self._lose(name, log_ns, error)
                continue
            yield BagMessage(name, log_ns, message)

    def _connect(self, path: Path) -> sqlite3.Connection:
        if any(_is_log(path.with_name(path.name + suffix)) for suffix in SQLITE_LOGS):
            try:
                path = self._made_whole(path)
            except sqlite3.Error as error:
                self.broken = f"{path}: the log beside it cannot be used ({error}). The file itself was read."
        address = f"{path.absolute().as_uri()}?immutable=1"
        database = sqlite3.connect(address, uri=True, check_same_thread=False)
        self._closing.enter_context(closing(database))
        if hasattr(database, "setlimit"):  # from Python 3.11 on
            database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST_BYTES)
        # Without it, SQLite opens no file that is shorter than it once was.
        database.execute("PRAGMA writable_schema = ON")
        return database

    def _made_whole(self, path: Path) -> Path:
        """A copy of the file into which SQLite has taken what its logs hold."""
        folder = Path(self._closing.enter_context(tempfile.TemporaryDirectory(prefix="avtar-")))
        for suffix in ("", *SQLITE_LOGS):
            if (file := path.with_name(path.name + suffix)).exists():
                shutil.copyfile(file, folder / file.name)
        with closing(sqlite3.connect(folder / path.name)) as database:
            database.execute("PRAGMA journal_mode = DELETE").fetchall()
            database.execute("SELECT COUNT(*) FROM sqlite_master").fetchall()
        self.notes.append(
            f"{path}: its recording was not ended. What is in the log beside it was read as well, from a copy of both."
        )
        return folder / path.name

    def _read_topics(self) -> None:
        tables = {
            name
            for name, sql in self._database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'")
            if str(sql).lstrip().upper().startswith("CREATE TABLE")
        }
        if missing := {"topics", "messages"} - tables:  # views and virtual tables could go on for ever
            raise sqlite3.DatabaseError(f"it has no table {' and '.join(sorted(missing))}")
        if "message_definitions" in tables:
            of_messages = "SELECT topic_type, encoding, encoded_message_definition FROM message_definitions"
            for msgtype, form, definition in self._database.execute(of_messages):
                self._types.add(msgtype, form, definition)
        of_topics = "SELECT id, name, type, serialization_format FROM topics"
        for number, name, msgtype, encoding in self._database.execute(of_topics):
            if encoding == CDR:
                self._names[number] = name
                self.topics.setdefault(name, Topic(msgtype))
            else:
                self.topics.setdefault(name, Topic(f"{msgtype} in {encoding}"))

    def _rows(self, topic_ids: Collection[int], start_ns: int, stop_ns: int) -> Iterator[Row]:
        """The rows of these topics in the order recorded, or from a damaged place on in that in which they lie."""
        if not self._damaged:
            last_ns, at_last = start_ns, set[int]()
            marks = ", ".join("?" * len(topic_ids))
            query = (
                f"SELECT id, topic_id, timestamp, data FROM messages WHERE topic_id IN ({marks}) AND timestamp >= ? "
                "AND timestamp < ? ORDER BY timestamp, id"
            )
            try:
                for row in self._database.execute(query, (*topic_ids, start_ns, stop_ns)):
                    at_last = at_last | {row[0]} if row[2] == last_ns else {row[0]}
                    last_ns = row[2]
                    yield row
                return
            except sqlite3.Error:
                start_ns = last_ns
        else:
            at_last = set()
        for row in self._rows_left():
            if row[1] in topic_ids and start_ns <= row[2] < stop_ns and row[0] not in at_last:
                yield row

    def _rows_left(self) -> Iterator[Row]:
        """All rows that can be read, in the order written. What cannot is noted."""
        number, log_ns = 0, self.start_ns if self.end_ns else 0
        query = "SELECT id, topic_id, timestamp, data FROM messages NOT INDEXED WHERE id >= ? ORDER BY id"
        missed = 0
        left = self._file.stat().st_size // _LEAST_ROW_BYTES
        while missed <= _MOST_ROWS_TRIED and left > 0:
            try:
                for row in self._database.execute(query, (number + 1,)):
                    left -= 1
                    if left <= 0:
                        break
                    if not isinstance(row[0], int) or row[0] <= number:
                        continue
                    missed = 0
                    number, log_ns = row[0], row[2]
                    yield row
                else:
                    return
            except sqlite3.Error as error:
                self._note_damage(log_ns, error, "What could be read elsewhere was")
            number, missed = number + 1, missed + 1


def _is_log(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0
