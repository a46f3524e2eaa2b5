"""ROS parameters as data classes: each field declares its default, description and limits once.

    @dataclass(frozen=True)
    class MyParameters:
        rate: float = parameter(0.0, "Frames per second.", limits=(0.0, 1000.0))

    parameters = declare_parameters(node, MyParameters)
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.exceptions import ParameterException

from avtar_ros.errors import AvtarError

if TYPE_CHECKING:
    from rclpy.node import Node
    from rclpy.parameter import Parameter

T = TypeVar("T")


@dataclass(frozen=True)
class Rules:
    """What a parameter means and what values it takes."""

    description: str
    limits: tuple[float, float] | None
    choices: tuple[str, ...]


def parameter(
    default: T,
    description: str,
    *,
    limits: tuple[float, float] | None = None,
    choices: tuple[str, ...] = (),
) -> T:
    """A data class field that is a ROS parameter: bool, int, float, str, or a tuple of strings, not empty."""
    return dataclasses.field(default=default, metadata={"rules": Rules(description, limits, choices)})


def declare_parameters(node: Node, record: type[T]) -> None:
    """Declare each field of the data class `record`; raises AvtarError for a value that it may not have."""
    rules = _rules(record)

    def check(parameters: list[Parameter[Any]]) -> SetParametersResult:
        for p in parameters:
            if p.name in rules and (choices := rules[p.name].choices) and p.value not in choices:
                return SetParametersResult(successful=False, reason=f"must be one of: {', '.join(choices)}")
        return SetParametersResult(successful=True)

    node.add_on_set_parameters_callback(check)
    for name, rule in rules.items():
        default = getattr(record, name)
        default = list(default) if isinstance(default, tuple) else default
        try:
            node.declare_parameter(name, default, _descriptor(rule, default))
        except ParameterException as error:
            raise AvtarError(str(error)) from error


def read_parameters(node: Node, record: type[T]) -> T:
    """The values that the declared parameters have now."""
    values = {name: node.get_parameter(name).value for name in _rules(record)}
    return record(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})


def _rules(record: Any) -> dict[str, Rules]:
    return {field.name: field.metadata["rules"] for field in dataclasses.fields(record)}


def _descriptor(rules: Rules, default: Any) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(description=rules.description)
    if rules.choices:
        descriptor.additional_constraints = f"One of: {', '.join(rules.choices)}"
    if rules.limits and isinstance(default, int):
        first, last = map(int, rules.limits)
        descriptor.integer_range = [IntegerRange(from_value=first, to_value=last, step=1)]
    elif rules.limits:
        low, high = rules.limits
        descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high, step=0.0)]
    return descriptor
