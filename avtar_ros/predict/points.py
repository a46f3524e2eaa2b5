"""Points in space with colours, as they are written for other programs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avtar_ros.disk.files import write_bytes

_PLY = np.dtype([("xyz", "<f4", 3), ("rgb", "u1", 3)])


COMMENT = b"comment optical frame: x right, y down, z forward; metres\n"


def is_ply(path: Path) -> bool:
    """Whether a file was written by `Points.write_ply`."""
    try:
        with path.open("rb") as file:
            return COMMENT in file.read(200)
    except OSError:
        return False


@dataclass(frozen=True)
class Points:
    """Coloured points: `xyz` (N, 3) float32 in metres in the camera's optical frame (x right, y down, z forward),
    and `rgb` (N, 3) uint8."""

    xyz: NDArray[np.float32]
    rgb: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.xyz)

    def write_ply(self, path: str | Path) -> None:
        """Write a binary PLY file, which MeshLab, CloudCompare, Blender and Open3D read. Raises OSError."""
        header = (
            f"ply\nformat binary_little_endian 1.0\n{COMMENT.decode()}"
            f"element vertex {len(self)}\nproperty float x\nproperty float y\nproperty float z\n"
            "property uchar red\nproperty uchar green\nproperty uchar blue\nend_header\n"
        )
        vertices = np.empty(len(self), _PLY)
        vertices["xyz"], vertices["rgb"] = self.xyz, self.rgb
        write_bytes(Path(path), header.encode() + vertices.tobytes())
