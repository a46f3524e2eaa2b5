"""The backbone: a pretrained vision transformer from Hugging Face, without the layers that adapters replace."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import nn
from transformers import MODEL_FOR_BACKBONE_MAPPING, AutoBackbone, AutoConfig

from training.config import BackboneConfig
from training.errors import TrainingError
from training.hub import find_model
from training.models.families import FAMILIES
from training.models.stages import Family, ReplacedLayer, Stage


class Backbone(nn.Module):
    """A Hugging Face backbone without its last layers (`replace[i]` of them missing in stage i).

    `replaced[i]` holds the layers taken out of stage i, for adapter layers to start from; they are no
    parameters of this module.
    """

    def __init__(self, model: nn.Module, replace: Sequence[int]) -> None:
        super().__init__()
        self.model = model
        family = _family(model.config)
        layers = family.layers(model)
        if len(replace) != len(layers) or any(not 0 <= n <= len(of) for n, of in zip(replace, layers, strict=True)):
            raise TrainingError(
                f"model.replace is {list(replace)}, but this backbone has stages of {[len(of) for of in layers]} "
                "layers. Give one number a stage, none larger than the stage."
            )
        kept = [of[: len(of) - n] for n, of in zip(replace, layers, strict=True)]
        gone = [of[len(of) - n :] for n, of in zip(replace, layers, strict=True)]
        self._replaced = tuple(tuple(family.replaced(layer) for layer in of) for of in gone)
        _take_out(model, {layer for of in gone for layer in of})
        self._stages = tuple(family.stages(model, kept))

    @property
    def stages(self) -> tuple[Stage, ...]:
        return self._stages

    @property
    def replaced(self) -> tuple[tuple[ReplacedLayer, ...], ...]:
        return self._replaced

    def freeze(self) -> None:
        """No gradients and no dropout from here on; `train()` leaves a frozen backbone in evaluation mode."""
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> Backbone:
        frozen = not any(p.requires_grad for p in self.parameters())
        super().train(mode and not frozen)
        return self


def _take_out(model: nn.Module, layers: set[nn.Module]) -> None:
    for module in list(model.modules()):
        if isinstance(module, nn.ModuleList):
            for index in reversed(range(len(module))):
                if module[index] in layers:
                    del module[index]


def load_backbone(config: BackboneConfig) -> nn.Module:
    """The configured Hugging Face backbone, whole: pretrained (hub name or local folder) or from scratch (settings)."""
    if config.pretrained is None:
        where = "model.backbone.settings"
    else:
        kind = "folder" if Path(config.pretrained).exists() else "hub name"
        where = f"model.backbone.pretrained: cannot load the {kind} {config.pretrained!r}"
    source = None
    if config.pretrained is not None:
        try:
            source = find_model(config.pretrained)
        except TrainingError as error:
            raise TrainingError(f"{where}: {error}") from error
    try:
        return _load(config, source)
    except TrainingError:
        raise
    except Exception as error:  # settings that do not go together end in whatever they first break
        what = " ".join(str(error).split())  # some take several lines, the first of which says little
        raise TrainingError(f"{where}: {type(error).__name__}: {what}") from error


def _load(config: BackboneConfig, source: Path | None) -> nn.Module:
    """From the folder `source`, or from scratch."""
    if source is None:
        hf_config = AutoConfig.for_model(**config.settings)
    else:
        hf_config = AutoConfig.from_pretrained(source, local_files_only=True, **config.settings)
    _family(hf_config)
    defaults = type(hf_config)()
    if unknown := [key for key in config.settings if not hasattr(defaults, key)]:
        raise TrainingError(f"model.backbone.settings: {hf_config.model_type} has no {', '.join(unknown)}.")
    hf_config.out_features = [name for name in hf_config.stage_names if name != "stem"]
    if isinstance(getattr(hf_config, "hidden_sizes", None), tuple):  # FocalNet's default, which it adds to a list
        hf_config.hidden_sizes = list(hf_config.hidden_sizes)
    if source is None:
        from_scratch: nn.Module = AutoBackbone.from_config(hf_config, attn_implementation="eager")
        return from_scratch
    # Not AutoBackbone.from_pretrained: it asks the hub whether the name exists, even where that is a folder.
    model: Any = MODEL_FOR_BACKBONE_MAPPING[type(hf_config)]
    try:
        pretrained: nn.Module = model.from_pretrained(
            source, config=hf_config, attn_implementation="eager", use_safetensors=True, local_files_only=True
        )
    except OSError as error:
        raise TrainingError(
            f"model.backbone.pretrained: cannot load the weights of {config.pretrained!r}: {error} Only "
            "model.safetensors is read: nothing is unpickled. Where there is pytorch_model.bin alone, and you trust "
            'it, convert it: safetensors.torch.save_file(torch.load("pytorch_model.bin", weights_only=True), '
            '"model.safetensors", {"format": "pt"})'
        ) from error
    return pretrained


def _family(config: Any) -> Family:
    kind = str(config.model_type)
    if kind not in FAMILIES:
        raise TrainingError(f"model.backbone: type {kind!r} is not supported. Known: {', '.join(FAMILIES)}.")
    return FAMILIES[kind]
