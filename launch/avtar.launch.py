"""Start the node: ros2 launch avtar_ros avtar.launch.py cameras:=front,rear model:=my.onnx"""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from avtar_ros.isolation import transport_environment
from avtar_ros.resources import find_resource


def start_node(context: LaunchContext) -> list[Node]:
    """The node with the parameters file, and over it those arguments that were given."""
    model = LaunchConfiguration("model").perform(context)
    cameras = LaunchConfiguration("cameras").perform(context)
    given = [{"model": model}] * bool(model) + [{"cameras": cameras.split(",")}] * bool(cameras)
    return [
        Node(
            package="avtar_ros",
            executable="multitask_node",
            output="screen",
            parameters=[LaunchConfiguration("params_file"), *given],
            arguments=["--ros-args", "--log-level", LaunchConfiguration("log_level")],
        )
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
            DeclareLaunchArgument("log_level", default_value="info", description="debug, info, warn, error or fatal."),
            *(SetEnvironmentVariable(name, value) for name, value in transport_environment().items()),
            OpaqueFunction(function=start_node),
        ]
    )
