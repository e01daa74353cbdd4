"""Headers from dumps, and the commands that put them into an index and search it."""

from __future__ import annotations

import gzip
import json
import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import omics_nb as omics
from omics_nb import cli, errors
from omics_nb.index.dumps import read_dump
from omics_nb.records import StudyHeader


def run(*words: object) -> Result:
    return CliRunner().invoke(cli.main, [str(word) for word in words])


@pytest.fixture
def geometadb(tmp_path: Path) -> Path:
    """A file with GEOmetadb's tables, as far as they are read."""
    path = tmp_path / "GEOmetadb.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            """
            create table gse (ID real, title text, gse text, status text, submission_date text, summary text,
                type text, overall_design text, supplementary_file text);
            create table gse_gsm (gse text, gsm text);
            create table gse_gpl (gse text, gpl text);
            create table gpl (gpl text, organism text);
            insert into gse values (1, 'Tamoxifen in breast cancer', 'GSE1', 'Public on May 26 2002', '2002-01-01',
                'Cells.', 'Expression profiling by array;\tOther', 'Two groups',
                'ftp://ftp.ncbi.nlm.nih.gov/geo/series/GSE1nnn/GSE1/suppl/GSE1_RAW.tar;\tNONE');
            insert into gse values (2, 'Liver', 'GSE2', null, '2003-02-03', null, null, null, null);
            insert into gse_gsm values ('GSE1', 'GSM1'), ('GSE1', 'GSM2');
            insert into gse_gpl values ('GSE1', 'GPL96'), ('GSE1', 'GPL97');
            insert into gpl values ('GPL96', 'Homo sapiens'), ('GPL97', 'Homo sapiens');
            """
        )
        connection.commit()
    return path


def test_geometadb_gives_headers(geometadb: Path) -> None:
    first, second = read_dump(geometadb)
    assert first == StudyHeader(
        "GSE1",
        "Tamoxifen in breast cancer",
        "Cells.",
        "Two groups",
        ("Homo sapiens",),
        ("Expression profiling by array", "Other"),
        ("GPL96", "GPL97"),
        date(2002, 5, 26),
        2,
        files=("GSE1_RAW.tar",),
    )
    assert (second.published, second.n_samples, second.organisms) == (date(2003, 2, 3), 0, ())


def test_json_lines_and_csv_give_the_same_headers(tmp_path: Path) -> None:
    fields = {
        "accession": "gse7",
        "title": "Liver, \"fat\"",
        "design": "Diet",
        "organism": ["Mus musculus"],
        "type": ["Other"],
        "gpl": ["GPL1", "GPL2"],
        "date": "2020/3/4",
        "n_samples": 6,
        "unheard of": 1,
    }  # fmt: skip
    lines = tmp_path / "dump.jsonl.gz"
    lines.write_bytes(gzip.compress(("\n" + json.dumps(fields) + "\n").encode()))
    table = tmp_path / "dump.csv"
    table.write_text(
        'gse,title,overall_design,organisms,types,platforms,published,n_samples\n'
        'GSE7,"Liver, ""fat""",Diet,Mus musculus,Other,GPL1; GPL2,2020-03-04,6\n'
    )  # fmt: skip
    (header,) = read_dump(lines)
    assert [header] == list(read_dump(table))
    assert (header.title, header.platforms, header.published) == (
        'Liver, "fat"',
        ("GPL1", "GPL2"),
        date(2020, 3, 4),
    )


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.jsonl", '{"accession": "GSE1", "title": "x"}\n{', "a.jsonl line 2: no JSON object a line"),
        ("a.jsonl", "[1]", "line 1: a list, not a JSON object"),
        ("a.jsonl", '{"accession": "banana", "title": "x"}', "'BANANA', which should be like GSE42872"),
        ("a.jsonl", '{"accession": "GSE1"}', "no title of GSE1; columns are accession"),
        (
            "a.jsonl",
            '{"accession": "GSE1", "title": "x", "date": "soon"}',
            "GSE1 with a value that cannot be read",
        ),
        (
            "a.jsonl",
            '{"accession": "GSE1", "title": "x", "n_samples": "few"}',
            "GSE1 with a value that cannot be read",
        ),
        ("a.csv", "accession,title\nGSE1\n", "line 2: 1 values for the 2 columns"),
        ("a.csv", 'accession,title\nGSE1,"x\n', "line"),
        ("a.csv", "", None),
        ("a.sqlite", "SQLite format 3\0 and no more", "not a whole SQLite file"),
    ],
)
def test_a_dump_that_is_not_what_it_should_be_is_named(
    name: str, text: str, message: str | None, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)
    if message is None:
        assert list(read_dump(tmp_path / name)) == []
        return
    with pytest.raises(errors.FormatError, match=message):
        list(read_dump(tmp_path / name))


