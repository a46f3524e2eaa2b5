"""Play a recording through the node: ros2 launch avtar_ros replay.launch.py source:=recording.mcap"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, Shutdown
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from avtar_ros.resources import find_resource


def generate_launch_description() -> LaunchDescription:
    """Everything that avtar.launch.py starts and takes, and a camera source; all ends when the recording does."""
    return LaunchDescription(
        [
            DeclareLaunchArgument("source", description="A bag, a video, a folder of pictures, or a webcam's number."),
            DeclareLaunchArgument("topic", default_value="", description="Image topic of the bag; empty: found."),
            DeclareLaunchArgument("rate", default_value="0.0", description="Frames per second; 0 as recorded."),
            DeclareLaunchArgument("loop", default_value="false", description="Begin again at the end."),
            IncludeLaunchDescription(PythonLaunchDescriptionSource(str(find_resource("launch/avtar.launch.py")))),
            Node(
                package="avtar_ros",
                executable="camera_source",
                output="screen",
                parameters=[
                    {
                        "source": ParameterValue(LaunchConfiguration("source"), value_type=str),
                        "topic": ParameterValue(LaunchConfiguration("topic"), value_type=str),
                        "rate": ParameterValue(LaunchConfiguration("rate"), value_type=float),
                        "loop": ParameterValue(LaunchConfiguration("loop"), value_type=bool),
                        "wait_for_subscriber": 60.0,
                    }
                ],
                on_exit=Shutdown(),
            ),
        ]
    )
