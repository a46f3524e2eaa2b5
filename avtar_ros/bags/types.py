"""Message types out of a recording, and messages made of their bytes."""

from __future__ import annotations

from typing import Any

from rosbags.interfaces.typing import Typesdict
from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore
from rosbags.typesys.msg import normalize_msgtype

from avtar_ros.bags.bag import plain

CDR, ROS1 = "cdr", "ros1"
_IDL_SECTION = "=" * 80 + "\n"


def normal_type(name: str) -> str:
    """A type's name in the form "sensor_msgs/msg/Image", also for ROS 1."""
    return str(normalize_msgtype(name))


class MessageTypes:
    """The types known: of ROS 2 all common ones and those defined in the recording, of ROS 1 the latter."""

    def __init__(self) -> None:
        self._stores = {CDR: get_typestore(Stores.LATEST), ROS1: get_typestore(Stores.EMPTY)}

    def add(self, msgtype: str, form: str, definition: str) -> None:
        """Make a type known, and those within it; `form` is "ros2msg", "ros2idl" or "ros1msg".

        Known ones stay as they are, and nothing is said of a definition that cannot be understood: most often nobody
        reads that topic, and a message of it is refused.
        """
        store = self._stores[ROS1 if form == "ros1msg" else CDR]
        try:
            found: Typesdict = {}
            if form == "ros2idl":
                for section in definition.split(_IDL_SECTION):
                    found |= get_types_from_idl(section.partition("\n")[2] if section.startswith("IDL: ") else section)
            else:
                found = get_types_from_msg(definition, normalize_msgtype(msgtype))
            store.register({name: fields for name, fields in found.items() if name not in store.types})
        except Exception:  # noqa: BLE001, whatever a parser raises
            return

    def read(self, data: bytes | memoryview, encoding: str, msgtype: str) -> Any:
        """The message whose bytes are in `encoding`; whatever the parser raises where they are damaged."""
        store = self._stores[encoding]
        if msgtype not in store.types:
            raise ValueError(f"the type {msgtype} is not defined in the recording")
        raw = plain(data)
        return store.deserialize_cdr(raw, msgtype) if encoding == CDR else store.deserialize_ros1(raw, msgtype)
