"""With the shipped loopback profile nobody in the network reaches a node, not even who knows where it is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from avtar_ros.resources import find_resource
from avtar_ros.ros.isolation import loopback_environment, transport_environment
from tests.ros_processes import PATIENCE_S, REPOSITORY, Client, RosProcess

NODE = """
import rclpy
rclpy.init()
node = rclpy.create_node("hidden")
print("ready", flush=True)
rclpy.spin(node)
"""
STRANGER = """
import sys, time
import rclpy
rclpy.init()
node = rclpy.create_node("stranger")
deadline = time.monotonic() + float(sys.argv[1])
while time.monotonic() < deadline and "hidden" not in node.get_node_names():
    time.sleep(0.1)
print("seen" if "hidden" in node.get_node_names() else "unseen")
"""
LOOKING_S = 6
"""How long a stranger looks for what must not be seen."""
EPHEMERAL = 32768
"""The first port that the kernel gives to who asks for none; those of ROS domains up to 100 lie below."""


def receiving(pid: int) -> set[str]:
    """Where a process receives: the addresses of its UDP sockets but of those on ephemeral ports, which only send."""
    listed = subprocess.run(["ss", "-lunpH"], capture_output=True, text=True, check=True).stdout
    bound = [line.split()[3].rpartition(":") for line in listed.splitlines() if f"pid={pid}," in line]
    return {address for address, _, port in bound if int(port) < EPHEMERAL}


@pytest.mark.skipif(not shutil.which("ss"), reason="`ss` of iproute2, which lists sockets, is not here")
def test_a_node_has_sockets_on_the_loopback_interface_alone(
    client: Client, tiny_model: Path, tmp_path: Path
) -> None:
    with RosProcess("avtar_ros.node.multitask_node", tmp_path / "log", {"model": tiny_model}) as node:
        client.wait_until(lambda: "multitask_node" in client.node.get_node_names(), "the node")
        assert receiving(node._process.pid) == {"127.0.0.1"}


@pytest.fixture
def networks() -> Iterator[tuple[str, str]]:
    """Two network namespaces joined by a cable, 10.77.0.1 and 10.77.0.2."""
    if os.geteuid() or not shutil.which("ip") or not shutil.which("unshare"):
        pytest.skip("joining network namespaces takes root, and `ip` of iproute2")
    mark = uuid.uuid4().hex[:6]
    names = f"avtar-{mark}-a", f"avtar-{mark}-b"
    commands = [f"ip netns add {name}" for name in names]
    commands += [f"ip link add v{mark}a type veth peer name v{mark}b"]
    for name, end, address in zip(names, "ab", "12", strict=True):
        commands += [f"ip link set v{mark}{end} netns {name}"]
        commands += [f"ip -n {name} addr add 10.77.0.{address}/24 dev v{mark}{end}"]
        commands += [f"ip -n {name} link set v{mark}{end} up", f"ip -n {name} link set lo up"]
    try:
        for command in commands:
            run = subprocess.run(command.split(), capture_output=True, text=True)
            if run.returncode:
                pytest.skip(f"network namespaces cannot be made here: {run.stderr.strip()}")
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)


def inside(network: str, script: str, *arguments: str) -> list[str]:
    """A command for a machine of its own: with that network, another host name, and no memory shared with others."""
    own = 'mount -t tmpfs none /dev/shm && hostname "$0" && exec "$@"'
    isolated = ["unshare", "--mount", "--uts", "sh", "-c", own, network]
    return ["ip", "netns", "exec", network, *isolated, sys.executable, "-c", script, *arguments]


def sees(networks: tuple[str, str], environment: dict[str, str], looking_s: float) -> bool:
    """Whether a stranger in the other network, who knows its address, sees a node with this environment."""
    mine, other = networks
    with subprocess.Popen(
        inside(mine, NODE), env=os.environ | environment, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    ) as node:
        try:
            assert node.stdout is not None
            assert node.stdout.readline() == "ready\n"
            stranger = os.environ | transport_environment() | {
                "ROS_DOMAIN_ID": environment["ROS_DOMAIN_ID"],
                "ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET",
                "ROS_STATIC_PEERS": "10.77.0.1",
            }
            command = inside(other, STRANGER, str(looking_s))
            patience_s = looking_s + PATIENCE_S
            run = subprocess.run(
                command, env=stranger, capture_output=True, text=True, timeout=patience_s, cwd=REPOSITORY
            )
            assert run.stdout.strip() in ("seen", "unseen"), run.stderr
            return run.stdout.strip() == "seen"
        finally:
            node.kill()


@pytest.mark.slow
def test_a_stranger_who_knows_the_address_sees_nothing(networks: tuple[str, str], ros_domain: int) -> None:
    without = loopback_environment(ros_domain) | transport_environment(str(find_resource("config/fastdds_shm.xml")))
    if "ROS_AUTOMATIC_DISCOVERY_RANGE" in without:  # Humble has another variable in its place, which does keep them out
        assert sees(networks, without, PATIENCE_S)  # the discovery range by itself keeps nobody out
    assert not sees(networks, loopback_environment(ros_domain), LOOKING_S)
