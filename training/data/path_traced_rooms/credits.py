"""Who made the furniture, as its licences ask to be told."""

from __future__ import annotations

from collections import defaultdict

from training.data.path_traced_rooms.catalogue import Catalogue

LICENCES = {
    "BlendSwap-CC-0": ("CC0 1.0", "https://creativecommons.org/publicdomain/zero/1.0/"),
    "BlendSwap-CC-BY": ("CC BY 3.0", "https://creativecommons.org/licenses/by/3.0/"),
    "KatorLegaz": ("CC BY 3.0 US", "https://creativecommons.org/licenses/by/3.0/us/"),
    "Reallusion": ("CC BY 3.0 US", "https://creativecommons.org/licenses/by/3.0/us/"),
    "Scopia": ("CC BY 3.0", "https://creativecommons.org/licenses/by/3.0/"),
}
"""By library, as its catalogue and Debian's copyright file say."""


def credits_text(catalogue: Catalogue) -> str:
    """Library by library the licence and the authors; models were scaled, coloured anew, and rendered."""
    authors: dict[str, set[str]] = defaultdict(set)
    for models in catalogue.by_role.values():
        for entry, _ in models:
            authors[entry.library.stem].add(entry.creator)
    lines = [
        "These images show furniture from Debian's sweethome3d-furniture (Sweet Home 3D, Emmanuel Puybaret / eTeks),",
        "some of it coloured anew. Rooms, textures and light are generated.",
        "",
    ]
    for library in sorted(authors):
        licence, address = LICENCES.get(library, ("licence unknown: see the library", ""))
        lines.append(f"{library}: {licence} {address}".rstrip())
        lines.append("  by " + ", ".join(sorted(authors[library], key=str.casefold)))
    return "\n".join(lines) + "\n"
