"""The tasks: one record each, in a file of its own, holding everything that differs between them on the robot's side.

To add a task, add a record here, and one of the same name in `training.tasks`.
"""

from avtar_ros.tasks.depth import DEPTH
from avtar_ros.tasks.edges import EDGES
from avtar_ros.tasks.metric import Maps, TaskMap
from avtar_ros.tasks.normals import NORMALS
from avtar_ros.tasks.segmentation import SEGMENTATION
from avtar_ros.tasks.task import Task

__all__ = ["DEPTH", "EDGES", "NORMALS", "SEGMENTATION", "TASKS", "Maps", "Task", "TaskMap"]

TASKS: dict[str, Task] = {task.name: task for task in (SEGMENTATION, DEPTH, NORMALS, EDGES)}
