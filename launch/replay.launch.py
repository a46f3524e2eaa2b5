"""Play a recording through the node: ros2 launch avtar_ros replay.launch.py source:=recording.mcap

It begins as soon as someone subscribes to a map. Several cameras of a bag:

    ros2 launch avtar_ros replay.launch.py source:=bag cameras:=left,right topics:=/left/image_raw,/right/image_raw
"""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction, Shutdown
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from avtar_ros.resources import find_resource

PATIENCE_S = 3600.0
"""How long to wait for a subscriber, such as RViz that somebody opens."""


def start_source(context: LaunchContext) -> list[Node]:
    """The camera source; all ends when the recording does."""

    def argument(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    cameras = argument("cameras").split(",")
    return [
        Node(
            package="avtar_ros",
            executable="camera_source",
            namespace=argument("namespace"),
            output="screen",
            parameters=[
                {
                    "source": argument("source"),
                    "topics": argument("topics").split(",") if argument("topics") else [""] * len(cameras),
                    "cameras": cameras,
                    "rate": float(argument("rate")),
                    "loop": argument("loop").lower() == "true",
                    "clock": argument("use_sim_time").lower() == "true",
                    "wait_for_subscriber": PATIENCE_S,
                }
            ],
            on_exit=Shutdown(),
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
            DeclareLaunchArgument("cameras", default_value="camera", description="Names of the cameras: left,right."),
            DeclareLaunchArgument("namespace", default_value="", description="Namespace of all, as robot/head."),
            DeclareLaunchArgument("rate", default_value="0.0", description="Frames per second; 0 as recorded."),
            DeclareLaunchArgument("loop", default_value="false", description="Begin again at the end."),
            DeclareLaunchArgument(
                "use_sim_time", default_value="false", description="Live in the recorded time, told on /clock."
            ),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(str(find_resource("launch/avtar.launch.py"))),
                launch_arguments={
                    name: LaunchConfiguration(name) for name in ("cameras", "namespace", "use_sim_time")
                }.items(),
            ),
            OpaqueFunction(function=start_source),
        ]
    )
