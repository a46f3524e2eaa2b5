"""The losses, pixel by pixel in plain Python, as the formulas say; nothing here is taken from `training`.

Each gives the sum over labelled pixels of a batch, to be divided by their number. Targets are nested arrays in the
layout of `avtar_ros.tasks`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from torch import Tensor


def pixels(target: Tensor) -> Iterator[tuple[int, int, int]]:
    images, height, width = target.shape[:3]
    for b in range(images):
        for y in range(height):
            for x in range(width):
                yield b, y, x


def cross_entropy(logits: Tensor, ids: Tensor) -> float:
    total, count = 0.0, 0
    for b, y, x in pixels(ids):
        label = int(ids[b, y, x])
        if label == 255:
            continue
        scores = logits[b, :, y, x].tolist()
        total += math.log(sum(math.exp(score) for score in scores)) - scores[label]
        count += 1
    return total / max(count, 1)


def shape_and_scale(log_depth: Tensor, depth: Tensor) -> float:
    """|e - m| + |m| / 2, m the mean e of an image, and half the mean |slope| of e at each of four sizes."""
    images = [_errors(*pair) for pair in zip(log_depth[:, 0], depth, strict=True)]
    total = sum(len(image) for image in images)
    value = 0.0
    for image in images:
        mean = sum(image.values()) / max(len(image), 1)
        value += sum(abs(error - mean) + abs(mean) / 2 for error in image.values()) / total
    for step in (1, 2, 4, 8):
        slopes = []
        for image in images:
            for row, column in image:
                if row % step == 0 and column % step == 0:
                    after = [(row + step, column), (row, column + step)]
                    slopes += [abs(image[row, column] - image[place]) for place in after if place in image]
        value += sum(slopes) / max(len(slopes), 1) / 2
    return value


def _errors(log_depth: Tensor, depth: Tensor) -> dict[tuple[int, int], float]:
    errors = {}
    for _, y, x in pixels(depth[None]):
        true = float(depth[y, x])
        if math.isfinite(true) and true > 0:
            errors[y, x] = float(log_depth[y, x]) - math.log(true)
    return errors


def berhu_log_depth(log_depth: Tensor, depth: Tensor) -> float:
    """|d| where |d| <= c, else (d² + c²) / 2c; c = max |d| / 5 over the batch; d the difference of logarithms."""
    errors = []
    for b, y, x in pixels(depth):
        true = float(depth[b, y, x])
        if math.isfinite(true) and true > 0:
            errors.append(abs(float(log_depth[b, 0, y, x]) - math.log(true)))
    if not errors:
        return 0.0
    c = max(errors) / 5
    return sum(e if e <= c else (e * e + c * c) / (2 * c) for e in errors) / len(errors)


def cosine_distance(vectors: Tensor, normals: Tensor) -> float:
    total, count = 0.0, 0
    for b, y, x in pixels(normals):
        true = normals[b, y, x].tolist()
        if not all(map(math.isfinite, true)):
            continue
        vector = vectors[b, :, y, x].tolist()
        dot = sum(p * g for p, g in zip(vector, true, strict=True))
        total += 1 - dot / (math.hypot(*vector) * math.hypot(*true))
        count += 1
    return total / max(count, 1)


def balanced_binary_cross_entropy(logits: Tensor, edges: Tensor) -> float:
    """An edge counts by the share of other pixels, another pixel by the share of edges; the mean by these weights."""
    labels = [float(edges[p]) for p in pixels(edges) if math.isfinite(float(edges[p]))]
    if not labels:
        return 0.0
    share = sum(labels) / len(labels)
    total = weights = 0.0
    for b, y, x in pixels(edges):
        label = float(edges[b, y, x])
        if not math.isfinite(label):
            continue
        probability = 1 / (1 + math.exp(-float(logits[b, 0, y, x])))
        weight = label * (1 - share) + (1 - label) * share
        total -= weight * (label * math.log(probability) + (1 - label) * math.log(1 - probability))
        weights += weight
    return total / weights if weights else 0.0


def absolute_error(logits: Tensor, edges: Tensor) -> float:
    errors = [
        abs(1 / (1 + math.exp(-float(logits[b, 0, y, x]))) - float(edges[b, y, x]))
        for b, y, x in pixels(edges)
        if math.isfinite(float(edges[b, y, x]))
    ]
    return sum(errors) / max(len(errors), 1)
