"""Play a recording through the node: ros2 launch avtar_ros replay.launch.py source:=recording.mcap

It begins as soon as someone subscribes to a map. Several cameras of a bag:

    ros2 launch avtar_ros replay.launch.py source:=bag cameras:=left,right topics:=/left/image_raw,/right/image_raw
"""

from typing import Any

from launch import LaunchContext, LaunchDescription
from launch.action import Action
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction, Shutdown
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from avtar_ros.resources import find_resource
from avtar_ros.ros import launching

PATIENCE_S = 3600.0
"""How long to wait for a subscriber, such as RViz that somebody opens."""


def source_parameters(context: LaunchContext) -> dict[str, Any]:
    """The parameters of the camera source; it plays the cameras that the node is given, by argument or by file."""

    def argument(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    def is_on(name: str) -> bool:
        return launching.flag(name, argument(name) or "false")

    if argument("cameras"):
        cameras = launching.names("cameras", argument("cameras"))
    else:
        params_file = launching.file("params_file", argument("params_file"))
        cameras = launching.node_parameters("params_file", params_file, "multitask_node").get("cameras") or ["camera"]
    topics = launching.names("topics", argument("topics")) if argument("topics") else [""] * len(cameras)
    return {
        "source": argument("source"),
        "topics": topics,
        "cameras": cameras,
        "rate": launching.number("rate", argument("rate")),
        "loop": is_on("loop"),
        "decode": is_on("decode"),
        "clock": is_on("use_sim_time"),
        "wait_for_subscriber": PATIENCE_S,
    }


def check_source(context: LaunchContext) -> list[Action]:
    """Refuse what is wrong before the node is started."""
    source_parameters(context)
    return []


def start_source(context: LaunchContext) -> list[Action]:
    """The camera source; all ends when the recording does."""
    profile = LaunchConfiguration("profile").perform(context)
    return [
        Node(
            package="avtar_ros",
            executable="camera_source",
            namespace=LaunchConfiguration("namespace").perform(context),
            output="screen",
            parameters=[source_parameters(context)],
            additional_env=launching.profile_environment("profile", profile, context.environment),
            on_exit=Shutdown(reason="the recording has ended"),
        )
    ]


def generate_launch_description() -> LaunchDescription:
    """Everything that avtar.launch.py starts and takes, and a camera source."""
    return LaunchDescription(
        [
            DeclareLaunchArgument("source", description="A bag, a video, a folder of pictures, or a webcam's number."),
            DeclareLaunchArgument(
                "topics", default_value="", description="Image topics of the bag, one for each camera; empty: found."
            ),
            DeclareLaunchArgument(
                "cameras",
                default_value="",
                description="Names of the cameras, as left,right; empty for the parameters file's.",
            ),
            DeclareLaunchArgument(
                "params_file",
                default_value=str(find_resource("config/avtar.yaml")),
                description="Parameters of the node.",
            ),
            DeclareLaunchArgument("namespace", default_value="", description="Namespace of all, as robot/head."),
            DeclareLaunchArgument("rate", default_value="0.0", description="Frames per second; 0 as recorded."),
            DeclareLaunchArgument("loop", default_value="false", description="true: begin again at the end."),
            DeclareLaunchArgument(
                "decode",
                default_value="true",
                description="true: publish compressed images as raw ones, which RViz shows; false: as recorded.",
            ),
            DeclareLaunchArgument(
                "use_sim_time", default_value="", description="true: live in the recorded time, told on /clock."
            ),
            DeclareLaunchArgument(
                "profile", default_value="", description="Transport profile for Fast DDS, as avtar.launch.py takes it."
            ),
            OpaqueFunction(function=check_source),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(str(find_resource("launch/avtar.launch.py"))),
                launch_arguments={
                    **{
                        name: LaunchConfiguration(name)
                        for name in ("cameras", "namespace", "params_file", "profile", "use_sim_time")
                    },
                    "required": "true",
                }.items(),
            ),
            OpaqueFunction(function=start_source),
        ]
    )
