"""The `target` section of a config: images of another domain without labels, and how they are learnt from."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from training.data.config import AugmentConfig, DataConfig
from training.section import PositiveReal, Real, Section

WAYS = ("discriminators", "consistency")


class DiscriminatorsConfig(Section):
    """A discriminator a task learns to tell the domains' maps apart; the adapters learn, by `weight`, to make that
    impossible."""

    by: Literal["discriminators"] = "discriminators"
    data: DataConfig
    weight: PositiveReal = 0.005
    learning_rate: PositiveReal = 1e-4

    def augment(self, of_source: AugmentConfig) -> AugmentConfig:
        """How images of the other domain are changed when they are read: as the source's."""
        return of_source


class ConsistencyConfig(Section):
    """The model learns, by `weight`, to find in tinted and degraded images what its own moving average finds in the
    clean ones. Of each step `momentum` of the average stays; of its classes what is less sure than `confidence` is
    unlabelled."""

    by: Literal["consistency"]
    data: DataConfig
    weight: PositiveReal = 1.0
    momentum: Annotated[Real, Field(gt=0, lt=1)] = 0.99
    confidence: Annotated[Real, Field(ge=0, lt=1)] = 0.8
    jitter: Annotated[Real, Field(ge=0, le=1)] = 0.4
    camera: Annotated[Real, Field(ge=0, le=1)] = 0.8

    def augment(self, of_source: AugmentConfig) -> AugmentConfig:
        """Mirrored and zoomed into as the source's, which holds for image and maps; no more, for the average to see."""
        return AugmentConfig(flip=of_source.flip, zoom=of_source.zoom)

    @property
    def strong(self) -> AugmentConfig:
        """What the model sees beyond that."""
        return AugmentConfig(flip=False, jitter=self.jitter, camera=self.camera)


def _way(raw: Any) -> str | None:
    """Without the key it is the discriminators."""
    return str(raw.get("by", WAYS[0])) if isinstance(raw, dict) else getattr(raw, "by", None)


TargetConfig = Annotated[
    Annotated[DiscriminatorsConfig, Tag("discriminators")] | Annotated[ConsistencyConfig, Tag("consistency")],
    Discriminator(_way),
]
