"""The stages of an exported network, and keeping some of a half-precision one in float32.

The exporter notes for every node the module that it is from; a stage is a module as far as the first number in its
path, such as `model.adapters.2` or `model.backbone.model.encoder.layers.0`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence

import onnx
from onnx import TensorProto, helper

from engine_build.errors import BuildError
from engine_build.graph_rules import element_types

SCOPES_KEY = "pkg.torch.onnx.name_scopes"
OUTSIDE = "outside"
"""The stage of nodes that no module is noted for."""
WITHOUT_INPUT = ("Cast", "Constant", "ConstantOfShape")
"""Operators whose type an attribute says; the rest follow their inputs."""


def stage_of(node: onnx.NodeProto) -> str:
    for entry in node.metadata_props:
        if entry.key == SCOPES_KEY:
            *modules, _ = _noted(entry.value)  # the last is the node itself
            return _stage(modules[-1]) if modules and modules[-1] else OUTSIDE
    return OUTSIDE


def _noted(scopes: str | bytes) -> list[str]:
    """The names in the exporter's note; none where it is not one of the exporter's."""
    try:
        names = ast.literal_eval(str(scopes))
    except (SyntaxError, ValueError):
        names = None
    return names if isinstance(names, list) and names and all(isinstance(n, str) for n in names) else [""]


def _stage(module: str) -> str:
    parts = module.split(".")
    first_number = next((i for i, part in enumerate(parts) if part.isdigit()), len(parts))
    return ".".join(parts[: first_number + 1])


def half_precision_stages(model: onnx.ModelProto) -> list[str]:
    """The stages that compute in float16, in the order of the graph."""
    types = element_types(model)
    computing = (node for node in model.graph.node if node.op_type not in WITHOUT_INPUT)
    return list(
        dict.fromkeys(
            stage_of(node) for node in computing if any(types.get(name) == TensorProto.FLOAT16 for name in node.output)
        )
    )


def keep_in_float32(model: onnx.ModelProto, stages: Sequence[str]) -> onnx.ModelProto:
    """A copy of a half-precision model in which `stages` compute in float32, on weights as they are.

    What passes between two nodes that are kept stays in float32, also between stages, and what comes from float32 or
    goes back to it is not rounded on the way. Raises BuildError for a stage that the model does not have.
    """
    there = half_precision_stages(model)
    if unknown := [stage for stage in stages if stage not in there]:
        raise BuildError(
            f"this model has no half-precision stage {', '.join(unknown)}. It has: {', '.join(there) or 'none'}."
        )
    kept = onnx.ModelProto()
    kept.CopyFrom(model)
    types = element_types(model)
    nodes: list[onnx.NodeProto] = []
    single: dict[str, str] = {}
    halved = {node.output[0]: node.input[0] for node in kept.graph.node if node.op_type == "Cast"}

    def in_float32(name: str) -> str:
        if types.get(name) != TensorProto.FLOAT16:
            return name
        if types.get(halved.get(name, "")) == TensorProto.FLOAT:
            return halved[name]
        if name not in single:
            single[name] = f"{name}.float32"
            nodes.append(helper.make_node("Cast", [name], [single[name]], f"keep {name}", to=TensorProto.FLOAT))
        return single[name]

    for node in kept.graph.node:
        if node.op_type == "Cast":
            node.input[0] = single.get(node.input[0], node.input[0])
        if stage_of(node) not in stages or node.op_type in WITHOUT_INPUT:
            nodes.append(node)
            continue
        node.input[:] = [in_float32(name) for name in node.input]
        nodes.append(node)
        for i, name in enumerate(node.output):
            if types.get(name) == TensorProto.FLOAT16:
                node.output[i] = single[name] = f"{name}.float32"
                nodes.append(helper.make_node("Cast", [single[name]], [name], f"halve {name}", to=TensorProto.FLOAT16))
    used = {name for node in nodes for name in node.input} | {value.name for value in kept.graph.output}
    nodes = [node for node in nodes if used.intersection(node.output)]
    del kept.graph.node[:]
    kept.graph.node.extend(nodes)
    return kept


def fewest(candidates: Sequence[str], holds: Callable[[Sequence[str]], bool]) -> list[str]:
    """A smallest part of `candidates` for which `holds`, given that it holds for all of them; no element can be spared.

    Bisects: about 2 k log2(n / k) trials for k of n (Junker, QuickXplain, AAAI 2004). More must never be worse.
    """

    def search(background: list[str], grown: bool, rest: list[str]) -> list[str]:
        if grown and holds(background):
            return []
        if len(rest) == 1:
            return rest
        first, second = rest[: len(rest) // 2], rest[len(rest) // 2 :]
        of_second = search(background + first, True, second)
        of_first = search(background + of_second, bool(of_second), first)
        return of_first + of_second

    return [] if holds([]) else search([], False, list(candidates))
