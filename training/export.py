"""A checkpoint to the ONNX file that travels: exported, compared with PyTorch, measured, and only then written."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnx_ir as ir
import torch
from numpy.typing import NDArray

from avtar_ros.disk.outputs import check_file
from avtar_ros.engines.digest import append_digest
from avtar_ros.engines.engine import INPUT, Engine
from avtar_ros.engines.golden import GOLDEN_KEY, Golden, golden_to_json, make_golden
from avtar_ros.engines.opening import open_engine
from avtar_ros.imaging.decoding import decode_picture
from avtar_ros.model_card import CARD_KEY, CardError, ModelCard, read_onnx_card
from avtar_ros.tasks import SEGMENTATION, Maps
from training import seeds
from training.build import build_model
from training.by_source import group_means
from training.checkpoint import Checkpoint
from training.data.config import DataConfig
from training.data.manifest import read_manifest
from training.data.public_config import RoomsConfig
from training.data.synthetic_rooms import render_rooms
from training.errors import TrainingError
from training.evaluate import Infer, evaluate, evaluate_sources, held_out_images, held_out_rooms, torch_infer
from training.graph_form import in_fast_form
from training.half_precision import Rounding
from training.models.inference import InferenceModel

OPSET = 18
SCOPES_KEY = "pkg.torch.onnx.name_scopes"
EQUAL_IDS = 0.999
TOLERANCE = 1e-3


@dataclass(frozen=True)
class ExportOptions:
    """`rooms` held-out rooms from `seed` on are measured for the card, or for a model of other data all of its
    validation images, or nothing where `rooms` is 0; `images` are more to compare on. `manifest` lists real images
    (`training.data.manifest`): rooms are then measured whatever the model's data, and what was found on real images,
    the mean over the sources of the file's first group, takes their place in the card.

    `precision` is fp32, or fp16 for weights and activations in half precision.
    """

    rooms: int = seeds.HELD_OUT_ROOMS
    seed: int = seeds.HELD_OUT
    images: Path | None = None
    manifest: Path | None = None
    precision: str = "fp32"
    command: str = ""


def export(checkpoint: Checkpoint, path: Path, options: ExportOptions) -> ModelCard:
    """Write `path`, an ONNX file with its card; gives the card.

    Raises TrainingError, and writes nothing, where ONNX Runtime and PyTorch disagree: class ids on more than 0.1 %
    of the pixels, or anything else by more than 1e-3. In half precision, which rounds differently everywhere, the
    averages of `avtar_ros.agreement` are held against the float32 model, also on the rooms, and kept in the card.
    """
    check_file(path, [], _is_of_an_export)
    path.parent.mkdir(parents=True, exist_ok=True)
    reference = load_model(checkpoint)
    model = load_model(checkpoint).half() if options.precision == "fp16" else reference
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        draft = Path(folder) / "model.onnx"
        write_graph(model, draft)
        card = model.card.replace(provenance=_provenance(checkpoint, options))
        _write_card(draft, card)
        with open_engine(draft) as engine:
            if model is reference:
                compare(model, engine, _comparison_images(card, options.images))
                card = _measured(card, engine.infer, checkpoint.config.data, options)
            else:
                rounding = Rounding(engine.infer, model, reference)
                for images in _comparison_images(card, options.images):
                    rounding.infer(images)
                card = _measured(card, rounding.infer, checkpoint.config.data, options)
                lines = {f"fp16.{task}": str(agreement) for task, agreement in rounding.agreements().items()}
                card = card.replace(provenance=card.provenance | lines)
        _write_card(draft, card, make_golden(card, options.precision, torch_infer(reference)))
        with open_engine(draft):
            pass  # its self-test passes
        append_digest(draft)
        draft.replace(path)
    return card


def _is_of_an_export(path: Path) -> bool:
    try:
        return bool(read_onnx_card(path))
    except CardError:
        return False


def _measured(card: ModelCard, infer: Infer, data: DataConfig, options: ExportOptions) -> ModelCard:
    """The card with figures on images that it never saw, where some are asked for."""
    figures: dict[str, float] = {}
    if options.rooms:
        of_rooms = isinstance(data, RoomsConfig) or options.manifest is not None
        unseen = held_out_rooms(options.rooms, options.seed, card) if of_rooms else held_out_images(data, card)
        figures = evaluate(infer, card, unseen)
    if options.manifest is None:
        return card.replace(metrics=_rounded(figures))
    groups = group_means(evaluate_sources(infer, card, read_manifest(options.manifest, card.width, card.height)))
    real = next(iter(groups.values()))
    lines = {"measured.rooms": figures, **{f"measured.real.{group}": found for group, found in groups.items()}}
    provenance = card.provenance | {name: json.dumps(_rounded(found)) for name, found in lines.items() if found}
    return card.replace(metrics=_rounded(figures | real), provenance=provenance)


def _rounded(figures: Mapping[str, float]) -> dict[str, float]:
    return {key: round(value, 4) for key, value in figures.items()}


def load_model(checkpoint: Checkpoint, size: tuple[int, int] | None = None) -> InferenceModel:
    """The model in a checkpoint of an adapter phase, ready to infer on images of its card's size, or of `size`.

    Raises TrainingError if it has no adapters, or the size does not fit its backbone.
    """
    if checkpoint.trains != "adapters":
        raise TrainingError(
            f"the checkpoint is of phase {checkpoint.phase!r}, which has no adapters yet. "
            f"Use that of phase {checkpoint.config.phases[-1].name!r}."
        )
    model = build_model(checkpoint.config, "adapters", checkpoint.card)
    checkpoint.load_into(model)
    width, height = size or (checkpoint.card.width, checkpoint.card.height)
    stride = model.backbone.stages[0].stride
    if width % stride or height % stride:
        raise TrainingError(f"images of {width}x{height} do not fit the backbone: multiples of {stride} pixels do.")
    return InferenceModel(model, height, width)


def compare(model: InferenceModel, engine: Engine, images: Iterable[NDArray[np.uint8]]) -> None:
    """Raises TrainingError if `engine` does not give what `model` gives."""
    infer = torch_infer(model)
    for batch in images:
        expected, got = infer(batch), engine.infer(batch)
        for name, difference in _differences(expected, got).items():
            limit = 1 - EQUAL_IDS if name == SEGMENTATION.name else TOLERANCE
            if not difference <= limit:
                raise TrainingError(
                    f"the exported graph differs from PyTorch in {name}: {difference:.2e}, allowed {limit:.0e}. "
                    "Nothing was written; this is a fault of the exporter or of the model's numbers."
                )


def _differences(expected: Maps, got: Maps) -> dict[str, float]:
    """Share of other class ids; largest difference of anything else (depth relative where it is beyond 1 m)."""
    return {
        name: float(np.mean(expected[name] != got[name]))
        if name == SEGMENTATION.name
        else float(np.max(np.abs(expected[name] - got[name]) / np.maximum(1.0, np.abs(expected[name]))))
        for name in expected
    }


def write_graph(model: InferenceModel, path: Path) -> None:
    """Export the network to ONNX in its fast form, for any batch; without a card."""
    example = torch.zeros(2, model.card.height, model.card.width, 3, dtype=torch.uint8)
    program = torch.onnx.export(
        model,
        (example,),
        dynamo=True,
        opset_version=OPSET,
        input_names=[INPUT],
        output_names=list(model.card.tasks),
        dynamic_shapes={"image": {0: torch.export.Dim("batch", min=1, max=64)}},
        verbose=False,
    )
    assert program is not None
    graph = ir.to_proto(in_fast_form(program.model))
    for node in graph.graph.node:  # of what the exporter notes, only which module a node is from is of use to others
        scopes = [entry for entry in node.metadata_props if entry.key == SCOPES_KEY]
        del node.metadata_props[:]
        node.metadata_props.extend(scopes)
    onnx.save(graph, str(path))


def _write_card(path: Path, card: ModelCard, golden: Golden | None = None) -> None:
    graph = onnx.load(str(path))
    of_golden = {GOLDEN_KEY: golden_to_json(golden)} if golden else {}
    onnx.helper.set_model_props(graph, {CARD_KEY: card.to_json(), **of_golden})
    onnx.save(graph, str(path))


def _comparison_images(card: ModelCard, folder: Path | None) -> Iterable[NDArray[np.uint8]]:
    """Noise, rooms, and the pictures in `folder`."""
    yield np.random.default_rng(0).integers(0, 256, (2, card.height, card.width, 3), np.uint8)
    yield render_rooms(seeds.COMPARED, card.width, card.height).image.numpy()
    for path in sorted(folder.iterdir()) if folder else ():
        picture = decode_picture(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
        if picture is None:
            raise TrainingError(f"{path}: not a picture that OpenCV can read.")
        resized = cv2.resize(picture, (card.width, card.height), interpolation=cv2.INTER_AREA)
        yield np.ascontiguousarray(resized[None, ..., ::-1], dtype=np.uint8)


def _provenance(checkpoint: Checkpoint, options: ExportOptions) -> dict[str, str]:
    data = checkpoint.config.data
    measured = "not measured"
    rooms = f"{options.rooms} synthetic rooms from seed {options.seed}" if options.rooms else "not measured"
    if options.manifest is not None:
        real = f"mean over the real sources of the first group in {options.manifest.name}"
        measured = f"depth and normals: {real}; segmentation and edges: {rooms}"
    elif options.rooms:
        measured = rooms if isinstance(data, RoomsConfig) else f"validation images of: {data.description}"
    pretrained = checkpoint.config.model.backbone.pretrained
    return {
        **checkpoint.card.provenance,
        **({"backbone": f"{pretrained}, frozen"} if pretrained else {}),
        "config": checkpoint.config.name,
        "phase": checkpoint.phase,
        "steps": str(checkpoint.step),
        "measured_on": measured,
        "exported_by": options.command,
        "torch": torch.__version__,
    }