def test_a_cut_gzip_is_an_error(tmp_path: Path) -> None:
    whole = gzip.compress(b'{"accession": "GSE1", "title": "x"}\n' * 999)
    (tmp_path / "a.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(errors.DataError, match=r"a\.jsonl\.gz cannot be read"):
        list(read_dump(tmp_path / "a.jsonl.gz"))


def test_the_shell_adds_tells_and_searches(geometadb: Path, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    assert run("index", "info", "--index", folder).exit_code == 3
    done = run("index", "add", geometadb, "--index", folder)
    assert (done.exit_code, done.output) == (0, "2 new, 0 changed, 0 unchanged; 2 studies\n")
    again = run("index", "import", geometadb, "--index", folder, "--json")
    assert json.loads(again.stdout)["unchanged"] == 2
    info = run("index", "info", "--index", folder, "--check")
    assert "2 studies" in info.output
    assert "fetched from: ncbi 2" in info.output
    assert "all files match" in info.output
    assert json.loads(run("index", "info", "--index", folder, "--json").stdout)["n_studies"] == 2
    found = json.loads(run("search", "tamoxifen", "--source", f"index:{folder}", "--json").stdout)
    assert [(hit["accession"], hit["source"]) for hit in found["hits"]] == [("GSE1", "ncbi")]
    missing = run("index", "add", tmp_path / "nothing", "--index", folder)
    assert (missing.exit_code, "does not exist" in missing.output) == (3, True)


def test_index_alone_is_the_one_in_the_data_folder(geometadb: Path) -> None:
    with pytest.raises(errors.SettingsError, match="omics-nb index add"):
        omics.search("tamoxifen", source="index")
    assert run("index", "add", geometadb, "--source", "mirror:/data/geo").exit_code == 0
    (hit,) = omics.search("tamoxifen", source="index")
    assert hit.source == "mirror:/data/geo"
    with pytest.raises(errors.SourceError, match=r"fetch it with source='mirror:/data/geo'"):
        omics.fetch("GSE1", source="index")
    with pytest.raises(errors.NotFoundError, match="no study GSE99 among its 2"):
        omics.fetch("GSE99", source="index")


def test_a_hit_of_a_mirror_is_fetched_from_it(shared: Path, tmp_path: Path) -> None:
    added = run("index", "add", shared / "geo", "--index", tmp_path)
    assert added.exit_code == 0, added.output
    hit = omics.search("vemurafenib in melanoma", source=f"index:{tmp_path}").get("GSE42872")
    assert omics.fetch(hit).source == f"mirror:{(shared / 'geo').resolve()}"


def test_the_real_texts_become_an_index_that_ranks_as_before(shared: Path, tmp_path: Path) -> None:
    assert (
        run("index", "add", shared / "corpus" / "geo_series_texts.jsonl.gz", "--index", tmp_path).exit_code
        == 0
    )
    from omics_nb.index import open_index, search_headers

    headers = list(read_dump(shared / "corpus" / "geo_series_texts.jsonl.gz"))
    index = open_index(tmp_path)
    assert index.n_studies == len(headers) == 5526
    for question in ("down syndrome", "neuroblastoma", "tamoxifen resistance in breast cancer"):
        query = omics.understand(question)
        theirs = search_headers(headers, query, limit=20, source="ncbi", synthetic=False)
        ours = index.search(query, limit=20).hits
        assert [hit.accession for hit in ours] == [hit.accession for hit in theirs]
        assert ours.total >= theirs.total
