"""Fail if a built page lacks a file it refers to, or loads something from another host.

Zensical's strict mode covers links between pages, but neither images nor what the theme loads.
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {
    "audio": "src",
    "iframe": "src",
    "img": "src",
    "link": "href",
    "script": "src",
    "source": "src",
    "video": "src",
}
NOT_FETCHED = {"canonical", "next", "prev"}


class Page(HTMLParser):
    """Collects what a page loads and where it links to."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.linked: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the address in a tag, if it carries one."""
        values = dict(attrs)
        if tag == "a" and values.get("href"):
            self.linked.append(str(values["href"]))
        address = values.get(LOADED.get(tag, ""))
        if address and values.get("rel") not in NOT_FETCHED:
            self.loaded.append(address)


def problems(site: Path) -> list[str]:
    """Describe everything wrong with the pages of a site."""
    found = []
    for file in sorted(site.rglob("*.html")):
        if file.name == "404.html":  # served for any address, so its paths are absolute
            continue
        page = Page()
        page.feed(file.read_text(encoding="utf-8"))
        name = file.relative_to(site)
        for address in page.loaded:
            parts = urlsplit(address)
            if parts.netloc:
                found.append(f"{name} loads {address} from another host; ship the file in docs/ instead")
        for address in page.loaded + page.linked:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc or not parts.path:
                continue
            target = file.parent / unquote(parts.path)
            if not target.exists():
                found.append(f"{name} refers to {address}, which is not in the site")
    return found


def main() -> int:
    """Check the site given as the only argument."""
    site = Path(sys.argv[1])
    found = problems(site)
    for problem in found:
        print(problem, file=sys.stderr)
    pages = len(list(site.rglob("*.html")))
    print(f"{site}/: {pages} pages, {len(found)} problems")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
