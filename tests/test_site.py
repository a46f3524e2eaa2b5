"""The documentation makes a site in which no link is broken."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mkdocs", reason="mkdocs is not installed: pip install 'avtar_ros[docs]'")


def build(folder: Path, out: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", "--config-file", str(folder / "mkdocs.yml"), "--site-dir", out]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"})


@pytest.mark.slow
def test_the_site_is_made(repository: Path, tmp_path: Path) -> None:
    done = build(repository, tmp_path / "site")
    assert done.returncode == 0, done.stderr
    for page in ("index.html", "node/index.html", "contributing/index.html", "api/predict/index.html"):
        assert (tmp_path / "site" / page).is_file()
    assert "PredictedMaps" in (tmp_path / "site/api/predict/index.html").read_text()


def test_a_broken_link_fails(repository: Path, tmp_path: Path) -> None:
    copy = tmp_path / "project"
    (copy / "docs").mkdir(parents=True)
    for name in ("README.md", "CONTRIBUTING.md"):
        (copy / name).write_text("# Title\n")
    shutil.copy(repository / "docs/site_hooks.py", copy / "docs")
    settings = "site_name: x\nstrict: true\nhooks: [docs/site_hooks.py]\nexclude_docs: '*.py'\n"
    (copy / "mkdocs.yml").write_text(settings)
    (copy / "docs/page.md").write_text("# Page\n[the file](site_hooks.py), [the start](../README.md)\n")
    assert build(copy, tmp_path / "site").returncode == 0
    (copy / "docs/page.md").write_text("# Page\n[nothing](nowhere.md)\n")
    done = build(copy, tmp_path / "site")
    assert done.returncode != 0
    assert "nowhere.md" in done.stderr
