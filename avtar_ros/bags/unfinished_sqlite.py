"""SQLite bags whose file was cut off: the pages at its end are missing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from rosbags.typesys import Stores, get_typestore

from avtar_ros.bags.bag import plain
from avtar_ros.bags.unfinished import StoredMessage, UnfinishedBag


class UnfinishedSqlite(UnfinishedBag):
    """Reads row after row in the order written, without the index by time."""

    def stored(self) -> Iterator[StoredMessage]:
        self.typestore = get_typestore(Stores.LATEST)
        with closing(sqlite3.connect(f"{self.path.absolute().as_uri()}?immutable=1", uri=True)) as database:
            # Without it, SQLite opens no file that is shorter than it once was.
            database.execute("PRAGMA writable_schema = ON")
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if "message_definitions" in tables:
                of_messages = "SELECT topic_type, encoded_message_definition FROM message_definitions"
                for msgtype, definition in database.execute(f"{of_messages} WHERE encoding = 'ros2msg'"):
                    self.add_type(msgtype, definition)
            topics = {number: names for number, *names in database.execute("SELECT id, name, type FROM topics")}
            rows = database.execute("SELECT topic_id, timestamp, data FROM messages NOT INDEXED ORDER BY rowid")
            for number, log_ns, data in rows:
                name, msgtype = topics[number]
                yield StoredMessage(name, msgtype, log_ns, data)

    def deserialize(self, message: StoredMessage) -> Any:
        return self.typestore.deserialize_cdr(plain(message.data), message.msgtype)
