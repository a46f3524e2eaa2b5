"""Start one node for several cameras whose drivers publish anywhere:

    ros2 launch avtar_ros multi_camera.launch.py cameras:=front=/realsense/color/image_raw,rear=/usb_cam/image_raw

Maps of the first appear on front/segmentation/image and so on. Frames that wait at the same time go through the
network as one batch. Everything that avtar.launch.py takes can be given as well.
"""

from launch import LaunchContext, LaunchDescription
from launch.action import Action
from launch.actions import DeclareLaunchArgument, GroupAction, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import SetRemap

from avtar_ros.resources import find_resource


def start_node(context: LaunchContext) -> list[Action]:
    """The node of avtar.launch.py, each camera's topics led to those of its driver."""
    pairs = [pair.partition("=") for pair in LaunchConfiguration("cameras").perform(context).split(",")]
    if wrong := [name for name, equals, topic in pairs if not (name and equals and topic)]:
        raise RuntimeError(f"argument cameras: {wrong} lack a topic. Give them as front=/front/image,rear=/rear/image")
    topics = {name: topic.removesuffix("/compressed") for name, _, topic in pairs}
    remaps = [
        remap
        for name, topic in topics.items()
        for remap in (
            SetRemap(f"{name}/image_raw", topic),
            SetRemap(f"{name}/image_raw/compressed", f"{topic}/compressed"),
            SetRemap(f"{name}/camera_info", f"{topic.rpartition('/')[0]}/camera_info"),
        )
    ]
    node = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(find_resource("launch/avtar.launch.py"))),
        launch_arguments={"cameras": ",".join(topics)}.items(),
    )
    return [GroupAction([*remaps, node])]


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "cameras", description="Names and image topics of the cameras: front=/a/image_raw,rear=/b/image_raw."
            ),
            OpaqueFunction(function=start_node),
        ]
    )
