"""Models of every public kind of teacher, made on the spot with random weights, whose last layer says what is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
import transformers as hf
from onnx import TensorProto, helper

SIZE = {"height": 56, "width": 56}
LABELS = ("wall", "sofa", "sky", "armchair", "lamp")

DINO = {
    "hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2, "image_size": 56, "patch_size": 14,
    "out_indices": [1, 2, 3, 4], "apply_layernorm": True, "reshape_hidden_states": False,
}
DPT = {"neck_hidden_sizes": [8, 8, 8, 8], "fusion_hidden_size": 8}


def constant(layer: Any, *bias: float) -> None:
    """A last layer that says the same of every pixel."""
    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.copy_(torch.tensor(bias))


def _saved(model: Any, processor: Any, folder: Path, licence: str | None) -> Path:
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    if licence is not None:
        (folder / "README.md").write_text(f"---\nlicense: {licence}\n---\n# A model\n")
    return folder


def depth_anything(folder: Path, metres: float | None = 5.0, kind: str = "metric", licence: str | None = None) -> Path:
    """`metres` everywhere, of at most 20; with None what random weights see."""
    torch.manual_seed(0)
    backbone = hf.Dinov2Config(mlp_ratio=2, **DINO)
    config = hf.DepthAnythingConfig(
        backbone_config=backbone, patch_size=14, reassemble_hidden_size=16, reassemble_factors=[4, 2, 1, 0.5],
        head_hidden_size=8, depth_estimation_type=kind, max_depth=20, **DPT,
    )
    model = hf.DepthAnythingForDepthEstimation(config)
    if metres is not None:
        share = metres / 20
        constant(model.head.conv3, float(np.log(share / (1 - share))) if kind == "metric" else metres)
    return _saved(model, hf.DPTImageProcessorPil(size=SIZE, ensure_multiple_of=14), folder, licence)


def segformer(folder: Path, said: str | None = "sofa", labels: tuple[str, ...] = LABELS,
              licence: str | None = None, sure: float = 20.0) -> Path:
    """The class `said` everywhere, `sure` as a logit beside 0 of all others."""
    torch.manual_seed(0)
    config = hf.SegformerConfig(
        hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1], num_attention_heads=[1, 1, 2, 2], decoder_hidden_size=16,
        sr_ratios=[4, 2, 1, 1], id2label=dict(enumerate(labels)),
    )
    model = hf.SegformerForSemanticSegmentation(config)
    if said is not None:
        constant(model.decode_head.classifier, *(sure * (label == said) for label in labels))
    return _saved(model, hf.SegformerImageProcessorPil(size=SIZE), folder, licence)


def mask2former(folder: Path, said: str = "couch", labels: tuple[str, ...] = ("wall", "couch", "sky")) -> Path:
    torch.manual_seed(0)
    backbone = hf.SwinConfig(
        embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=4,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )
    config = hf.Mask2FormerConfig(
        backbone_config=backbone, feature_size=32, mask_feature_size=32, hidden_dim=32, encoder_feedforward_dim=16,
        encoder_layers=1, decoder_layers=2, dim_feedforward=16, num_attention_heads=2, num_queries=4,
        id2label=dict(enumerate(labels)),
    )
    model = hf.Mask2FormerForUniversalSegmentation(config)
    constant(model.class_predictor, *(20.0 * (label == said) for label in labels), 0.0)
    return _saved(model, hf.Mask2FormerImageProcessorPil(size={"height": 64, "width": 64}), folder, None)


def tips(folder: Path, normal: tuple[float, float, float] | None = (0.0, 0.6, 0.8)) -> Path:
    """A model of depth, normals and classes, by a processor that needs no torchvision, instead of its own."""
    torch.manual_seed(0)
    vision = {"model_type": "tipsv2_vision_model", **DINO}
    labels = dict(enumerate(LABELS))
    config = hf.Tipsv2DptConfig(backbone_config=vision, num_depth_bins=8, id2label=labels, **DPT)
    model = hf.Tipsv2DptForDensePrediction(config)
    if normal is not None:
        constant(model.normals_decoder.head, *normal)
    return _saved(model, hf.DPTImageProcessorPil(size=SIZE, do_normalize=False), folder, "apache-2.0")


def graph(path: Path, *, depth: bool = True, logits: int = 0, normals: bool = False, size: int = 32) -> Path:
    """An .onnx file without a card: `depth` is 1 + the mean of red, green and blue as they come in, (B, 1, H, W);
    `logits` (B, H, W, C) prefer class 1, `normals` (B, 3, H, W) are (0, 0.6, 0.8)."""
    shape = ["batch", 3, size, size]
    nodes = [helper.make_node("ReduceMean", ["pixels", "axes"], ["mean"], keepdims=1)]
    constants = [helper.make_tensor("axes", TensorProto.INT64, [1], [1]),
                 helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0]),
                 helper.make_tensor("zero", TensorProto.FLOAT, [1], [0.0])]
    outputs = []
    if depth:
        nodes.append(helper.make_node("Add", ["mean", "one"], ["distance"]))
        outputs.append(helper.make_tensor_value_info("distance", TensorProto.FLOAT, ["batch", 1, size, size]))
    nodes.append(helper.make_node("Mul", ["mean", "zero"], ["blank"]))
    if logits:
        values = [0.0, 20.0, *[0.0] * (logits - 2)]
        constants.append(helper.make_tensor("preferred", TensorProto.FLOAT, [1, 1, 1, logits], values))
        nodes += [helper.make_node("Transpose", ["blank"], ["blank_last"], perm=[0, 2, 3, 1]),
                  helper.make_node("Add", ["blank_last", "preferred"], ["logits"])]
        outputs.append(helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", size, size, logits]))
    if normals:
        constants.append(helper.make_tensor("direction", TensorProto.FLOAT, [1, 3, 1, 1], [0.0, 0.6, 0.8]))
        nodes.append(helper.make_node("Add", ["blank", "direction"], ["normals"]))
        outputs.append(helper.make_tensor_value_info("normals", TensorProto.FLOAT, ["batch", 3, size, size]))
    pixels = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, shape)
    model = helper.make_model(
        helper.make_graph(nodes, "teacher", [pixels], outputs, constants), opset_imports=[helper.make_opsetid("", 18)]
    )
    model.ir_version = 10
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(path))
    return path
