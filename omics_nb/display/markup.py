"""HTML that is safe by construction: what is not ``Html`` already gets escaped, and ``el`` makes ``Html``.

Text from GEO may hold tags, quotes, terminal escapes or characters that turn the reading direction (Trojan
Source, CVE-2021-42574); ``clean`` makes the last two visible, ``el`` escapes the rest.
"""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters except tab and newline
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks and overrides of reading direction
    "\ud800-\udfff]"  # halves of surrogate pairs, which no UTF-8 file can hold
)
_VOID = frozenset({"br", "hr", "img", "input", "link", "meta"})
DISCLAIMER_URL = "https://www.ncbi.nlm.nih.gov/About/disclaimer.html"
GEO_URL = "https://www.ncbi.nlm.nih.gov/geo/query/acc.cgi?acc="
_GEO_ACCESSION = re.compile(r"(GSE|GDS|GPL|GSM)\d+")

STYLE = Path(__file__).with_name("style.css").read_text(encoding="utf-8")


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def clean(value: object) -> str:
    """``value`` as text in which control characters, direction overrides and half surrogates are U+FFFD."""
    return _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", str(value))


def esc(value: object) -> Html:
    """``value`` as HTML: itself if it is ``Html``, escaped text otherwise, quotes included."""
    return value if isinstance(value, Html) else Html(html.escape(clean(value), quote=True))


def join(children: Iterable[object]) -> Html:
    """Children as HTML, one after the other; None is left out, a list or iterator is taken apart."""
    return Html("".join(_parts(children)))


def _parts(children: Iterable[object]) -> Iterator[str]:
    for child in children:
        if child is None:
            continue
        if isinstance(child, (list, Iterator)):
            yield from _parts(child)
        else:
            yield esc(child)


def el(name: str, /, *children: object, **attributes: object) -> Html:
    """An element. ``class_`` and ``aria_label`` are spelled so; None and False leave an attribute out."""
    shown = "".join(
        f" {_attribute(key)}" if value is True else f' {_attribute(key)}="{esc(value)}"'
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    return Html(f"<{name}{shown}>" if name in _VOID else f"<{name}{shown}>{join(children)}</{name}>")


def _attribute(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def link(url: str, text: object) -> Html:
    """A link to an https page; other schemes become plain text, for ``javascript:`` runs when clicked."""
    if not url.startswith("https://"):
        return esc(text)
    return el("a", text, href=url, rel="noopener noreferrer", target="_blank")


def accession_link(accession: str, *, synthetic: bool) -> Html:
    """An accession that leads to GEO's page of it, where GEO can have one."""
    if synthetic or not _GEO_ACCESSION.fullmatch(accession):
        return esc(accession)
    return link(GEO_URL + accession, accession)


def table(
    caption: str,
    headers: Sequence[object],
    rows: Iterable[Sequence[object]],
    *,
    numeric: Collection[int] = (),
) -> Html:
    """A table whose first column heads its rows, in a wrapper that scrolls on narrow screens.

    ``numeric`` are the columns (from 0) to set right-aligned.
    """
    kinds = ["omics-num" if index in numeric else None for index in range(len(headers))]
    head = el(
        "tr", [el("th", text, scope="col", class_=kind) for text, kind in zip(headers, kinds, strict=True)]
    )
    body = [_row(row, kinds) for row in rows]
    return el(
        "div",
        el("table", el("caption", caption), el("thead", head), el("tbody", body), class_="omics-table"),
        class_="omics-scroll",
        role="region",
        tabindex=0,
        aria_label=clean(caption),
    )


def _row(row: Sequence[object], kinds: Sequence[str | None]) -> Html:
    first, *others = zip(row, kinds, strict=True)
    return el(
        "tr",
        el("th", first[0], scope="row", class_=first[1]),
        [el("td", cell, class_=kind) for cell, kind in others],
    )


def facts(pairs: Iterable[tuple[object, object]]) -> Html:
    """Names and values as a description list; pairs with an empty value are left out."""
    shown = [
        el("div", el("dt", name), el("dd", value)) for name, value in pairs if value not in (None, "", ())
    ]
    return el("dl", shown, class_="omics-facts")


def notes(texts: Iterable[object], *, kind: str = "note") -> Html | None:
    """Notes as a list, or None where there are none; ``kind`` "warn" sets them off as a warning."""
    items = [el("li", text) for text in texts]
    return el("ul", items, class_=f"omics-notes omics-{kind}") if items else None


def fold(summary: object, *children: object, shown: bool = False) -> Html:
    """What is shown only when it is asked for; works with the keyboard and without scripts."""
    return el("details", el("summary", summary), *children, open=shown)


def synthetic_badge(synthetic: bool) -> Html | None:
    return el("span", "synthetic data", class_="omics-badge", role="note") if synthetic else None


def source_line(source: str, *, synthetic: bool) -> Html:
    """Which source a value came from, with the badge of synthetic data or NCBI's disclaimer where due."""
    disclaimer = None
    if source.partition(":")[0] == "ncbi":
        disclaimer = [" · ", link(DISCLAIMER_URL, "NCBI disclaimer")]
    badge = synthetic_badge(synthetic)
    return el("p", badge, badge and " ", "Source: ", el("code", source), disclaimer, class_="omics-source")


def card(*children: object) -> Html:
    """What a notebook shows: children with the style that they need."""
    return el("div", el("style", Html(STYLE)), *children, class_="omics-nb")
