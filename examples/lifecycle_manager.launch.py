"""The node as one of those that nav2's lifecycle manager brings up and takes down:

    ros2 launch examples/lifecycle_manager.launch.py model:=my.onnx cameras:=front

`autostart:=false` leaves configure and activate to the manager. The node has no bond, the heartbeat that nav2's own
nodes send the manager; with `bond_timeout` 0.0 it expects none. Without that it takes all of its nodes down again.
"""

from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import Node

from avtar_ros.resources import find_resource


def generate_launch_description() -> LaunchDescription:
    node = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(find_resource("launch/avtar.launch.py"))),
        launch_arguments={"autostart": "false"}.items(),
    )
    manager = Node(
        package="nav2_lifecycle_manager",
        executable="lifecycle_manager",
        name="lifecycle_manager_perception",
        output="screen",
        parameters=[{"autostart": True, "node_names": ["multitask_node"], "bond_timeout": 0.0}],
    )
    return LaunchDescription([node, manager])
