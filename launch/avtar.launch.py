"""Start the node: ros2 launch avtar_ros avtar.launch.py cameras:=front,rear model:=my.onnx

All arguments: ros2 launch avtar_ros avtar.launch.py --show-args
"""

from launch import LaunchContext, LaunchDescription
from launch.action import Action
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from avtar_ros.resources import find_resource
from avtar_ros.ros.isolation import transport_environment

RESPAWN_DELAY_S = 1.0


def start_node(context: LaunchContext) -> list[Action]:
    """The node with the parameters file, and over it those arguments that were given."""

    def argument(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    def is_on(name: str) -> bool:
        return argument(name).lower() == "true"

    model, cameras, autostart = argument("model"), argument("cameras"), argument("autostart")
    given = [{"use_sim_time": is_on("use_sim_time")}]
    given += [{"model": model}] * bool(model)
    given += [{"cameras": cameras.split(",")}] * bool(cameras)
    given += [{"autostart": is_on("autostart")}] * bool(autostart)
    profile = argument("profile")
    return [
        *(SetEnvironmentVariable(*variable) for variable in transport_environment(profile).items() if profile),
        Node(
            package="avtar_ros",
            executable="multitask_node",
            namespace=argument("namespace"),
            output="screen",
            parameters=[argument("params_file"), *given],
            arguments=["--ros-args", "--log-level", argument("log_level")],
            respawn=is_on("respawn"),
            respawn_delay=RESPAWN_DELAY_S,
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
                description="Parameters of the node.",
            ),
            DeclareLaunchArgument("namespace", default_value="", description="Namespace of the node, as robot/head."),
            DeclareLaunchArgument(
                "autostart",
                default_value="",
                description="true: configure and activate at the start; false: a lifecycle manager does it; empty for "
                "the parameters file's.",
            ),
            DeclareLaunchArgument("respawn", default_value="false", description="Start the node again if it dies."),
            DeclareLaunchArgument("use_sim_time", default_value="false", description="Take the time from /clock."),
            DeclareLaunchArgument(
                "profile",
                default_value=str(find_resource("config/fastdds_shm.xml")),
                description="Transport profile for Fast DDS; empty for that of the environment. Whatever sends images "
                "or receives maps on the same machine needs the same one.",
            ),
            DeclareLaunchArgument("log_level", default_value="info", description="debug, info, warn, error or fatal."),
            OpaqueFunction(function=start_node),
        ]
    )
