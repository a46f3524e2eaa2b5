"""ROS parameters as data classes: each field declares its default, description and limits once.

    @dataclass(frozen=True)
    class MyParameters:
        rate: float = parameter(0.0, "Frames per second.", limits=(0.0, 1000.0))

    declare_parameters(node, MyParameters)
    parameters = read_parameters(node, MyParameters)
"""

from __future__ import annotations

import array
import dataclasses
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.srv import SetParameters
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.exceptions import ParameterException, ParameterNotDeclaredException
from rclpy.parameter import Parameter

from avtar_ros.errors import AvtarError
from avtar_ros.ros.edges import Edge, refused
from avtar_ros.terminal.names import printable, printable_lines

if TYPE_CHECKING:
    from rclpy.node import Node

T = TypeVar("T")


@dataclass(frozen=True)
class Rules:
    """What a parameter means and what values it takes; `dynamic` if it acts while the node works.

    `number_as_text`: a whole number is taken for its digits, for ROS reads source:=0 as a number.
    """

    description: str
    limits: tuple[float, float] | None
    choices: tuple[str, ...]
    dynamic: bool
    least: float = 0.0
    number_as_text: bool = False

    def fault(self, value: Any) -> str:
        """Why this cannot be the value, or nothing. ROS itself checks no more than the limits of a single number."""
        if self.number_as_text and (isinstance(value, bool) or not isinstance(value, (str, int))):
            return f"must be text or a whole number, not {value!r}"
        if self.choices and value not in self.choices:
            return f"must be one of: {', '.join(self.choices)}"
        if isinstance(value, tuple) and not value:
            return "must not be empty"
        numbers = [number for number in (value if isinstance(value, tuple) else (value,)) if self.limits]
        each = "each " * isinstance(value, tuple)
        if outside := [number for number in numbers if not self._within(number)]:
            return f"{outside[0]} is out of range: {each}must be {self.range}"
        if small := [number for number in numbers if 0 < number < self.least]:
            return f"{small[0]} is too small to mean anything: {each}must be 0, or at least {self.least:g}"
        if any(isinstance(text, str) and "\0" in text for text in (value if isinstance(value, tuple) else (value,))):
            return "must not contain the character NUL"
        return ""

    def _within(self, number: Any) -> bool:
        """False for NaN as well."""
        assert self.limits
        low, high = self.limits
        return isinstance(number, (int, float)) and (low <= number <= high)

    @property
    def range(self) -> str:
        """The limits in words."""
        assert self.limits
        low, high = self.limits
        return f"from {low:g} to {high:g}"


def parameter(
    default: T,
    description: str,
    *,
    limits: tuple[float, float] | None = None,
    choices: tuple[str, ...] = (),
    dynamic: bool = False,
    least: float = 0.0,
    number_as_text: bool = False,
) -> T:
    """A data class field that is a ROS parameter: bool, int, float, str, or a tuple of strings or floats, not empty.

    Limits hold for each number of a tuple; `least` is the smallest that means something, where 0 has a meaning too.
    """
    rules = Rules(description, limits, choices, dynamic, least, number_as_text)
    return dataclasses.field(default=default, metadata={"rules": rules})


def declare_parameters(node: Node, record: type[T], accept: Callable[[T], None] | None = None) -> None:
    """Declare each field of the data class `record`; raises AvtarError for a value that it may not have.

    `accept` is called with the values as they are to become by each later change, and takes effect at once; by
    raising AvtarError it refuses them. Without it there are no later changes.
    """
    rules = _rules(record)

    def check(parameters: list[Parameter[Any]]) -> SetParametersResult:
        for p in parameters:
            if p.name in rules and (reason := rules[p.name].fault(_value(p))):
                return SetParametersResult(successful=False, reason=reason)
        return SetParametersResult(successful=True)

    def check_and_accept(parameters: list[Parameter[Any]]) -> SetParametersResult:
        result = check(parameters)
        changes = {p.name: _value(p) for p in parameters if p.name in rules}
        if result.successful and changes:
            old = read_parameters(node, record)
            try:
                (accept or _refuse_changes(old))(dataclasses.replace(old, **changes))  # type: ignore[type-var]
            except AvtarError as error:
                return SetParametersResult(successful=False, reason=printable_lines(str(error)))
        return result

    node.add_on_set_parameters_callback(check)
    for name, rule in rules.items():
        default = getattr(record, name)
        default = list(default) if isinstance(default, tuple) else default
        try:
            declared = node.declare_parameter(name, default, _descriptor(rule, default))
            if rule.number_as_text and not isinstance(declared.value, str):
                node.set_parameters([Parameter(name, value=str(declared.value))])
        except ParameterException as error:
            raise AvtarError(str(error)) from error
    node.remove_on_set_parameters_callback(check)
    node.add_on_set_parameters_callback(check_and_accept)


