"""The digest at the end of an ONNX file: of everything before it, graph, weights and card.

One bit that changed on the way would give other maps, and nothing else would show it. The digest is a last entry of the
file's metadata, appended as protobuf allows: whoever reads ONNX reads the same model, and neither writing nor checking
it takes a library.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import BinaryIO

from avtar_ros.engines.engine import EngineError

KEY = b"avtar_sha256"
_HEX = hashlib.sha256().digest_size * 2
_ENTRY = b"\x0a" + bytes([len(KEY)]) + KEY + b"\x12" + bytes([_HEX])
_HEAD = b"\x72" + bytes([len(_ENTRY) + _HEX]) + _ENTRY
"""Field 14 of a ModelProto, metadata_props, with key and value; the value follows."""
LENGTH = len(_HEAD) + _HEX
_BLOCK = 2**20


class DigestError(EngineError):
    """A model file that is not as it was written."""


def append_digest(path: Path) -> None:
    """Let an ONNX file end with its digest; one that is there is made anew. Raises OSError."""
    with path.open("r+b") as file:
        size = _body(file) or os.fstat(file.fileno()).st_size
        digest = _digest(file, size)
        file.seek(size)
        file.truncate()
        file.write(_HEAD + digest.encode())


def check_digest(path: Path) -> bool:
    """Whether the file has a digest, which then is right; raises DigestError if it is not, OSError."""
    with path.open("rb") as file:
        size = _body(file)
        if size is None:
            return False
        file.seek(-_HEX, os.SEEK_END)
        wanted = file.read()
        found = _digest(file, size).encode()
    if found != wanted:
        raise DigestError(
            f"{path}: is not as it was written: its sha256 is {found[:12].decode()}…, and it says "
            f"{wanted[:12].decode('ascii', 'replace')}…. It was damaged or changed; copy or export it again."
        )
    return True


def _body(file: BinaryIO) -> int | None:
    """How many bytes there are before the digest; None without one."""
    size = file.seek(0, os.SEEK_END)
    if size < LENGTH:
        return None
    file.seek(size - LENGTH)
    return size - LENGTH if file.read(len(_HEAD)) == _HEAD else None


def _digest(file: BinaryIO, size: int) -> str:
    digest = hashlib.sha256()
    file.seek(0)
    while size > 0 and (block := file.read(min(_BLOCK, size))):
        digest.update(block)
        size -= len(block)
    return digest.hexdigest()
