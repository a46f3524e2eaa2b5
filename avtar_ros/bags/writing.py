"""Writing bags: one MCAP file that Foxglove, RViz and `ros2 bag` open as it is.

    with BagWriter(Path("output.mcap")) as bag:
        bag.write_image("/avtar/depth", stamp_ns, "camera_optical", depth, "32FC1")

The file grows as "output.mcap.partial", readable up to its last complete chunk whatever happens, and takes
its name when it is complete.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from mcap.records import Channel, Schema
from numpy.typing import NDArray
from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, get_typestore

from avtar_ros.bags.mcap_chunk import OpenChunk
from avtar_ros.bags.mcap_file import MAKER, McapFile
from avtar_ros.disk.files import partial_name
from avtar_ros.disk.locks import hold
from avtar_ros.imaging.images import to_message_fields

IMAGE = "sensor_msgs/msg/Image"
TEXT = "std_msgs/msg/String"
COMPRESSED_IMAGE = "sensor_msgs/msg/CompressedImage"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
CHUNK_BYTES = 2**20
"""How large a chunk becomes before it is written."""


class BagWriter(AbstractContextManager["BagWriter"]):
    """A bag being written. After an error within the `with`, what was written is kept, complete, as well.

    Only where the file itself fails, by OSError, it does not take its name.
    """

    def __init__(self, path: Path, kept: int = 0, maker: str = MAKER) -> None:
        """Begin the bag that will be at `path`, whose folder must exist; raises OSError, and BusyError where another
        process writes it.

        To continue one that was not completed, give how many bytes of it to keep, which a call of `flush` ended.
        """
        self.path = path
        self._partial = partial_name(path)
        self._file = hold(self._partial, str(path))
        if not kept:
            self._file.truncate()
        self._mcap = McapFile(self._file, kept, maker)
        self._chunk = OpenChunk()
        self._types = get_typestore(Stores.LATEST)
        self._schemas = {schema.name: schema.id for schema in self._mcap.schemas.values()}
        self._channels = {channel.topic: channel.id for channel in self._mcap.channels.values()}

    def declare(self, topic: str, msgtype: str) -> None:
        """Say in advance that there is a topic; a topic keeps the type it first had."""
        if topic in self._channels:
            return
        if msgtype not in self._schemas:
            definition, _ = self._types.generate_msgdef(msgtype, ros_version=2)
            number = self._schemas[msgtype] = len(self._schemas) + 1
            schema = self._mcap.schemas[number] = Schema(number, definition.encode(), "ros2msg", msgtype)
            self._chunk.add_record(schema)
        number = self._channels[topic] = len(self._channels) + 1
        channel = self._mcap.channels[number] = Channel(number, topic, "cdr", {}, self._schemas[msgtype])
        self._chunk.add_record(channel)

    def write(self, topic: str, log_ns: int, msgtype: str, cdr: bytes | memoryview) -> None:
        """Write a serialised message, which must not change afterwards; a topic keeps the type it first had."""
        self.declare(topic, msgtype)
        self._chunk.add_message(self._channels[topic], log_ns, cdr)
        if self._chunk.size > CHUNK_BYTES:
            self.flush()

    def write_image(
        self, topic: str, stamp_ns: int, frame_id: str, array: NDArray[Any], encoding: str
    ) -> None:
        """Write (H, W) or (H, W, channels) as sensor_msgs/Image of the type that `encoding` names."""
        fields = to_message_fields(array, encoding)
        message = self._message(IMAGE)(
            header=self._header(stamp_ns, frame_id),
            height=fields.height,
            width=fields.width,
            encoding=fields.encoding,
            is_bigendian=fields.is_bigendian,
            step=fields.step,
            data=fields.data,
        )
        self._write(topic, stamp_ns, IMAGE, message)

    def write_compressed(
        self, topic: str, stamp_ns: int, frame_id: str, image_format: str, data: bytes
    ) -> None:
        """Write the bytes of a "jpeg" or "png" file as sensor_msgs/CompressedImage."""
        header = self._header(stamp_ns, frame_id)
        message = self._message(COMPRESSED_IMAGE)(
            header=header, format=image_format, data=np.frombuffer(data, np.uint8)
        )
        self._write(topic, stamp_ns, COMPRESSED_IMAGE, message)

    def write_camera_info(
        self, topic: str, stamp_ns: int, frame_id: str, width: int, height: int, k: NDArray[np.float64]
    ) -> None:
        """Write the CameraInfo of an undistorted camera with intrinsics `k`, (3, 3), in pixels."""
        message = self._message(CAMERA_INFO)(
            header=self._header(stamp_ns, frame_id),
            height=height,
            width=width,
            distortion_model="plumb_bob",
            d=np.zeros(5),
            k=k.astype(np.float64).ravel(),
            r=np.eye(3).ravel(),
            p=np.hstack([k.astype(np.float64), np.zeros((3, 1))]).ravel(),
            binning_x=0,
            binning_y=0,
            roi=self._message("sensor_msgs/msg/RegionOfInterest")(0, 0, 0, 0, False),
        )
        self._write(topic, stamp_ns, CAMERA_INFO, message)

    def write_text(self, topic: str, stamp_ns: int, text: str) -> None:
        """Write std_msgs/String."""
        self._write(topic, stamp_ns, TEXT, self._message(TEXT)(data=text))

    def write_message(self, topic: str, log_ns: int, msgtype: str, message: Any) -> None:
        """Write a message that came out of a bag, of ROS 2 or of ROS 1, as ROS 2's type of that name."""
        self._write(topic, log_ns, msgtype, self._of_ros2(message, msgtype))

    def _of_ros2(self, message: Any, msgtype: str) -> Any:
        """The message with the fields that its type has in ROS 2; ROS 1 has more, and some in upper case."""
        fields = self._types.get_msgdef(msgtype).fields
        values = {}
        for name, (kind, detail) in fields:
            value = getattr(message, name, getattr(message, name.upper(), None))
            values[name] = self._of_ros2(value, str(detail)) if kind == Nodetype.NAME else value
        return self._message(msgtype)(**values)

    def _write(self, topic: str, stamp_ns: int, msgtype: str, message: object) -> None:
        self.write(topic, stamp_ns, msgtype, self._types.serialize_cdr(message, msgtype))

    def _header(self, stamp_ns: int, frame_id: str) -> Any:
        seconds, nanoseconds = divmod(stamp_ns, 10**9)
        stamp = self._message("builtin_interfaces/msg/Time")(sec=seconds, nanosec=nanoseconds)
        return self._message("std_msgs/msg/Header")(stamp=stamp, frame_id=frame_id)

    def _message(self, msgtype: str) -> Any:
        return self._types.types[msgtype]

    def flush(self) -> int:
        """Write what has come since the last chunk, and pass it all to the system; returns the size of the file."""
        if self._chunk.indexes:
            self._mcap.add_chunk(self._chunk)
            self._chunk = OpenChunk()
        self._file.flush()
        return self._file.tell()

    def close(self) -> None:
        """Complete the bag, which then takes its name."""
        with self._file:
            self.flush()
            self._mcap.complete()
            self._file.flush()
            self._partial.replace(self.path)  # while it is locked

    def discard(self) -> None:
        """Remove what was written."""
        self._partial.unlink(missing_ok=True)
        self.abandon()

    def abandon(self) -> None:
        """Let go of a bag that is not closed; what got into it stays under the name for unfinished ones."""
        with suppress(OSError):
            self._file.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OSError):
            self.abandon()
        elif not self._file.closed:  # by `discard`
            self.close()
