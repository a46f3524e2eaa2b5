"""Start one node for several cameras whose drivers publish anywhere:

    ros2 launch avtar_ros multi_camera.launch.py cameras:=front=/realsense/color/image_raw,rear=/usb_cam/image_raw

Maps of the first appear on front/segmentation/image and so on. Frames that wait at the same time go through the
network as one batch. Everything that avtar.launch.py takes can be given as well.
"""

from launch import LaunchContext, LaunchDescription
from launch.action import Action
from launch.actions import (
    DeclareLaunchArgument,
    GroupAction,
    IncludeLaunchDescription,
    OpaqueFunction,
    SetLaunchConfiguration,
)
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import SetRemap

from avtar_ros.resources import find_resource
from avtar_ros.ros import launching
from avtar_ros.ros.names import COMPRESSED, beside


def lead(context: LaunchContext) -> list[Action]:
    """Each camera's topics led to those of its driver, and the names of all for the node."""
    cameras = launching.camera_topics("cameras", LaunchConfiguration("cameras").perform(context))
    remaps = []
    for name, image in cameras.items():
        topic = image.removesuffix(COMPRESSED)
        remaps += [
            SetRemap(f"{name}/image_raw", topic),
            SetRemap(f"{name}/image_raw{COMPRESSED}", topic + COMPRESSED),
            SetRemap(f"{name}/camera_info", beside(topic, "camera_info")),
        ]
    return [*remaps, SetLaunchConfiguration("camera_names", ",".join(cameras))]


def generate_launch_description() -> LaunchDescription:
    node = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(find_resource("launch/avtar.launch.py"))),
        launch_arguments={"cameras": LaunchConfiguration("camera_names")}.items(),
    )
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "cameras", description="Names and image topics of the cameras: front=/a/image_raw,rear=/b/image_raw."
            ),
            GroupAction([OpaqueFunction(function=lead), node]),
        ]
    )