def read_parameters(node: Node, record: type[T]) -> T:
    """The values that the declared parameters have now."""
    return record(**{name: _value(node.get_parameter(name)) for name in _rules(record)})


async def _nothing(_: Parameter[Any]) -> None:
    pass


def serve_set_parameters(
    node: Node, edge: Edge, prepare: Callable[[Parameter[Any]], Awaitable[None]] = _nothing
) -> None:
    """Await `prepare` before each parameter is set by the service ~/set_parameters, other callbacks going on.

    The service that rclpy makes has the executor wait for whatever setting a parameter takes, and gives no answer where
    a value has a type that it does not know. Here each parameter has its own answer.
    """

    async def set_one(message: ParameterMessage) -> SetParametersResult:
        try:
            p = Parameter.from_parameter_msg(message)
            await prepare(p)
            return node.set_parameters_atomically([p])
        except (ParameterNotDeclaredException, AvtarError, ValueError, TypeError) as error:  # of values from outside
            return refused(error)
        except Exception as error:  # noqa: BLE001, the service's edge: logged, counted, and told to who asked
            edge.caught(f"setting the parameter {printable(message.name)}")
            return refused(error)

    async def on_set(request: SetParameters.Request, response: SetParameters.Response) -> SetParameters.Response:
        for message in request.parameters:
            response.results.append(await set_one(message))
        return response

    (service,) = (service for service in node.services if service.srv_name.endswith("/set_parameters"))
    service.callback = on_set
    # In a group of its own: others of the node's default group would wait for it.
    service.callback_group = MutuallyExclusiveCallbackGroup()
    service.callback_group.add_entity(service)


def _refuse_changes(old: Any) -> Callable[[Any], None]:
    def accept(new: Any) -> None:
        if names := changed_parameters(old, new):
            raise AvtarError(f"{', '.join(names)} cannot change while the node runs. Start it anew with the value.")

    return accept


def changed_parameters(old: Any, new: Any) -> list[str]:
    """The names of the fields in which two records of the same data class differ."""
    return [name for name in _rules(old) if getattr(old, name) != getattr(new, name)]


def fixed_parameters(record: Any, names: Iterable[str]) -> list[str]:
    """Those of the fields named that are not dynamic."""
    rules = _rules(record)
    return [name for name in names if not rules[name].dynamic]


def _value(p: Parameter[Any]) -> Any:
    """Arrays as tuples, which rclpy gives as lists or as arrays according to where they come from."""
    return tuple(p.value) if isinstance(p.value, (list, array.array)) else p.value


def _rules(record: Any) -> dict[str, Rules]:
    return {field.name: field.metadata["rules"] for field in dataclasses.fields(record)}


def _descriptor(rules: Rules, default: Any) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(description=rules.description, dynamic_typing=rules.number_as_text)
    if rules.choices:
        descriptor.additional_constraints = f"One of: {', '.join(rules.choices)}"
    if isinstance(default, list):
        if rules.limits:  # for which ROS has ranges of single numbers only
            least = f", 0 or at least {rules.least:g}" if rules.least else ""
            descriptor.additional_constraints = f"Each {rules.range}{least}"
    elif rules.limits and isinstance(default, int):
        first, last = map(int, rules.limits)
        descriptor.integer_range = [IntegerRange(from_value=first, to_value=last, step=1)]
    elif rules.limits:
        low, high = rules.limits
        if rules.least:
            descriptor.additional_constraints = f"0, or at least {rules.least:g}"
        descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high, step=0.0)]
    return descriptor
