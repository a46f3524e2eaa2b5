"""Start the node: ros2 launch avtar_ros avtar.launch.py cameras:=front,rear model:=my.onnx

All arguments: ros2 launch avtar_ros avtar.launch.py --show-args
"""

from typing import Any

from launch import LaunchContext, LaunchDescription
from launch.action import Action
from launch.actions import DeclareLaunchArgument, OpaqueFunction, Shutdown
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from avtar_ros.errors import AvtarError
from avtar_ros.resources import find_resource
from avtar_ros.ros import launching

RESPAWN_DELAY_S = 1.0


def start_node(context: LaunchContext) -> list[Action]:
    """The node with the parameters file, and over it those arguments that were given."""

    def argument(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    def is_on(name: str) -> bool:
        return launching.flag(name, argument(name))

    given: dict[str, Any] = {}
    if model := argument("model"):
        given["model"] = launching.file("model", model)
    if cameras := argument("cameras"):
        given["cameras"] = launching.names("cameras", cameras)
    for name in ("autostart", "use_sim_time"):
        if argument(name):
            given[name] = is_on(name)
    params_file = launching.file("params_file", argument("params_file"))
    launching.node_parameters("params_file", params_file, "multitask_node")
    if is_on("respawn") and is_on("required"):
        raise AvtarError("arguments respawn and required: either the node is started again, or all ends with it.")
    return [
        Node(
            package="avtar_ros",
            executable="multitask_node",
            namespace=argument("namespace"),
            output="screen",
            parameters=[params_file, *[given] * bool(given)],
            arguments=["--ros-args", "--log-level", launching.log_level("log_level", argument("log_level"))],
            # Of this process alone: what a launch file that includes this one starts next has the environment it had.
            additional_env=launching.profile_environment("profile", argument("profile"), context.environment),
            respawn=is_on("respawn"),
            respawn_delay=RESPAWN_DELAY_S,
            on_exit=Shutdown(reason="the node has ended") if is_on("required") else None,
        ),
    ]


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "model", default_value="", description="Model file; empty for the parameters file's."
            ),
            DeclareLaunchArgument(
                "cameras",
                default_value="",
                description="Names of the cameras, as front,rear; empty for the parameters file's.",
            ),
            DeclareLaunchArgument(
                "params_file",
                default_value=str(find_resource("config/avtar.yaml")),
                description="Parameters of the node. What is given as an argument goes before it.",
            ),
            DeclareLaunchArgument("namespace", default_value="", description="Namespace of the node, as robot/head."),
            DeclareLaunchArgument(
                "autostart",
                default_value="",
                description="true: configure and activate at the start; false: a lifecycle manager does it; empty for "
                "the parameters file's.",
            ),
            DeclareLaunchArgument(
                "respawn", default_value="false", description="true: start the node again if it dies."
            ),
            DeclareLaunchArgument(
                "required", default_value="false", description="true: end all that was launched if the node ends."
            ),
            DeclareLaunchArgument(
                "use_sim_time",
                default_value="",
                description="true: take the time from /clock; empty for the parameters file's, or false.",
            ),
            DeclareLaunchArgument(
                "profile",
                default_value="",
                description="Transport profile for Fast DDS; empty for that of the environment, or the shipped one "
                "where there is none; none for that of the environment alone. Whatever sends images or receives maps "
                "on the same machine needs the same one.",
            ),
            DeclareLaunchArgument(
                "log_level",
                default_value="info",
                description="debug, info, warn, error or fatal, or that of one logger, as name:=debug.",
            ),
            OpaqueFunction(function=start_node),
        ]
    )
