"""A vocabulary of one's own: from small files made here, from the real ontologies, from a server, by the shell."""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
from hashlib import sha256
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from omics_nb import cli
from omics_nb.agents.vocabulary import build_vocabulary, remove_vocabulary, vocabulary_info
from omics_nb.errors import DataError, FormatError, IntegrityError, NotFoundError, OmicsError, SourceError
from omics_nb.terms import understand
from omics_nb.terms.lookup import forget, vocabulary
from omics_nb.terms.ontology import read_mesh, read_obo
from tests.ncbi.server import LoopbackNcbi
from tests.terms import gold

OBO = r"""format-version: 1.2
data-version: releases/2030-01-02
ontology: uberon/mini
property_value: http://purl.org/dc/terms/license https://creativecommons.org/publicdomain/zero/1.0/ xsd:string

[Term]
id: UBERON:9000001
name: zorbic gland ! a comment
synonym: "gland of \"Zorb\"" EXACT [X:1]
synonym: "zorb-like organ" RELATED []
synonym: "zob" EXACT []
is_a: UBERON:9000002 ! something between
xref: MESH:D9000001

[Term]
id: UBERON:9000002
name: organ with zorbic cavity
subset: grouping_class
relationship: part_of UBERON:0000178 {source="X"} ! blood

[Term]
id: UBERON:9000003
name: obsolete zorbic duct
is_obsolete: true

[Term]
id: UBERON:9000004
name: sample

[Term]
id: UBERON:9000005
name: hepatic

[Term]
id: UBERON:0000178
name: blood
synonym: "zorbic humour" EXACT []

[Typedef]
id: part_of
name: part of
"""
HGNC = (
    "hgnc_id\tsymbol\tname\tstatus\talias_symbol\tprev_symbol\tentrez_id\tdate_modified\n"
    "HGNC:900001\tZORBA\tzorbic gland associated\tApproved\tZRB1|ZQ\t\t9000011\t2030-01-01\n"
    "HGNC:900002\tREST2\tz two\tApproved\tZRB1\tOLDZ9\t9000012\t2029-01-01\n"
    "HGNC:900003\tGONE1\twithdrawn\tEntry Withdrawn\t\t\t\t\n"
    "HGNC:11998\tTP53\ttumor protein p53\tApproved\tZP53X\t\t7157\t2028-01-01\n"
)
MESH = """*NEWRECORD
RECTYPE = D
MH = Zorbic Gland Structure
ENTRY = Gland, Zorbic|T023|NON|EQV
UI = D9000001

*NEWRECORD
RECTYPE = D
MH = Venous Blood Thing
ENTRY = blood in vein
UI = D9000002
"""
SSSOM = (
    "# curie_map:\n# license: https://creativecommons.org/publicdomain/zero/1.0/\n"
    "subject_id\tpredicate_id\tobject_id\nFMA:77\tskos:exactMatch\tUBERON:9000001\n"
    "FMA:78\tskos:broadMatch\tUBERON:9000001\n"
)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    texts = {"mini.obo": OBO, "hgnc.txt": HGNC, "map.sssom.tsv": SSSOM, "d2030.bin": MESH}
    paths = {name: tmp_path / "given" / name for name in texts}
    (tmp_path / "given").mkdir()
    for name, text in texts.items():
        paths[name].write_text(text, encoding="utf-8")
    return paths


@pytest.fixture(autouse=True)
def _anew() -> None:
    forget()


def run(*words: object) -> Result:
    return CliRunner().invoke(cli.main, [str(word) for word in words])


def test_what_was_built_is_used_from_then_on_and_named_in_every_result(files: dict[str, Path]) -> None:
    before = understand("zorbic gland")
    built = build_vocabulary([str(path) for path in files.values()])
    query = understand("zorbic glands and ZORBA")
    assert [term.kind for term in before.terms] == ["word", "word"]
    assert [(term.kind, term.id) for term in query.terms] == [
        ("tissue", "UBERON:9000001"),
        ("gene", "HGNC:900001"),
    ]
    assert query.vocabulary == built.version == vocabulary_info().version
    assert query.vocabulary.startswith("built 20")
    assert "mini.obo" in query.vocabulary
    assert before.vocabulary in built.version, "the embedded one is part of it"


def test_a_term_keeps_exact_names_mapped_identifiers_and_its_heading(files: dict[str, Path]) -> None:
    build_vocabulary([str(path) for path in files.values()])
    term = understand("zorbic gland").terms[0]
    assert term.synonyms == ('gland of "Zorb"',)
    assert term.xrefs == ("FMA:77",)
    assert term.mesh == "Zorbic Gland Structure"
    assert [t.kind for t in understand("zorb-like organ").terms] == ["word", "word"], "related is not exact"


def test_parents_that_are_left_out_are_bridged(files: dict[str, Path]) -> None:
    build_vocabulary([str(files["mini.obo"])])
    assert "zorbic gland" in vocabulary().narrower("UBERON:0000178")
    assert understand("organ with zorbic cavity").of("tissue") == ()


