"""Test runs at the same time, on the same machine, do not hear one another."""

import os
import subprocess
import sys

CLAIM = "import socket, sys; socket.socket(socket.AF_UNIX).bind(chr(0) + sys.argv[1])"


def test_the_domain_of_this_run_is_set_and_its_ports_are_free_for_it(ros_domain: int) -> None:
    assert os.environ["ROS_DOMAIN_ID"] == str(ros_domain)
    assert 1 <= ros_domain <= 100


def test_no_other_process_can_claim_the_domain_of_this_run(ros_domain: int) -> None:
    command = [sys.executable, "-c", CLAIM, f"avtar_ros/ros_domain/{ros_domain}"]
    claim = subprocess.run(command, capture_output=True, text=True)
    assert claim.returncode != 0
    assert "in use" in claim.stderr
