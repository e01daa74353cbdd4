from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from omics_nb.errors import FormatError, IntegrityError
from omics_nb.geo.files import local_file
from omics_nb.geo.miniml import parse_miniml, read_miniml
from omics_nb.geo.study import read_header, read_study
from omics_nb.geo.values import family_matrix

XML = """<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<MINiML xmlns="http://www.ncbi.nlm.nih.gov/geo/info/MINiML" version="0.5.0">
  <Platform iid="GPL1"><Title>P</Title><Accession database="GEO">GPL1</Accession>
    <Data-Table><Column position="1"><Name>ID</Name></Column><Column position="2"><Name>Gene Symbol</Name></Column>
    <External-Data rows="2">
GPL1-tbl-1.txt
    </External-Data></Data-Table></Platform>
  <Sample iid="GSM1"><Status database="GEO"><Release-Date>2003-12-31</Release-Date></Status><Title>one</Title>
    <Channel-Count>2</Channel-Count>
    <Channel position="1"><Source>liver</Source><Organism taxid="9606">Homo sapiens</Organism>
      <Characteristics tag="sex">
F
      </Characteristics><Characteristics>none</Characteristics></Channel>
    <Channel position="2"><Source>pool</Source><Organism taxid="9606">Homo sapiens</Organism></Channel>
    <Platform-Ref ref="GPL1" />
    <Data-Table><Column position="1"><Name>ID_REF</Name></Column><Column position="2"><Name>VALUE</Name></Column>
    <External-Data rows="2">
GSM1-tbl-1.txt
    </External-Data></Data-Table></Sample>
  <Series iid="GSE1"><Status database="GEO"><Release-Date>2003-12-31</Release-Date></Status><Title>S</Title>
    <Summary>what</Summary><Type>Expression profiling by array</Type><Sample-Ref ref="GSM1" />
    <Relation type="SuperSeries of" target="GSE2" /></Series>
</MINiML>
"""
TABLES = {"GPL1-tbl-1.txt": b"001\tTP53\n1E5\t\n", "GSM1-tbl-1.txt": b"001\t1.5\n1E5\tnull\n"}


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def test_a_family_with_its_tables_becomes_a_study(tmp_path: Path) -> None:
    path = archive(tmp_path / "GSE1_family.xml.tgz", {"GSE1_family.xml": XML.encode(), **TABLES})
    study = read_study("GSE1", [local_file(path)], source="x")
    assert study.title == "S"
    assert str(study.published) == "2003-12-31"
    assert study.matrix().index.tolist() == ["001", "1E5"]
    assert study.matrix().iloc[0, 0] == 1.5
    assert study.features["GPL1"]["symbol"].tolist() == ["TP53", ""]
    sample = study.samples.loc["GSM1"]
    assert sample[["title", "source_name", "organism", "platform"]].tolist() == [
        "one",
        "liver",
        "Homo sapiens",
        "GPL1",
    ]
    assert (sample["sex"], sample["characteristics"], sample["source_name_ch2"]) == ("F", "none", "pool")
    assert "GSE1 is a SuperSeries of GSE2: each of these can be read alone" in study.notes
    header = read_header("GSE1", [local_file(path)])
    assert header.has_values
    assert header.platforms == ("GPL1",)


def test_a_table_that_is_named_and_not_there_is_said(tmp_path: Path) -> None:
    lacking = {"GSE1_family.xml": XML.encode(), "GPL1-tbl-1.txt": TABLES["GPL1-tbl-1.txt"]}
    with pytest.raises(IntegrityError, match=r"the table GSM1-tbl-1\.txt of GSM1 is not in the archive"):
        read_miniml(archive(tmp_path / "GSE1_family.xml.tgz", lacking))
    family = parse_miniml(XML.encode(), "GSE1_family.xml", tables={})
    assert family.notes[0] == "GSE1_family.xml: the table of GPL1 is in GPL1-tbl-1.txt, which is not at hand"


def test_tables_inside_the_xml_are_read() -> None:
    text = XML.replace("External-Data", "Internal-Data").replace("GSM1-tbl-1.txt", "001\t2.5\nx\t3")
    family = parse_miniml(text.encode(), "made.xml", tables={})
    matrix, _ = family_matrix(list(family.samples.values()))
    assert matrix["GSM1"].to_dict() == {"001": 2.5, "x": 3}


def test_only_a_line_end_ends_a_row_inside_the_xml() -> None:
    text = XML.replace("External-Data", "Internal-Data").replace("GSM1-tbl-1.txt", "a\u2028b\t2.5\nx\x85y\t3")
    matrix, notes = family_matrix(list(parse_miniml(text.encode(), "made.xml", tables={}).samples.values()))
    assert matrix["GSM1"].to_dict() == {"a\u2028b": 2.5, "x\x85y": 3}
    assert not notes