def test_embedded_names_stay_what_they_were(files: dict[str, Path]) -> None:
    build_vocabulary([str(files["mini.obo"]), str(files["hgnc.txt"])])
    assert understand("hepatic").terms[0].label == "liver"
    assert understand("zorbic humour").terms[0].label == "blood"
    assert understand("ZP53X").terms[0].label == "TP53"
    assert understand("samples").terms == ()


def test_a_name_of_a_kind_that_would_win_does_not_win(tmp_path: Path) -> None:
    path = tmp_path / "diseases.obo"
    path.write_text(
        "format-version: 1.2\nontology: doid\n\n[Term]\nid: DOID:9000001\nname: zorbic fever\n"
        'synonym: "liver" EXACT []\nsynonym: "spleens" EXACT []\n'
    )
    build_vocabulary([str(path)])
    assert [term.kind for term in understand("zorbic fever of liver and spleen").terms] == [
        "disease",
        "tissue",
        "tissue",
    ]


def test_words_and_shared_aliases_are_no_genes(files: dict[str, Path]) -> None:
    build_vocabulary([str(files["hgnc.txt"])])
    assert understand("zorba in liver").of("gene") == (), "a symbol of letters needs its capitals"
    assert understand("ZRB1").of("gene") == (), "two genes have it"
    assert understand("GONE1").of("gene") == (), "it was withdrawn"
    assert [term.id for term in understand("OLDZ9").terms] == ["HGNC:900002"]


def test_obsolete_terms_are_refused_and_counted(files: dict[str, Path]) -> None:
    built = build_vocabulary([str(files["mini.obo"])])
    assert understand("obsolete zorbic duct").of("tissue") == ()
    assert (built.sources[0].n_obsolete, built.sources[0].release) == (1, "releases/2030-01-02")


def test_checksums_releases_and_licences_are_kept(files: dict[str, Path]) -> None:
    build_vocabulary([str(path) for path in files.values()])
    found = {source.name: source for source in vocabulary_info().sources}
    assert found["mini.obo"].sha256 == sha256(OBO.encode()).hexdigest()
    assert found["mini.obo"].licence == "https://creativecommons.org/publicdomain/zero/1.0/"
    assert found["hgnc.txt"].licence == "CC0 1.0"
    assert found["hgnc.txt"].release == "modified up to 2030-01-01"
    assert "National Library of Medicine" in found["d2030.bin"].licence
    assert all(source.n_bytes and source.location for source in found.values())


def test_a_given_checksum_is_held_against_the_file(files: dict[str, Path]) -> None:
    right = sha256(OBO.encode()).hexdigest()
    build_vocabulary([f"{files['mini.obo']}#sha256={right}"])
    with pytest.raises(IntegrityError, match=f"SHA-256 {right}, not {'0' * 64}"):
        build_vocabulary([f"{files['mini.obo']}#sha256={'0' * 64}"])
    with pytest.raises(DataError, match="64 hexadecimal digits"):
        build_vocabulary([f"{files['mini.obo']}#md5=1"])


def test_gzip_is_read_and_a_damaged_file_leaves_what_was_there(files: dict[str, Path]) -> None:
    packed = files["mini.obo"].with_suffix(".obo.gz")
    packed.write_bytes(gzip.compress(OBO.encode()))
    good = build_vocabulary([str(packed)])
    packed.write_bytes(gzip.compress(OBO.encode())[:-30])
    with pytest.raises(IntegrityError, match="mini.obo.gz is damaged"):
        build_vocabulary([str(packed)])
    assert vocabulary_info() == good
    assert [path.name for path in Path(good.path).parent.iterdir()] == ["built.sqlite"]


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("hello\nworld\n", FormatError, "neither OBO .* nor SSSOM"),
        ("", FormatError, "begins with ''"),
        ("format-version: 1.2\n\n[Typedef]\nid: x\n", FormatError, "holds no \\[Term\\]"),
        ("format-version: 1.2\n\n[Term]\nid: ZZ:1\nname: x\n", FormatError, "no identifiers of UBERON"),
        ("format-version: 1.2\n\n[Term]\nid: CL:1\nnonsense\n", FormatError, "line 5: no tag"),
        ("hgnc_id\tsymbol\n", FormatError, "lacks HGNC's columns"),
        ("*NEWRECORD\nUI = D1\n", FormatError, "no MH or UI"),
        ("# curie_map:\nsubject_id\tx\n", FormatError, "lacks SSSOM's columns"),
    ],
)
def test_a_file_that_is_none_of_them_says_why(
    tmp_path: Path, text: str, kind: type[OmicsError], message: str
) -> None:
    path = tmp_path / "odd.txt"
    path.write_text(text)
    with pytest.raises(kind, match=message):
        build_vocabulary([str(path)])


