"""The random choices of one room."""

from __future__ import annotations

from random import Random

from training.data.synthetic_rooms.materials import TEXTURES


class Rng(Random):
    """`random.Random`, which draws single numbers several times faster than NumPy, with what rooms often ask for."""

    def chance(self, probability: float) -> bool:
        return self.random() < probability

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * self.random()

    def texture(self, name: str) -> int:
        variants = TEXTURES[name]
        return variants[int(self.random() * len(variants))]
