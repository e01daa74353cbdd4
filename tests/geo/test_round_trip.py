"""Random families, written as SOFT and as MINiML in the plainest way, are read back as what was written."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omics_nb.geo.files import plain_lines
from omics_nb.geo.miniml import parse_miniml
from omics_nb.geo.samples import sample_sheet
from omics_nb.geo.soft import Entity, Family, parse_family
from omics_nb.geo.tables import read_numbers, read_texts

TAGS = {"title": "Title", "summary": "Summary", "overall_design": "Overall-Design", "type": "Type"}


@dataclass(frozen=True)
class Made:
    """An entity to be written. ``facts``: channel, key and value. ``rows``: cells of its table, all text."""

    kind: str
    name: str
    attributes: dict[str, list[str]]
    facts: list[tuple[int, str, str]]
    columns: list[tuple[str, str]]
    rows: list[list[str]]


# Line ends of any language within a line are text; XML takes no control characters.
plain = st.characters(exclude_categories=["Cs", "Cc", "Cn"])
text = st.text(plain, max_size=12).map(str.strip)
word = st.text(plain, min_size=1, max_size=8).map(str.strip).filter(bool)
key = st.from_regex(r"[a-z]{1,6}", fullmatch=True).map(lambda name: f"key {name}")
identifier = (
    st.sampled_from(["001", "1E5", "NA", "null", "MARCH1", "True", "1.0", "a\u2028b", "!x", "#x", '"q"'])
    | st.text(plain, min_size=1, max_size=6)
).filter(lambda cell: not cell.startswith("^") and "_table_" not in cell)
number = st.floats(allow_nan=False, allow_infinity=False).map(repr) | st.sampled_from(["null", "", "NA"])


def entities(kind: str, name: str) -> st.SearchStrategy[Made]:
    sample = kind == "Sample"
    value = number if sample else st.text(plain, max_size=6)
    header = ["ID_REF", "VALUE"] if sample else ["ID", "Gene Symbol"]
    return st.builds(
        Made,
        st.just(kind),
        st.just(name),
        st.dictionaries(st.sampled_from(sorted(TAGS)), st.lists(text, min_size=1, max_size=3), max_size=3),
        st.lists(st.tuples(st.sampled_from([1, 2]), key, word), max_size=4) if sample else st.just([]),
        st.just([])
        if kind == "Series"
        else st.tuples(text, text).map(lambda t: list(zip(header, t, strict=True))),
        st.just([]) if kind == "Series" else st.lists(st.tuples(identifier, value).map(list), max_size=5),
    )


families = st.tuples(st.integers(0, 2), st.integers(0, 4)).flatmap(
    lambda n: st.tuples(
        entities("Series", "GSE1"),
        *(entities("Platform", f"GPL{place}") for place in range(n[0])),
        *(entities("Sample", f"GSM{place}") for place in range(n[1])),
    )
)


def as_soft(made: Made) -> list[str]:
    lines = [f"^{made.kind.upper()} = {made.name}"]
    lines += [
        f"!{made.kind}_{name} = {value}" for name, values in made.attributes.items() for value in values
    ]
    lines += [f"!Sample_characteristics_ch{channel} = {key}: {value}" for channel, key, value in made.facts]
    lines += [f"#{name} = {description}" for name, description in made.columns]
    if made.columns:
        lines += [f"!{made.kind}_table_begin", "\t".join(name for name, _ in made.columns)]
        lines += ["\t".join(row) for row in made.rows] + [f"!{made.kind}_table_end"]
    return lines


def as_miniml(made: Made, *, inside: bool) -> str:
    parts = [
        f"<{TAGS[name]}>{escape(value)}</{TAGS[name]}>"
        for name, values in made.attributes.items()
        for value in values
    ]
    parts += [
        f'<Channel position="{channel}"><Characteristics tag={quoteattr(key)}>\n{escape(value)}\n'
        "</Characteristics></Channel>"
        for channel, key, value in made.facts
    ]
    columns = [
        f'<Column position="{place}"><Name>{name}</Name><Description>{escape(description)}</Description></Column>'
        for place, (name, description) in enumerate(made.columns, 1)
    ]
    rows = escape("".join("\t".join(row) + "\n" for row in made.rows))
    table = (
        f"<Internal-Data>\n{rows}</Internal-Data>"
        if inside
        else f"<External-Data>{made.name}-tbl-1.txt</External-Data>"
    )
    parts += ["<Data-Table>", *columns, table, "</Data-Table>"] if made.columns else []
    return f'<{made.kind} iid="{made.name}">{"".join(parts)}</{made.kind}>'


def assert_same(family: Family, written: tuple[Made, ...]) -> None:
    read = {**family.series, **family.platforms, **family.samples}
    assert list(read) == [made.name for made in written]
    for made in written:
        entity = read[made.name]
        assert {name: entity.attributes[name] for name in made.attributes} == made.attributes
        assert entity.columns == made.columns
        assert_same_table(entity, made)
    sheet = sample_sheet({name: sample.attributes for name, sample in family.samples.items()})
    for made in written:
        for channel, key, value in made.facts:
            assert value in sheet.loc[made.name, key + ("_ch2" if channel == 2 else "")]
    assert not family.notes


def assert_same_table(entity: Entity, made: Made) -> None:
    if not made.rows:
        assert entity.table is None or entity.table.empty
        return
    assert entity.table is not None
    if made.kind == "Platform":
        assert read_texts(entity.table)[0].to_numpy().tolist() == made.rows
        return
    found = read_numbers(entity.table, [1])
    assert found.names() == [name for name, _ in made.rows]
    expected = [float(cell) if re.search(r"\d", cell) else math.nan for _, cell in made.rows]
    assert list(map(repr, found.values[:, 0].tolist())) == list(map(repr, expected))


@settings(max_examples=100, deadline=None)
@given(families, st.sampled_from(["\n", "\r\n", "\r"]), st.sampled_from([str, str.lower, str.upper]))
def test_a_family_written_as_soft_is_read_back(written: tuple[Made, ...], end: str, case: type[str]) -> None:
    lines = [line for made in written for line in as_soft(made)]
    lines = [re.sub(r"^[\^!][A-Za-z_]+( =|$)", lambda found: case(found[0]), line) for line in lines]
    assert_same(parse_family(plain_lines((end.join(lines) + end).encode()), "written.soft"), written)


@pytest.mark.parametrize("inside", [True, False])
@settings(max_examples=100, deadline=None)
@given(written=families)
def test_a_family_written_as_miniml_is_read_back(inside: bool, written: tuple[Made, ...]) -> None:
    xml = f"<MINiML>{''.join(as_miniml(made, inside=inside) for made in written)}</MINiML>"
    tables = {
        f"{made.name}-tbl-1.txt": "".join("\t".join(row) + "\n" for row in made.rows).encode()
        for made in written
    }
    assert_same(parse_miniml(xml.encode(), "written.xml", tables={} if inside else tables), written)
