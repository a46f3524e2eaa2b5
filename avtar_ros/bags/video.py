"""Images out of streams of video packets in messages: H.264, H.265 and what else PyAV decodes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avtar_ros.errors import ImageError
from avtar_ros.terminal.extras import install_line

FFMPEG = "ffmpeg_image_transport_msgs/msg/FFMPEGPacket"
FOXGLOVE = "foxglove_msgs/msg/CompressedVideo"
CODECS = {
    "h264": "h264", "x264": "h264", "libx264": "h264", "avc": "h264", "avc1": "h264", "h264_nvenc": "h264",
    "h264_vaapi": "h264", "h264_nvmpi": "h264", "h265": "hevc", "x265": "hevc", "libx265": "hevc", "hevc": "hevc",
    "hevc_nvenc": "hevc", "hevc_vaapi": "hevc", "hevc_nvmpi": "hevc", "av1": "av1", "libaom-av1": "av1",
    "libsvtav1": "av1", "vp8": "vp8", "libvpx": "vp8", "vp9": "vp9", "libvpx-vp9": "vp9", "mpeg4": "mpeg4",
}
"""FFmpeg's decoder by what encoders, and messages' fields, are called."""


def codec_of(message: Any) -> str | None:
    """FFmpeg's decoder for a message that is a packet of a video; None for what is a picture by itself.

    `encoding` of FFMPEGPacket is an encoder's or codec's name, with pixel formats behind it since 3.0.
    """
    name = getattr(message, "format", None) or (message.encoding if hasattr(message, "pts") else None)
    first = str(name).partition(";")[0].strip().lower() if name else ""
    return CODECS.get(first)


class VideoDecoder:
    """Decodes one stream from the first packet on; what comes before a key frame gives no image.

    Raises ImageError if PyAV is missing or does not know the codec.
    """

    def __init__(self, codec: str) -> None:
        try:
            import av
        except ImportError as error:
            raise ImageError(
                f"it is video ({codec}), which PyAV decodes, and that is not installed. Run: {install_line('video')}"
            ) from error
        self._av = av
        try:
            self._context: Any = av.CodecContext.create(codec, "r")
        except (av.FFmpegError, ValueError) as error:
            raise ImageError(f"it is video ({codec}), which this PyAV does not decode ({error}).") from error
        self._context.thread_count = 1  # with more, images come only packets later

    def decode(self, data: Any, number: int) -> list[tuple[int, NDArray[np.uint8]]]:
        """The images that are complete with this packet, RGB (H, W, 3), each with the number of its own packet.

        Raises ImageError for a packet that is damaged; the next key frame is decoded again.
        """
        packet = self._av.Packet(np.frombuffer(data, np.uint8).tobytes())
        packet.pts = number
        return list(self._images(packet))

    def flush(self) -> list[tuple[int, NDArray[np.uint8]]]:
        """The images that wait for others."""
        return list(self._images(None))

    def _images(self, packet: Any) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        try:
            frames = self._context.decode(packet)
        except self._av.FFmpegError as error:
            raise ImageError(f"a packet of video cannot be decoded ({error}).") from error
        for frame in frames:
            yield int(frame.pts or 0), frame.to_ndarray(format="rgb24")
