"""What words in topics' names mean. They are looked for as whole words, and in the last parts of a name alone.

    words("/spot/depth_registered/frontleft/image")   {"depth", "registered", "frontleft"}
    parts("/camera/color/image_raw/compressed")       ["camera", "color", "image_raw"]

A robot or a camera may be called anything: /intel_realsense_r200_depth/image_raw is a colour camera's. So names only
choose among topics that their messages do not tell apart.
"""

from __future__ import annotations

import re

TRANSPORTS = ("compressed", "compressedDepth", "zstd", "ffmpeg", "theora", "foxglove", "draco")
"""The last part of a name may be how the images are packed."""
PLAIN = {"image", "images", "raw", "data", "img", "frame", "frames", "view"}
"""Words that say nothing."""
COLOUR = {"color", "colour", "rgb", "bgr"}
DEPTH = {"depth", "range"}
INFRARED = {"ab", "ir", "infra", "infra1", "infra2", "infrared", "nir", "thermal"}
"""Cameras, but not what a model for colour images was made for."""
REGISTERED = {"aligned", "align", "registered", "regist", "hw_registered", "rectified_depth"}
NO_PHOTOGRAPH = {
    "depth", "disparity", "label", "labels", "mask", "masks", "segmentation", "semantic", "instance", "normal",
    "normals", "edges", "confidence", "flow", "heatmap", "costmap", "overlay",
}
"""A picture on such a topic shows what was computed or measured, not what a camera saw."""
TRUTH = "ground_truth"
LOOKED_AT = 3
"""Parts from the end on, without the transport, in which words count."""


def parts(topic: str) -> list[str]:
    """The parts of a topic's name, without that of the transport."""
    found = [part for part in topic.split("/") if part]
    return found[:-1] if len(found) > 1 and found[-1] in TRANSPORTS else found


def words(topic: str) -> set[str]:
    """The words in the last parts of a name that say something."""
    found = set()
    for part in parts(topic)[-LOOKED_AT:]:
        split = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", part)
        found |= {word.rstrip("0123456789") or word for word in re.split(r"[_\-]+", split.lower())} | {part.lower()}
    return found - PLAIN


def own_words(topic: str) -> set[str]:
    """Parts of a name that are, as a whole, a word of NO_PHOTOGRAPH, and those of its last part."""
    names = parts(topic)[-LOOKED_AT:]
    whole = {re.sub(r"\d+$", "", part.lower()) for part in names}
    last = set(re.split(r"[_\-]+", names[-1].lower())) if names else set()
    return (whole | last) & NO_PHOTOGRAPH


def says_registered(topic: str) -> bool:
    """Whether a depth topic's name says that it is aligned to a camera: aligned_depth_to_color, depth_to_rgb, ..."""
    found = words(topic)
    return bool(found & REGISTERED) or ("to" in found and bool(found & COLOUR))


def shared(first: str, second: str) -> int:
    """How many parts two names have in common from their beginning on."""
    count = 0
    for a, b in zip(parts(first), parts(second), strict=False):
        if a != b:
            break
        count += 1
    return count
