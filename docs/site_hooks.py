"""Hooks of mkdocs: the README is the site's first page, and links into the repository, which a site does not hold,
become the names of the files; those that lead nowhere are left for mkdocs to fail at."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = {"index.md": "README.md", "contributing.md": "CONTRIBUTING.md"}
"""Pages of the site that lie outside docs/."""
LINK = re.compile(r"(?P<picture>!?)\[(?P<text>[^\]]+)\]\((?P<target>[^)#\s]+)(?P<anchor>#[^)]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    for page, source in PAGES.items():
        text = _links_for_site((ROOT / source).read_text(encoding="utf-8"), ROOT)
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    if page.file.src_uri in PAGES:
        return markdown
    return _links_for_site(markdown, DOCS / Path(page.file.src_uri).parent)


def _links_for_site(markdown: str, folder: Path) -> str:
    """Links as the site has them, of a page whose links are relative to `folder`."""

    def rewritten(link: re.Match[str]) -> str:
        target = link["target"]
        if "://" in target or target.startswith("mailto:"):
            return link[0]
        path = (folder / target).resolve()
        sources = {(ROOT / source).resolve(): page for page, source in PAGES.items()}
        if path in sources:
            site_path = sources[path]
        elif path.is_relative_to(DOCS) and path.suffix != ".py":
            site_path = str(path.relative_to(DOCS))
        elif path.exists():
            return f"{link['text']} (`{path.relative_to(ROOT)}`)" if link["text"] not in target else f"`{link['text']}`"
        else:
            return link[0]
        here = folder.relative_to(DOCS) if folder.is_relative_to(DOCS) else Path()
        up = "../" * len(here.parts)
        return f"{link['picture']}[{link['text']}]({up}{site_path}{link['anchor'] or ''})"

    return LINK.sub(rewritten, markdown)
