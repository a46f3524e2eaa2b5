"""Small copies of the public data sets, written in their official layouts and encodings."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import h5py
import numpy as np
from scipy.io import savemat


def write_picture(path: Path, pixels: np.ndarray) -> None:
    """A picture (H, W) or RGB (H, W, 3) of 8 or 16 bits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels if pixels.ndim == 2 else pixels[..., ::-1])


def image(height: int, width: int, seed: int = 0) -> np.ndarray:
    """RGB (H, W, 3): flat tiles of 8 × 8 pixels, so that JPEG and resizing leave their middles alone."""
    random = np.random.default_rng(seed)
    tiles = random.integers(30, 220, (-(-height // 8), -(-width // 8), 3), np.uint8)
    return tiles.repeat(8, 0).repeat(8, 1)[:height, :width]


def write_nyud(root: Path, frames: int, height: int = 24, width: int = 32) -> dict[str, np.ndarray]:
    """`nyu_depth_v2_labeled.mat`: HDF5 with MATLAB's order of axes, the last of MATLAB's first. Gives what is in it,
    rows first: image (N, H, W, 3), depth and label (N, H, W)."""
    random = np.random.default_rng(1)
    images = np.stack([image(height, width, i) for i in range(frames)])
    depths = random.uniform(1, 5, (frames, height, width)).astype(np.float32)
    labels = random.integers(0, 895, (frames, height, width)).astype(np.uint16)
    root.mkdir(parents=True, exist_ok=True)
    with h5py.File(root / "nyu_depth_v2_labeled.mat", "w", userblock_size=512) as file:
        file["images"] = images.transpose(0, 3, 2, 1)
        file["depths"] = depths.transpose(0, 2, 1)
        file["labels"] = labels.transpose(0, 2, 1)
    numbers = np.arange(1, frames + 1, dtype=np.float64)[:, None]
    savemat(root / "splits.mat", {"trainNdxs": numbers[1::2], "testNdxs": numbers[::2]})
    of_40 = random.integers(1, 41, (1, 894)).astype(np.uint8)
    savemat(root / "classMapping40.mat", {"mapClass": of_40})
    return {"image": images, "depth": depths, "label": labels, "of_40": of_40[0]}


CITYSCAPES_CAMERA = {
    "extrinsic": {"baseline": 0.209313, "pitch": 0.038, "roll": 0.0, "x": 1.7, "y": 0.1, "yaw": -0.0195, "z": 1.22},
    "intrinsic": {"fx": 2262.52, "fy": 2265.3017905988554, "u0": 1096.98, "v0": 513.137},
}


def write_cityscapes_frame(root: Path, split: str, name: str, ids: np.ndarray, disparity: np.ndarray) -> np.ndarray:
    """A frame CITY_SEQUENCE_FRAME; `disparity` as stored, 16 bits. Gives the image."""
    city = name.split("_")[0]
    pixels = image(*ids.shape)
    write_picture(root / "leftImg8bit" / split / city / f"{name}_leftImg8bit.png", pixels)
    write_picture(root / "gtFine" / split / city / f"{name}_gtFine_labelIds.png", ids)
    write_picture(root / "disparity" / split / city / f"{name}_disparity.png", disparity)
    camera = root / "camera" / split / city / f"{name}_camera.json"
    camera.parent.mkdir(parents=True, exist_ok=True)
    camera.write_text(json.dumps(CITYSCAPES_CAMERA, indent=4))
    return pixels