def test_a_carriage_return_typed_into_a_cell_does_not_cut_its_row() -> None:
    text = XML.replace("External-Data", "Internal-Data").replace("GSM1-tbl-1.txt", "a\t12.5\r6\nb\t3")
    matrix, _ = family_matrix(list(parse_miniml(text.encode(), "made.xml", tables={}).samples.values()))
    np.testing.assert_array_equal(matrix["GSM1"], [np.nan, 3])


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_may_end_in_any_way_and_a_byte_order_mark_is_no_part_of_the_text(end: str) -> None:
    family = parse_miniml(("\ufeff" + XML.replace("\n", end)).encode(), "made.xml", tables=TABLES)
    assert family_matrix(list(family.samples.values()))[0]["GSM1"]["001"] == 1.5


def test_columns_stand_where_their_position_says() -> None:
    first, second = (
        f'<Column position="{n}"><Name>{name}</Name></Column>' for n, name in ((1, "ID_REF"), (2, "VALUE"))
    )
    family = parse_miniml(XML.replace(first + second, second + first).encode(), "made.xml", tables=TABLES)
    assert family_matrix(list(family.samples.values()))[0]["GSM1"]["001"] == 1.5


def test_an_entity_that_comes_twice_is_said_and_one_without_a_name_is_refused() -> None:
    sample = XML[XML.index("  <Sample") : XML.index("  <Series")]
    text = XML.replace(sample, sample + sample.replace("<Title>one", "<Title>again"))
    family = parse_miniml(text.encode(), "made.xml", tables=TABLES)
    assert family.samples["GSM1"].first("title") == "one"
    assert family.notes == ("made.xml: Sample GSM1 is described twice; the first was kept",)
    with pytest.raises(FormatError, match="a Sample has neither an iid nor an accession"):
        parse_miniml(XML.replace(' iid="GSM1"', "").encode(), "made.xml")
    named = XML.replace(' iid="GPL1"', "").encode()
    assert list(parse_miniml(named, "made.xml").platforms) == ["GPL1"]


def test_one_odd_byte_changes_no_other_line() -> None:
    raw = XML.replace("<Title>S<", "<Title>é µ<").encode().replace(b"what", b"10 \xb5M")
    family = parse_miniml(raw, "made.xml")
    assert family.series["GSE1"].first("title") == "é µ"
    assert family.series["GSE1"].first("summary") == "10 µM"
    assert family.notes == (
        "made.xml: some lines are not UTF-8 and were read as cp1252, the first is line 21",
    )


def test_control_characters_that_xml_forbids_are_blanks_and_said() -> None:
    family = parse_miniml(XML.replace("<Title>S<", "<Title>a\x01b\x0bc<").encode(), "made.xml")
    assert family.series["GSE1"].first("title") == "a b c"
    assert family.notes == ("made.xml: 2 control characters, which XML forbids, were read as blanks",)


def test_a_document_type_is_refused_wherever_it_stands() -> None:
    late = f'<?xml version="1.0"?><!-- {"x" * 100_000} --><!DOCTYPE x [<!ENTITY a "b">]><MINiML>&a;</MINiML>'
    with pytest.raises(FormatError, match="has a document type"):
        parse_miniml(late.encode(), "made.xml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<MINiML><Sample></MINiML>", "line 1: not well-formed XML"),
        ("<html></html>", "no MINiML: its root is <html>"),
        ("<MINiML></MINiML>", "it has no Series, Platform or Sample"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><MINiML>&a;</MINiML>', "has a document type"),
    ],
)
def test_what_is_no_miniml_says_so(text: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        parse_miniml(text.encode(), "made.xml")


def test_an_archive_without_its_xml_or_cut_off_says_so(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="should hold one XML file and holds none"):
        read_miniml(archive(tmp_path / "a.xml.tgz", TABLES))
    whole = archive(tmp_path / "b.xml.tgz", {"GSE1_family.xml": XML.encode()}).read_bytes()
    (tmp_path / "b.xml.tgz").write_bytes(whole[:-20])
    with pytest.raises(IntegrityError, match="truncated"):
        read_miniml(tmp_path / "b.xml.tgz")


@pytest.mark.parametrize(
    ("accession", "n_samples", "platform", "characteristic"),
    [("GSE17769", 10, "GPL8490", "cell line"), ("GSE730", 3, "GPL539", "characteristics")],
)
def test_real_files_are_read(
    shared: Path, accession: str, n_samples: int, platform: str, characteristic: str
) -> None:
    file = local_file(shared / f"miniml/{accession}_family.xml")
    study = read_study(accession, [file], source="x")
    assert study.n_samples == n_samples
    assert study.platforms == (platform,)
    assert (study.samples[characteristic] != "").all()
    assert not study.matrices
    assert read_header(accession, [file]).n_samples == n_samples


def test_a_real_file_that_is_not_quite_utf8_is_read_and_noted(shared: Path) -> None:
    family = read_miniml(shared / "miniml/GSE730_family.xml")
    assert any("not UTF-8 and were read as cp1252, the first is line" in note for note in family.notes)
    assert family.series["GSE730"].first("contact_name")
    assert ("diameter", "diameter in µm of the feature-indicator") in family.samples["GSM11095"].columns
