"""Keeping a run's ROS traffic to itself: a domain that nobody else here has, and loopback only."""

from __future__ import annotations

import os
import random
import socket

from avtar_ros.errors import AvtarError
from avtar_ros.resources import find_resource

LOOPBACK_PROFILE = "config/fastdds_loopback.xml"
BEFORE_JAZZY = ("humble", "iron")
OLD_PROFILE_NAME = ("humble", "iron", "jazzy")
PROFILE_NAMES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")


def claim_ros_domain() -> tuple[int, socket.socket]:
    """A ROS domain (1 to 100: their ports lie below the ephemeral ones) that no other run has, and the claim on it.

    The claim is a name among the kernel's abstract sockets: it reaches exactly as far as the ports that two
    equal domains would share, one network namespace, and ends when it is closed or its process ends.
    Raises AvtarError if all are taken.
    """
    for domain in random.sample(range(1, 101), 100):
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0avtar_ros/ros_domain/{domain}")
        except OSError:
            claim.close()
        else:
            return domain, claim
    raise AvtarError("all ROS domains from 1 to 100 are claimed by other runs. Wait until one has ended.")


def loopback_environment(domain: int) -> dict[str, str]:
    """Environment variables for ROS on this machine alone: the discovery range, and a profile whose sockets are bound
    to the loopback interface, without which the range keeps nobody out."""
    distribution = os.environ.get("ROS_DISTRO", "")
    variables = {"ROS_DOMAIN_ID": str(domain)} | transport_environment(str(find_resource(LOOPBACK_PROFILE)))
    if distribution in BEFORE_JAZZY:
        variables["ROS_LOCALHOST_ONLY"] = "1"
    else:
        variables["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    return variables


def transport_environment(profile: str = "") -> dict[str, str]:
    """The environment variable that makes Fast DDS read a profile; the shipped one, for shared memory, by default."""
    return {profile_name(): profile or str(find_resource("config/fastdds_shm.xml"))}


def profile_name() -> str:
    """The variable that this distribution's Fast DDS reads: later ones warn of the old name, earlier ones do not know
    the new one."""
    return PROFILE_NAMES[os.environ.get("ROS_DISTRO", "") in OLD_PROFILE_NAME]
