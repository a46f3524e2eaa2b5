"""The licences of all that is installed here, for NOTICE.

    python docs/supply.py            # write them into NOTICE
    python docs/supply.py --check    # exit code 1 where a package has no licence that is known
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from importlib.metadata import Distribution, distributions
from pathlib import Path
from xml.etree import ElementTree

NOTICE = Path(__file__).resolve().parents[1] / "NOTICE"
MARK = "Installed packages.\n"
OWN = ("avtar_ros", "avtar-ros")
LONGEST = 60


def licence(package: Distribution) -> str:
    """What a package says of its licence: the expression, the classifiers, or the field; "" where it says nothing."""
    about = package.metadata
    if expression := about.get("License-Expression"):
        return str(expression)
    names = [line.rpartition(" :: ")[2] for line in about.get_all("Classifier") or [] if line.startswith("License ::")]
    if names:
        return ", ".join(sorted({name.removesuffix(" License") for name in names}))
    first = next(iter(str(about.get("License") or "").strip().splitlines()), "")
    return (first if len(first) <= LONGEST else f"{first[:LONGEST]}…") or _of_ros_package(package)


def _of_ros_package(package: Distribution) -> str:
    """What the package.xml says that a wheel of a ROS package brings; "" without one."""
    manifests = [file for file in package.files or [] if file.name == "package.xml"]
    found = {
        (element.text or "").strip()
        for file in manifests
        for element in ElementTree.fromstring(Path(str(file.locate())).read_text(encoding="utf-8")).iter("license")
    }
    return ", ".join(sorted(found - {""}))


def bundled(name: str) -> list[str]:
    """The shared libraries that a wheel brings along."""
    files = next((p.files or [] for p in distributions() if p.metadata["Name"] == name), [])
    libraries = [file.name for file in files if f"{name}.libs" in str(file).replace("_", "-")]
    return sorted({library.partition("-")[0].partition(".so")[0] for library in libraries})


def lines() -> list[str]:
    """A line a package, ROS's wheels after the others."""
    found = {p.metadata["Name"]: p for p in distributions() if p.metadata["Name"] and p.metadata["Name"] not in OWN}
    inside = [name for name in found if f"ros-{name.replace('_', '-')}" in found]  # which ROS's wheels bring along
    found = {name: package for name, package in found.items() if name not in inside}
    ros = sorted(name for name in found if name.startswith("ros-"))
    others = sorted(set(found) - set(ros), key=str.lower)

    def line(name: str) -> str:
        return f"  {name} {found[name].version}: {licence(found[name]) or 'not said in its metadata'}"

    return [
        "Python packages, by what their metadata say:", *map(line, others), "",
        f"ROS 2 as {len(ros)} wheels (the extra ros-wheels; a ROS installation has the same from its own packages):",
        *map(line, ros),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args()
    found = lines()
    unknown = [line.strip() for line in found if line.endswith("not said in its metadata")]
    if options.check:
        print("\n".join(unknown) or "every package says its licence")
        return 1 if unknown else 0
    before = NOTICE.read_text().partition(MARK)[0].rstrip("\n")
    libraries = textwrap.fill(", ".join(bundled("opencv-python-headless")), 118)
    about = (
        "None of them is part of this repository; they are what `make test` installs by constraints.txt. The wheel\n"
        "of opencv-python-headless bundles libraries with licences of their own, FFmpeg's (LGPL-2.1) among them,\n"
        f"whose texts are in its LICENSE-3RD-PARTY.txt:\n{libraries}.\n"
        "Qt, which is in opencv-python, is not among them.\n"
    )
    NOTICE.write_text(f"{before}\n\n{MARK}{about}\n" + "\n".join(found) + "\n")
    print(f"{NOTICE}: {len(found) - 3} packages, {len(unknown)} without a licence in their metadata")
    return 0


if __name__ == "__main__":
    sys.exit(main())
