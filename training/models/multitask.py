"""The whole network: image in, raw output of every task's head out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from avtar_ros.model_card import ModelCard
from training.config import ModelConfig
from training.models.adapter import AdapterCondition, VisionAdapterLayer
from training.models.backbone import Backbone
from training.models.decoder import LightDecoder, upsampled
from training.models.detail import DetailedHead, DetailFusion, DetailStem
from training.models.stages import ReplacedLayer, Stage, Tokens
from training.models.swin_decoder import SwinDecoder
from training.models.task_embedding import TaskEmbedding
from training.tasks import LEARNT

# Mean and spread of ImageNet's colours, which published backbones were trained with.
MEAN = (0.485, 0.456, 0.406)
SPREAD = (0.229, 0.224, 0.225)


class MultitaskModel(nn.Module):
    """Backbone once per image, adapters and decoder once per task on the same tokens, a head per task.

    From the first adapter layer on, tasks are stacked along the batch: (T·B, ...), tasks first; adapter layers see
    them apart, (T, B, ...). Without adapter layers (to train a backbone from scratch) all heads read the same features.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, backbone: Backbone, config: ModelConfig, card: ModelCard) -> None:
        super().__init__()
        self.card = card
        self.backbone = backbone
        embedding_width = config.window**3
        self.task_embedding = TaskEmbedding(len(card.tasks), embedding_width)
        self.adapters = nn.ModuleList(
            _adapters_of_stage(stage, replaced, config.window, embedding_width)
            for stage, replaced in zip(backbone.stages, backbone.replaced, strict=True)
        )
        stages = backbone.stages
        read = [(stage.channels, stage.upscale) for stage in stages]
        self.decoder = (
            LightDecoder(read, config.decoder_channels)
            if config.decoder == "light"
            else SwinDecoder(read, config.decoder_channels, config.window)
        )
        stride = stages[0].stride // stages[0].upscale
        self.detail_stem = DetailStem(config.detail) if config.detail else None
        self.detail_fusion = DetailFusion(config.decoder_channels, config.detail) if config.detail else None
        outputs = {name: LEARNT[name].channels(card) for name in card.tasks}
        self.heads = nn.ModuleDict(
            {
                name: DetailedHead(config.decoder_channels, config.detail[0], channels)
                for name, channels in outputs.items()
            }
            if config.detail
            else {
                name: nn.Sequential(
                    nn.Conv2d(config.decoder_channels, channels * stride**2, 1), nn.PixelShuffle(stride)
                )
                for name, channels in outputs.items()
            }
        )
        self.depth_along_normals = config.depth_along_normals
        self._taa, self._tsn = config.taa, config.tsn
        if not config.taa:
            for adapter in (a for adapters in self._stage_adapters() for a in adapters):
                adapter.attention.film.requires_grad_(False)
        self.register_buffer("mean", 255 * torch.tensor(MEAN), persistent=False)
        self.register_buffer("spread", 255 * torch.tensor(SPREAD), persistent=False)

    def conditions(self, height: int, width: int) -> list[list[AdapterCondition]]:
        """All that depends on the tasks but not on the image of height × width, for each stage's adapter layers."""
        embedding = self.task_embedding()
        nothing = torch.zeros_like(embedding)  # what is the same for every task
        to_attention, to_norms = (embedding if used else nothing for used in (self._taa, self._tsn))
        return [
            [
                adapter.condition(to_attention, to_norms, -(-height // stage.stride), -(-width // stage.stride))
                for adapter in adapters
            ]
            for stage, adapters in zip(self.backbone.stages, self._stage_adapters(), strict=True)
        ]

    def forward(self, image: Tensor, conditions: list[list[AdapterCondition]] | None = None) -> dict[str, Tensor]:
        """RGB uint8 (B, H, W, 3) to raw head outputs {task: (B, channels, H, W)}.

        H and W must be multiples of the finest stage's stride. `conditions` may be given where they are known.
        """
        if conditions is None:
            conditions = self.conditions(image.shape[1], image.shape[2])
        tasks = len(self.card.tasks)
        features: list[Tensor] = []
        weights = next(self.backbone.parameters()).dtype
        # Channels first: what is broadcast along a row of pixels is many times faster than along three colours.
        pixels = image.float().permute(0, 3, 1, 2)
        normalised = ((pixels - self.mean[:, None, None]) * (1 / self.spread)[:, None, None]).to(weights)
        tokens = Tokens(normalised.permute(0, 2, 3, 1))
        sets = 1  # of tokens: one for all tasks until the first adapter layer, then one a task
        for stage, adapters, stage_conditions in zip(
            self.backbone.stages, self._stage_adapters(), conditions, strict=True
        ):
            tokens = stage.enter(tokens)
            for layer in stage.layers:
                tokens = layer(tokens)
            if len(adapters):
                tokens = _adapted(tokens, sets, adapters, stage_conditions)
                sets = tasks
            tokens = stage.leave(tokens)
            features.append(stage.feature(tokens.grid))
        read = [self.decoder(features)]
        if self.detail_stem is not None and self.detail_fusion is not None:
            read.append(self.detail_fusion(read[0], self.detail_stem(normalised)))
        per_task = zip(
            *(grid.unflatten(0, (sets, -1)).expand(tasks, -1, -1, -1, -1).unbind() for grid in read), strict=True
        )
        raw = {name: self.heads[name](*own) for name, own in zip(self.card.tasks, per_task, strict=True)}
        return {name: upsampled(values, image.permute(0, 3, 1, 2)) for name, values in raw.items()}

    def _stage_adapters(self) -> Iterable[Sequence[VisionAdapterLayer]]:
        return cast("Iterable[Sequence[VisionAdapterLayer]]", self.adapters)


def _adapted(
    tokens: Tokens, sets: int, adapters: Sequence[VisionAdapterLayer], conditions: Sequence[AdapterCondition]
) -> Tokens:
    """Through a stage's adapter layers: from one or T sets of tokens, stacked along the batch, to T."""
    grids = tokens.grid.unflatten(0, (sets, -1))
    skip: Tensor | None = None
    for adapter, condition in zip(adapters, conditions, strict=True):
        grids, skip = adapter(grids, condition, skip)
    extra = tokens.extra
    if extra is not None and sets < len(grids):
        extra = extra.repeat(len(grids), 1, 1)
    return Tokens(grids.flatten(0, 1), extra)


def _adapters_of_stage(
    stage: Stage, replaced: tuple[ReplacedLayer, ...], window: int, embedding_width: int
) -> nn.ModuleList:
    """A stage's adapter layers; every second one attends in shifted windows, as in the backbone where it has them."""
    return nn.ModuleList(
        VisionAdapterLayer(layer, stage.heads, window, (window // 2) * ((stage.shifted + i) % 2), embedding_width)
        for i, layer in enumerate(replaced)
    )
