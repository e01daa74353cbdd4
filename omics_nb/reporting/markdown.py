"""A report in Markdown (GitHub's, https://github.github.com/gfm/), made of its page, so that both say the same.

The page is what ``display.markup`` makes, so its few elements are well-formed. Text is escaped: nothing that a stranger
wrote becomes markup, HTML or a link.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import groupby

_VOID = frozenset({"br", "hr", "img", "meta", "link"})
_LEFT_OUT = frozenset({"head", "nav", "style", "summary"})
_HEADINGS = {"h1": "#", "h2": "##", "h3": "###", "h4": "####"}
_INLINE = frozenset({"a", "code", "q", "span", "strong", "time", "br", "img"})
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!&$])")
_LINE_START = re.compile(r"^(\d*)([-+=.)])(?=\s|$)")


@dataclass(slots=True)
class _Node:
    tag: str
    attributes: Mapping[str, str | None] = field(default_factory=dict)
    children: list[_Node | str] = field(default_factory=list)


def to_markdown(page: str, images: Mapping[str, str]) -> str:
    """The page as Markdown; ``images``: how the alternative text of a picture begins → the file that holds it."""
    tree = _Tree()
    tree.feed(page)
    tree.close()
    return "\n\n".join(_blocks(tree.root, images)) + "\n"


def escape(text: str) -> str:
    """Text that Markdown shows as it is."""
    return _LINE_START.sub(r"\1\\\2", _SPECIAL.sub(r"\\\1", text))


class _Tree(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = _Node("")
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = _Node(tag, dict(attrs))
        self._open[-1].children.append(node)
        if tag not in _VOID:
            self._open.append(node)

    def handle_endtag(self, tag: str) -> None:
        while self._open.pop().tag != tag:
            pass

    def handle_data(self, data: str) -> None:
        self._open[-1].children.append(data)


def _blocks(node: _Node, images: Mapping[str, str]) -> Iterator[str]:
    """The blocks within a node; text and inline elements between them are paragraphs."""
    for inline, children in groupby(node.children, key=_is_inline):
        if not inline:
            for child in children:
                yield from _block(child, images) if isinstance(child, _Node) else ()
        elif text := _inline(children, images):
            yield text


def _is_inline(part: _Node | str) -> bool:
    return isinstance(part, str) or (part.tag in _INLINE and not _left_out(part))


def _left_out(node: _Node) -> bool:
    """What only a page needs: its head, contents, what folds, the link over the contents."""
    return node.tag in _LEFT_OUT or node.attributes.get("class") == "report-skip"


def _block(node: _Node, images: Mapping[str, str]) -> Iterator[str]:
    if _left_out(node):
        return
    if node.tag in _HEADINGS:
        yield f"{_HEADINGS[node.tag]} {_inline(node.children, images)}"
    elif node.tag == "pre":
        yield _fenced(_text(node))
    elif node.tag in {"ul", "ol"}:
        yield "\n".join(_items(node, images))
    elif node.tag == "dl":
        yield "\n".join(_facts(node, images))
    elif node.tag == "table":
        yield from _table(node, images)
    else:
        yield from _blocks(node, images)


def _fenced(code: str) -> str:
    """A block of code in a fence that is longer than any within it."""
    longest = max(map(len, re.findall(r"`+", code)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{code}\n{fence}"


def _items(node: _Node, images: Mapping[str, str]) -> Iterator[str]:
    items = [child for child in node.children if isinstance(child, _Node)]
    for number, item in enumerate(items, start=1):
        mark = "-" if node.tag == "ul" else f"{number}."
        yield f"{mark} " + " ".join(_blocks(item, images)).replace("\n", "\n  ")


def _facts(node: _Node, images: Mapping[str, str]) -> Iterator[str]:
    for pair in (child for child in node.children if isinstance(child, _Node)):
        name, value = (part for part in pair.children if isinstance(part, _Node))
        yield f"- {_inline(name.children, images)}: {_inline(value.children, images)}"


def _table(node: _Node, images: Mapping[str, str]) -> Iterator[str]:
    """Caption, then head and rows; a cell is one line."""
    for part in (child for child in node.children if isinstance(child, _Node) and child.tag == "caption"):
        yield f"**{_inline(part.children, images)}**"
    rows = [[" ".join(_blocks(cell, images)).replace("\n", " ") for cell in row] for row in _rows(node)]
    if rows:
        head, *body = (f"| {' | '.join(row)} |" for row in rows)
        yield "\n".join([head, "|" + " --- |" * len(rows[0]), *body])


def _rows(node: _Node) -> Iterator[list[_Node]]:
    for child in (child for child in node.children if isinstance(child, _Node)):
        if child.tag == "tr":
            yield [cell for cell in child.children if isinstance(cell, _Node)]
        else:
            yield from _rows(child)


def _inline(nodes: Iterable[_Node | str], images: Mapping[str, str]) -> str:
    text = "".join(_spaced(node) if isinstance(node, str) else _element(node, images) for node in nodes)
    return re.sub(r"\s+", " ", text).strip()


def _spaced(text: str) -> str:
    """Escaped text that keeps whether it begins and ends with a blank."""
    words = " ".join(text.split())
    return f"{' ' * text[:1].isspace()}{escape(words)}{' ' * (bool(words) and text[-1:].isspace())}"


def _element(node: _Node, images: Mapping[str, str]) -> str:
    inner = _inline(node.children, images)
    if node.tag == "img":
        return _picture(node.attributes.get("alt") or "", images)
    if node.tag == "a":
        href = node.attributes.get("href") or ""
        return f"[{inner}](<{href}>)" if href.startswith("https://") and ">" not in href else inner
    if node.tag == "code":
        return _code(_text(node))
    forms = {"strong": f"**{inner}**", "q": f"“{inner}”", "br": " "}
    return forms.get(node.tag, inner) if inner or node.tag == "br" else ""


def _code(text: str) -> str:
    text = " ".join(text.split()).replace("|", "∣")  # a bar would end the cell of a table
    ticks = "`" * (max(map(len, re.findall(r"`+", text)), default=0) + 1)
    return f"{ticks} {text} {ticks}" if "`" in text else f"`{text}`" if text else ""


def _picture(alt: str, images: Mapping[str, str]) -> str:
    """A link to the picture's file; its words stand below it anyway."""
    found = [(title, file) for title, file in images.items() if alt.startswith(title)]
    return f"![{escape(found[0][0])}](<{found[0][1]}>)" if found else ""


def _text(node: _Node) -> str:
    return "".join(child if isinstance(child, str) else _text(child) for child in node.children)