def test_files_that_are_not_there_and_addresses_that_anybody_could_answer_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="there is no file"):
        build_vocabulary([str(tmp_path / "none.obo")])
    with pytest.raises(SourceError, match="not https://"):
        build_vocabulary(["http://example.org/x.obo"])


def test_files_come_from_a_server_verified_and_once(
    ncbi_server: LoopbackNcbi, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in ncbi_server.environment.items():
        monkeypatch.setenv(name, value)
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "mini.obo.gz").write_bytes(gzip.compress(OBO.encode()))
    monkeypatch.setenv("OMICS_CACHE", str(tmp_path / "cache"))
    with LoopbackNcbi(tree) as server:
        address = server.environment["OMICS_GEO_URL"] + "mini.obo.gz"
        built = build_vocabulary([address])
        assert built.sources[0].location == address
        assert understand("zorbic gland").terms[0].id == "UBERON:9000001"
        with pytest.raises(NotFoundError, match="does not exist"):
            build_vocabulary([address.replace("mini", "none")])
    assert build_vocabulary([address]).sources == built.sources, "from the cache, the server is gone"


def test_a_vocabulary_of_another_version_is_not_used_and_that_is_said(files: dict[str, Path]) -> None:
    built = build_vocabulary([str(files["mini.obo"])])
    with sqlite3.connect(built.path) as connection:
        connection.execute("update meta set value = '0' where name = 'schema'")
    connection.close()
    forget()
    query = understand("zorbic gland")
    assert query.of("tissue") == ()
    assert any("was not used; run `omics-nb vocab build` anew" in note for note in query.notes)


def test_a_damaged_vocabulary_is_named(files: dict[str, Path]) -> None:
    built = build_vocabulary([str(files["mini.obo"])])
    Path(built.path).write_bytes(b"not a database" * 100)
    forget()
    with pytest.raises(DataError, match="build it anew"):
        vocabulary_info()
    with pytest.raises(DataError, match="build it anew"):
        understand("liver")


def test_the_shell_builds_tells_and_removes(files: dict[str, Path]) -> None:
    assert "embedded" in run("vocab", "info").output
    done = run("vocab", "build", *files.values())
    assert done.exit_code == 0, done.output
    assert "sha256" in done.output
    told = json.loads(run("vocab", "info", "--json").stdout)
    assert told["path"].startswith(os.environ["OMICS_DATA"])
    assert told["sources"][0]["name"] == "mini.obo"
    assert run("vocab", "remove").exit_code == 0
    assert run("vocab", "remove").exit_code == cli.EXIT_CODES[NotFoundError]
    assert run("vocab", "build", "none.obo").exit_code == cli.EXIT_CODES[NotFoundError]
    assert json.loads(run("vocab", "info", "--json").stdout)["sources"] == []
    with pytest.raises(NotFoundError, match="the embedded one is used"):
        remove_vocabulary()


def test_readers_take_what_the_formats_allow() -> None:
    terms = read_obo(OBO.splitlines(), "mini").terms
    assert [term.id for term in terms][:2] == ["UBERON:9000001", "UBERON:9000002"]
    assert terms[1].parents == ["UBERON:0000178"]
    assert terms[2].obsolete
    assert [heading.heading for heading in read_mesh(MESH.splitlines(), "m")] == [
        "Zorbic Gland Structure",
        "Venous Blood Thing",
    ]


def test_real_ontologies_become_a_vocabulary(shared: Path) -> None:
    names = "cl.obo DO_cancer_slim.obo bto.obo mondo_exactmatch_doid.sssom.tsv"
    built = build_vocabulary([str(shared / "ontology" / f"{name}.gz") for name in names.split()])
    assert built.concepts["cell_type"] > 2_000
    assert built.concepts["cell_line"] > 1_500
    assert understand("mesonephric podocyte").terms[0].kind == "cell_type"


@pytest.mark.slow
def test_all_of_them_together_read_questions_as_well_as_the_embedded_one(shared: Path) -> None:
    names = "uberon_ext.obo cl.obo DO_cancer_slim.obo DO_rare_slim.obo bto.obo hgnc_complete_set.txt"
    names += " mondo_exactmatch_doid.sssom.tsv mondo_exactmatch_mesh.sssom.tsv"
    built = build_vocabulary([str(shared / "ontology" / f"{name}.gz") for name in names.split()])
    assert built.concepts["tissue"] > 13_000
    assert built.concepts["gene"] > 40_000
    found = gold.agreement(gold.read("questions.jsonl"))
    assert found.f1 >= 0.95, found.differences
    assert understand("Bowman's capsule").terms[0].id == "UBERON:0001230"
    assert understand("proteins in water").terms[-1].kind == "word"
    plain = "adult scale atlas of a spatial extension, ECM and ROS by MRI, cultured dishes"
    assert {term.kind for term in understand(plain).terms} == {"word"}
