"""The live source against the loopback NCBI, which serves real files and recorded replies."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import httpx
import pytest

from omics_nb.display.numbers import size
from omics_nb.errors import (
    BackendError,
    BlockedError,
    FormatError,
    IntegrityError,
    NotFoundError,
    OfflineError,
    PrivateRecordError,
    QuestionError,
    RateLimitError,
    SettingsError,
)
from omics_nb.geo.download import cache_info
from omics_nb.geo.entrez import Entrez
from omics_nb.geo.http import Http
from omics_nb.geo.links import parse_runs, publications, raw_data
from omics_nb.geo.remote import list_files, parse_filelist, rank_supplements
from omics_nb.index import choice
from omics_nb.records import Query, Removed, Study, Term
from omics_nb.settings import Settings, load
from omics_nb.sources import Source, open_source
from omics_nb.sources.ncbi import NcbiSource
from omics_nb.sources.synthetic import ensure_archive
from tests.ncbi.fixtures import Clock
from tests.ncbi.server import LoopbackNcbi

MELANOMA = Term("melanoma", "disease", "melanoma")
HUMAN = Term("human", "organism", "Homo sapiens")
MOUSE = Term("mouse", "organism", "Mus musculus")
ARRAY = "Expression profiling by array"


def term(text: str, kind: str = "disease") -> Term:
    return Term(text, kind, text)  # type: ignore[arg-type]


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def source(ncbi_settings: Settings, clock: Clock, told: list[str]) -> NcbiSource:
    def connect(settings: Settings, progress: Callable[[str], None]) -> Http:
        return Http(settings, clock=clock, sleep=clock.sleep, jitter=lambda: 0.5, progress=progress)

    return NcbiSource(ncbi_settings, progress=told.append, connect=connect)


def test_the_registry_opens_it_and_it_takes_no_argument(ncbi_settings: Settings) -> None:
    source: Source = open_source("ncbi", settings=ncbi_settings)
    assert (source.spec, source.synthetic) == ("ncbi", False)
    with pytest.raises(SettingsError, match="takes no argument"):
        open_source("ncbi:/data", settings=ncbi_settings)


# Searching


def test_a_question_finds_the_study_with_reasons_and_says_what_was_sent(source: NcbiSource) -> None:
    hits = source.search(Query("melanoma, human", terms=(MELANOMA, HUMAN)))
    (hit,) = hits
    assert (hit.accession, hit.n_samples, hit.published) == ("GSE42872", 6, date(2014, 5, 20))
    assert (hit.organisms, hit.types, hit.platforms) == (("Homo sapiens",), (ARRAY,), ("GPL6244",))
    assert any("melanoma" in reason for reason in hit.reasons)
    assert hits.backend_query == '"melanoma"[ALL] AND "Homo sapiens"[ORGN] AND gse[ETYP]'
    assert (hits.source, hit.source, hits.total) == ("ncbi", "ncbi", 1)


def test_only_series_are_hits_never_their_samples_or_datasets(source: NcbiSource) -> None:
    hits = source.search(Query("carcinoma", terms=(term("carcinoma"),)))
    assert {hit.accession for hit in hits} == {"GSE781", "GSE14520"}


def test_conditions_are_put_to_ncbi(source: NcbiSource) -> None:
    mouse = Query("mouse", terms=(MOUSE,))
    assert {hit.accession for hit in source.search(mouse)} >= {"GSE93374", "GSE99709", "GSE40726", "GSE1623"}
    few = replace(mouse, min_samples=10, max_samples=20)
    assert {hit.accession for hit in source.search(few)} == {"GSE93374", "GSE99709"}
    recent = replace(mouse, published_from=date(2017, 1, 1), published_to=date(2017, 3, 1))
    assert {hit.accession for hit in source.search(recent)} == {"GSE93374"}


def test_what_only_ncbis_index_knows_is_a_hit_too_after_the_others(source: NcbiSource) -> None:
    # In GSE99709 "vehicle" stands in the samples' characteristics, which summaries do not carry.
    hits = source.search(Query("vehicle", terms=(term("vehicle", "drug"),)))
    assert [hit.accession for hit in hits] == ["GSE42872", "GSE99709"]
    assert (hits[0].score > 0, hits[1].score) == (True, 0)
    assert "found by NCBI's index" in hits[1].reasons[-1]


def test_what_is_excluded_is_left_out(source: NcbiSource) -> None:
    hits = source.search(Query("human", terms=(HUMAN,), excluded=(MELANOMA,)))
    assert "GSE42872" not in {hit.accession for hit in hits}
    assert hits.removed == (Removed("not melanoma", 1, ("GSE42872",)),)
    assert 'The condition "not melanoma" removed 1: GSE42872.' in hits.notes
    assert hits.backend_query is not None
    assert "NOT" not in hits.backend_query


def test_a_condition_that_ncbi_drops_is_told_and_one_synonym_of_several_is_not(source: NcbiSource) -> None:
    hits = source.search(Query("fleegle", terms=(term("fleegle"), HUMAN)))
    assert hits.notes[0].startswith('NCBI knows no record with "fleegle"[ALL] and searched without it')
    synonyms = Term("melanoma", "disease", "melanoma", synonyms=("fleegle disease",))
    assert not any("fleegle" in note for note in source.search(Query("melanoma", terms=(synonyms,))).notes)


def test_nothing_found_is_explained(source: NcbiSource) -> None:
    hits = source.search(
        Query("xyzzy", terms=(term("fleegle"), Term("x", "organism", "Felis catus"))), limit=5
    )
    assert len(hits) == 0 or hits.notes
    nothing = source.search(Query("human 2099", terms=(HUMAN,), published_from=date(2099, 1, 1)))
    assert any("NCBI" in note for note in nothing.notes)


def test_plain_words_are_left_out_where_nothing_has_them_all(
    source: NcbiSource, ncbi_server: LoopbackNcbi
) -> None:
    both = (MELANOMA, Term("motor", "word", "motor"), Term("cortex", "word", "hepatocellular"))
    hits = source.search(Query("melanoma motor", terms=both))
    assert [hit.accession for hit in hits] == ["GSE42872"]
    assert any("plain words were left out" in note for note in hits.notes)
    assert hits.backend_query == '"melanoma"[ALL] AND gse[ETYP]'


def test_a_strict_and_a_broad_search_are_counted_and_shown(
    source: NcbiSource, ncbi_server: LoopbackNcbi
) -> None:
    tissue = Term("colonic", "tissue", "colonic", narrower=("hepatocellular",))
    query = Query("colon mucosa", terms=(tissue, Term("mucosa", "word", "mucosa")))
    hits = source.search(query)
    strict, broad = hits.searches
    assert (strict.variant, strict.term) == ("strict", '"colonic"[ALL] AND "mucosa"[ALL] AND gse[ETYP]')
    assert (broad.variant, broad.term) == ("broad", '("colonic"[ALL] OR "hepatocellular"[ALL]) AND gse[ETYP]')
    assert 0 < strict.count < broad.count == hits.total
    assert strict.translation == '"colonic"[All Fields] AND "mucosa"[All Fields] AND gse[Entry Type]'
    assert hits[0].accession == "GSE4107"
    added = [hit for hit in hits if "found by the broad search only" in hit.reasons]
    assert {hit.accession for hit in added} == {"GSE14520"}
    # Enough of the strict: the broad one is only counted.
    ncbi_server.seen.clear()
    few = source.search(query, limit=1)
    assert ([hit.accession for hit in few], few.total) == (["GSE4107"], strict.count)
    assert [item.count for item in few.searches] == [strict.count, broad.count]
    assert [seen.all["retmax"] for seen in ncbi_server.seen if "esearch" in seen.path] == ["200", "0"]


def test_hits_of_ncbi_can_be_searched_within_counted_and_sorted(source: NcbiSource) -> None:
    mouse = source.refine(Query("mouse", terms=(MOUSE,)), choice(facets=True, sort="date"))
    assert mouse.facets["organism"]["Mus musculus"] >= 4
    days = [hit.published for hit in mouse if hit.published]
    assert days == sorted(days, reverse=True)
    among = choice(within=["GSE1623", "GSE4107"])
    assert [hit.accession for hit in source.refine(Query("mouse", terms=(MOUSE,)), among)] == ["GSE1623"]
    with pytest.raises(QuestionError, match="nothing to search within"):
        source.refine(Query("mouse", terms=(MOUSE,)), choice(within=[]))


def test_groups_sex_and_age_are_held_against_the_samples_that_ncbi_lists(source: NcbiSource) -> None:
    # esummary has the samples' titles: those of GSE42872 name Vemurafenib and Control, three times each.
    query = Query("melanoma", terms=(MELANOMA,), compare=("vemurafenib", "control"), min_per_group=3)
    (hit,) = source.search(query)
    assert "samples: 3 vemurafenib, 3 control" in hit.reasons
    nothing = source.search(replace(query, min_per_group=4, min_samples=None))
    assert not nothing
    assert [item.accessions for item in nothing.removed] in ([("GSE42872",)], [])


def test_raw_data_and_counts_are_held_against_the_records(source: NcbiSource) -> None:
    # Of GSE40726 there is a table alone, the record of GSE1623 names no file, the others are linked to SRA.
    raw = source.search(Query("mouse", terms=(MOUSE,), has_raw=True))
    assert [(item.condition, item.accessions) for item in raw.removed] == [("has raw data", ("GSE40726",))]
    assert "raw reads are in SRA" in raw.get("GSE93374").reasons
    assert any("there is raw data is not known" in reason for reason in raw.get("GSE1623").reasons)


def test_an_accession_finds_its_series(source: NcbiSource) -> None:
    assert [hit.accession for hit in source.search(Query("GSE4107", accessions=("GSE4107",)))] == ["GSE4107"]
    assert [hit.accession for hit in source.search(Query("GSM1052615", accessions=("GSM1052615",)))] == [
        "GSE42872"
    ]


def test_a_record_that_ncbi_cannot_give_is_named(source: NcbiSource, ncbi_server: LoopbackNcbi) -> None:
    ncbi_server.fail("bad_uid", "esummary")
    hits = source.search(Query("mouse", terms=(MOUSE,)))
    assert any("cannot get document summary" in note for note in hits.notes)


def test_the_limit_cuts_and_the_total_stays(source: NcbiSource) -> None:
    hits = source.search(Query("mouse", terms=(MOUSE,)), limit=2)
    assert (len(hits), hits.total > 2) == (2, True)
    assert any("are shown" in note for note in hits.notes)


# Fetching


def test_a_series_comes_from_its_matrix_with_the_provenance_of_every_file(
    source: NcbiSource, ncbi_server: LoopbackNcbi, shared: Path
) -> None:
    study = source.fetch("gse42872")
    assert (study.accession, study.source, study.synthetic) == ("GSE42872", "ncbi", False)
    assert study.matrix().shape == (33297, 6)
    (file,) = study.files
    assert (
        file.location
        == ncbi_server.url + "/geo/series/GSE42nnn/GSE42872/matrix/GSE42872_series_matrix.txt.gz"
    )
    assert file.n_bytes == (shared / "geo/series/GSE42nnn/GSE42872/matrix" / file.name).stat().st_size
    assert any("GPL6244 has no annotation file" in note for note in study.notes)


def test_fetching_again_asks_for_no_file_again(source: NcbiSource, ncbi_server: LoopbackNcbi) -> None:
    first = source.fetch("GSE42872")
    asked = len(ncbi_server.requests(r"\.gz"))
    again = source.fetch("GSE42872")
    assert len(ncbi_server.requests(r"matrix\.txt\.gz")) == 1
    assert len(ncbi_server.requests(r"\.gz")) - asked <= 1
    assert first.files == again.files


def test_a_study_that_is_fetched_again_is_not_parsed_again(source: NcbiSource) -> None:
    parsed, opened = source.fetch("GSE781"), source.fetch("GSE781")
    (kept,) = cache_info(source.settings).studies
    assert kept.accession == "GSE781"
    assert same_study(parsed, opened)
    assert parsed.notes == opened.notes
    assert parsed.files == opened.files


def test_without_a_matrix_the_family_soft_is_read(source: NcbiSource) -> None:
    study = source.fetch("GSE1623")
    assert (study.n_samples, list(study.matrices)) == (8, ["GPL81"])
    assert [file.name for file in study.files] == ["GSE1623_family.soft.gz"]


def test_annotation_comes_with_the_matrix_where_geo_has_it(
    source: NcbiSource, ncbi_server: LoopbackNcbi, tmp_path: Path
) -> None:
    root = tmp_path / "tree"
    folder = root / "series/GSE9nnn/GSE9999/matrix"
    folder.mkdir(parents=True)
    text = (
        '!Series_title\t"T"\n!Series_geo_accession\t"GSE9999"\n!Series_sample_id\t"GSM1 GSM2 "\n\n'
        '!Sample_title\t"a"\t"b"\n!Sample_geo_accession\t"GSM1"\t"GSM2"\n!Sample_platform_id\t"GPL97"\t"GPL97"\n'
        '!series_matrix_table_begin\n"ID_REF"\t"GSM1"\t"GSM2"\n"222384_at"\t1.5\t2.5\n!series_matrix_table_end\n'
    )
    (folder / "GSE9999_series_matrix.txt.gz").write_bytes(gzip.compress(text.encode()))
    annotation = root / "platforms/GPLnnn/GPL97/annot/GPL97.annot.gz"
    annotation.parent.mkdir(parents=True)
    table = "!platform_table_begin\nID\tGene symbol\n222384_at\tTP53\n!platform_table_end\n"
    annotation.write_bytes(gzip.compress(b"^Annotation\n!Annotation_platform = GPL97\n" + table.encode()))
    ncbi_server.root, before = root, ncbi_server.root
    try:
        study = source.fetch("GSE9999")
    finally:
        ncbi_server.root = before
    assert [file.name for file in study.files] == ["GSE9999_series_matrix.txt.gz", "GPL97.annot.gz"]
    assert study.features["GPL97"].loc["222384_at", "symbol"] == "TP53"
    assert study.notes == ()


def test_a_gds_is_fetched_too(source: NcbiSource) -> None:
    study = source.fetch("GDS507")
    assert (study.n_samples, list(study.matrices)) == (17, ["GPL97"])


def test_an_empty_matrix_sends_us_to_the_authors_counts(source: NcbiSource) -> None:
    study = source.fetch("GSE151648")
    assert study.value_kind == "counts"
    assert [file.name for file in study.files] == ["GSE151648_liver-iri-counts.txt.gz"]


def test_an_empty_matrix_without_counts_is_explained(source: NcbiSource) -> None:
    study = source.fetch("GSE99709")
    assert (study.n_samples, dict(study.matrices)) == (12, {})
    assert any("series matrix is empty" in note for note in study.notes)
    assert "NCBI has no counts of its own for GSE99709." in study.notes


def test_an_empty_matrix_gets_the_counts_that_ncbi_computed(
    source: NcbiSource, ncbi_server: LoopbackNcbi
) -> None:
    samples = [f"GSM{number}" for number in range(2650749, 2650761)]
    rows = "".join(
        f"{gene}\t" + "\t".join(str(gene % 97 + place) for place in range(12)) + "\n"
        for gene in range(1, 400)
    )
    name = "GSE99709_raw_counts_GRCm39_NCBI.tsv.gz"
    ncbi_server.records["200099709"].filters.add("rnaseq counts")
    ncbi_server.counts[name] = gzip.compress(("GeneID\t" + "\t".join(samples) + "\n" + rows).encode())
    study = source.fetch("GSE99709")
    assert study.value_kind == "counts"
    assert study.matrix().shape == (399, 12)
    assert name in [file.name for file in study.files]
    assert any("NCBI computed" in note for note in study.notes)


def test_a_challenge_in_the_place_of_counts_is_a_note_and_no_failure(
    source: NcbiSource, ncbi_server: LoopbackNcbi
) -> None:
    ncbi_server.records["200099709"].filters.add("rnaseq counts")
    ncbi_server.fail("challenge", "/web/geo/download", times=9)
    study = source.fetch("GSE99709")
    assert any(
        "NCBI's own counts could not be asked for" in note and "challenge" in note for note in study.notes
    )


def test_files_are_listed_with_sizes_before_anything_is_downloaded(
    source: NcbiSource, ncbi_http: Http, ncbi_server: LoopbackNcbi
) -> None:
    found = source.files("gse151648")
    (file,) = found
    assert (found.accession, found.source, found.members) == ("GSE151648", "ncbi", ())
    assert (file.name, file.role, file.exact) == ("GSE151648_liver-iri-counts.txt.gz", "supplement", False)
    assert file.n_bytes == pytest.approx(3_146_036, rel=0.05)
    assert repr(found) == f"Files(GSE151648: 1 file, about {size(found.n_bytes)}, source ncbi)"
    listed = list_files(ncbi_http, "GSE151648")
    assert rank_supplements(listed) == list(listed)
    assert ncbi_server.requests(r"\.gz") == []


def test_the_annotation_of_a_platform_is_among_its_files(source: NcbiSource) -> None:
    assert [(file.name, file.role) for file in source.files("GPL97")] == [("GPL97.annot.gz", "annotation")]


# What can go wrong


def test_an_unknown_accession_is_not_found(source: NcbiSource) -> None:
    with pytest.raises(
        NotFoundError, match="GEO has no record GSE99999; its page says 'Could not find a public"
    ):
        source.fetch("GSE99999")
    with pytest.raises(NotFoundError, match="GSE42872"):
        source.fetch("ABC1")


def test_a_private_record_is_said_to_be_private_and_until_when(
    source: NcbiSource, ncbi_server: LoopbackNcbi
) -> None:
    ncbi_server.private.add("GSE99999")
    with pytest.raises(PrivateRecordError, match="GSE99999 exists and is private until Jan 01, 2030"):
        source.fetch("GSE99999")


def test_not_found_says_both_possibilities_where_the_page_is_blocked(
    source: NcbiSource, ncbi_server: LoopbackNcbi
) -> None:
    ncbi_server.fail("challenge", "acc.cgi")
    with pytest.raises(NotFoundError, match="no such record, or it is not public yet"):
        source.fetch("GSE99999")


def test_no_network_is_offline_for_both_verbs(source: NcbiSource) -> None:
    nowhere = "http://127.0.0.1:9/"
    source.settings = replace(source.settings, eutils_url=nowhere, geo_url=nowhere, geo_web_url=nowhere)
    with pytest.raises(OfflineError):
        source.search(Query("melanoma", terms=(MELANOMA,)))
    with pytest.raises(OfflineError):
        source.fetch("GSE42872")


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("challenge", BlockedError),
        ("rate_limit", RateLimitError),
        ("backend_down", BackendError),
        ("member_cut", IntegrityError),
        ("swapped", IntegrityError),
    ],
)
def test_a_matrix_that_cannot_be_had_is_an_error_and_no_study(
    source: NcbiSource, ncbi_server: LoopbackNcbi, fault: str, error: type[Exception]
) -> None:
    ncbi_server.fail(fault, "series_matrix", times=99)
    with pytest.raises(error):
        source.fetch("GSE42872")
    assert cache_info(source.settings).files == ()


def test_waits_are_told(source: NcbiSource, ncbi_server: LoopbackNcbi, told: list[str]) -> None:
    ncbi_server.fail("rate_limit", "esearch", retry_after="20")
    source.search(Query("melanoma", terms=(MELANOMA,)))
    assert any("trying again in 21 s" in text for text in told)


# Papers, reads, families


def test_reads_are_found_by_the_study_that_the_record_names(source: NcbiSource) -> None:
    found = source.raw_data("GSE146256")
    assert (len(found.runs), found.route) == (12, "SRA study SRP251352")
    run = found.runs[0]
    assert (run.accession, run.experiment, run.sample) == ("SRR11217925", "SRX7830165", "GSM4369051")
    assert (run.layout, run.strategy, run.n_bytes, run.n_spots) == (
        "SINGLE",
        "RNA-Seq",
        653_560_062,
        29_156_586,
    )
    assert str(found).splitlines()[0] == "GSE146256: 12 runs, SINGLE, 7.4 GB (SRA study SRP251352)"
    assert list(found.to_frame()["accession"]) == [run.accession for run in found.runs]


@pytest.mark.parametrize(
    ("missing", "route"),
    [
        ({"extrelations": []}, "link from gds to sra"),
        ({"extrelations": [], "uid": "200000001"}, "BioProject PRJNA609901"),
        ({"extrelations": [], "uid": "200000001", "bioproject": ""}, "2 SRA experiments"),
    ],
)
def test_where_one_route_fails_the_next_is_taken(
    ncbi_http: Http, ncbi_server: LoopbackNcbi, missing: dict[str, object], route: str
) -> None:
    summary = ncbi_server.records["200146256"].summary | missing
    found = raw_data(Entrez(ncbi_http), summary, experiments=("SRX7830165", "SRX7830164"))
    assert found.route == route
    assert len(found.runs) == (2 if "experiments" in route else 12)
    assert bool(found.notes) == ("experiments" in route)


def test_runs_that_are_of_no_sample_of_the_series_are_told_of(
    ncbi_http: Http, ncbi_server: LoopbackNcbi
) -> None:
    summary = ncbi_server.records["200146256"].summary | {"samples": [{"accession": "GSM1"}]}
    found = raw_data(Entrez(ncbi_http), summary)
    assert len(found.runs) == 12
    assert found.notes == ("1 of 1 samples have no run in SRA: GSM1",)


def test_no_raw_data_is_an_answer(source: NcbiSource, ncbi_http: Http, ncbi_server: LoopbackNcbi) -> None:
    found = source.raw_data("GSE42872")
    assert (found.runs, found.asked) == ((), True)
    assert str(found).startswith("GSE42872: no raw data in SRA (asked by link from gds to sra")
    summary = ncbi_server.records["200042872"].summary | {"suppfile": "CEL"}
    assert raw_data(Entrez(ncbi_http), summary).notes == (
        "GEO itself has files of the kinds CEL: omics.files lists them.",
    )


def test_recorded_runs_of_sra_are_read(shared: Path) -> None:
    runs = parse_runs((shared / "sra" / "pysradb" / "sra_test.xml").read_text(encoding="utf-8"))
    assert len({run.accession for run in runs}) == len(runs) > 80
    (paired,) = parse_runs(
        (shared / "sra" / "pysradb" / "sra_test_ERS3331676.xml").read_text(encoding="utf-8")
    )
    assert (paired.accession, paired.layout, paired.n_bytes) == ("ERR4229796", "PAIRED", 94_976_452)
    with pytest.raises(BackendError, match="no whole XML"):
        parse_runs("<EXPERIMENT_PACKAGE_SET><EXPERIMENT_PACKAGE>")
    with pytest.raises(BackendError, match="document type"):
        parse_runs('<!DOCTYPE x [<!ENTITY a "b">]><EXPERIMENT_PACKAGE_SET/>')


def test_papers_come_with_title_authors_and_doi(ncbi_http: Http, ncbi_server: LoopbackNcbi) -> None:
    summary = ncbi_server.records["200042872"].summary | {"pubmedids": ["28798664", 5683731]}
    first, second = publications(Entrez(ncbi_http), summary)
    assert first.title.startswith("Interplay of Energetics and ER Stress")
    assert (first.authors[0], first.doi, first.published) == ("Chen X", "10.3389/fnmol.2017.00232", "2017")
    assert str(second) == (
        "Goldberg MJ et al. An assistive device for smoking. Paraplegia 1968 Aug."
        " https://doi.org/10.1038/sc.1968.18 PMID 5683731"
    )


def test_a_paper_that_pubmed_cannot_give_keeps_its_number(source: NcbiSource) -> None:
    found = source.publications("GSE93374")
    (paper,) = found
    assert (paper.pubmed_id, paper.title, str(paper)) == ("28166221", "", "PMID 28166221")
    assert found.notes == ("PubMed gives no title of 28166221.",)


def test_links_of_an_unknown_series_are_not_found(source: NcbiSource) -> None:
    with pytest.raises(NotFoundError, match="no series GSE99999"):
        source.publications("GSE99999")


def test_the_family_of_a_series_is_asked_of_its_page(source: NcbiSource, ncbi_server: LoopbackNcbi) -> None:
    assert source.family("GSE99709").parents == ("GSE99797",)
    ncbi_server.private.add("GSE99999")
    with pytest.raises(PrivateRecordError):
        source.family("GSE99999")
    ncbi_server.fail("challenge", "acc.cgi")
    with pytest.raises(BlockedError):
        source.family("GSE99709")


def test_what_an_archive_holds_is_listed_without_downloading_it(
    source: NcbiSource, ncbi_server: LoopbackNcbi, tmp_path: Path
) -> None:
    suppl = tmp_path / "tree/series/GSE9nnn/GSE9999/suppl"
    suppl.mkdir(parents=True)
    (suppl / "GSE9999_RAW.tar").write_bytes(bytes(10_240))
    (suppl / "filelist.txt").write_text(
        "#Archive/File\tName\tTime\tSize\tType\n"
        "Archive\tGSE9999_RAW.tar\t05/20/2014 10:00:00\t12840960\tTAR\n"
        "File\tGSM1_a.CEL.gz\t05/20/2014 09:00:00\t4280320\tCEL\n"
    )
    ncbi_server.root, before = tmp_path / "tree", ncbi_server.root
    try:
        found = source.files("GSE9999")
    finally:
        ncbi_server.root = before
    assert [file.name for file in found] == ["GSE9999_RAW.tar", "filelist.txt"]
    (member,) = found.members
    assert (member.name, member.n_bytes, member.archive) == ("GSM1_a.CEL.gz", 4_280_320, "GSE9999_RAW.tar")
    assert ncbi_server.requests(r"\.tar") == []
    with pytest.raises(FormatError, match="line 1"):
        parse_filelist("<html>")


def test_without_network_what_was_fetched_before_still_opens_and_says_so(
    source: NcbiSource, clock: Clock
) -> None:
    online = source.fetch("GSE4107")

    def unplugged(settings: Settings, progress: Callable[[str], None]) -> Http:
        return Http(settings, transport=httpx.MockTransport(_refuse), clock=clock, sleep=clock.sleep)

    source.connect = unplugged
    offline = source.fetch("GSE4107")
    assert offline.matrix().equals(online.matrix())
    assert offline.files == online.files
    assert any("GEO could not be reached, so files kept since" in note for note in offline.notes)
    with pytest.raises(OfflineError):
        source.fetch("GSE42872")


def test_an_annotation_that_could_not_be_asked_for_is_said(source: NcbiSource, clock: Clock) -> None:
    assert not any("its annotation of GPL81" in note for note in source.fetch("GSE1623").notes)

    def unplugged(settings: Settings, progress: Callable[[str], None]) -> Http:
        return Http(settings, transport=httpx.MockTransport(_refuse), clock=clock, sleep=clock.sleep)

    source.connect = unplugged
    notes = source.fetch("GSE1623").notes
    assert any("GEO could not be asked for its annotation of GPL81" in note for note in notes)


def test_a_platform_that_geo_has_no_table_of_is_said_in_the_words_of_its_page(source: NcbiSource) -> None:
    (note,) = (note for note in source.fetch("GSE4107").notes if "no annotation file" in note)
    said = """its page says 'Could not find a public or private accession "GPL570".'"""
    assert note.endswith(f"gave no table of it (GEO has no record GPL570; {said})")


def test_an_annotation_that_fails_costs_no_study(source: NcbiSource, ncbi_server: LoopbackNcbi) -> None:
    ncbi_server.fail("bad_gateway", "annot", times=99)
    study = source.fetch("GSE1623")
    assert study.matrices
    assert any("GEO could not be asked for its annotation of GPL81" in note for note in study.notes)


def test_a_question_of_plain_words_alone_has_no_broader_search(source: NcbiSource) -> None:
    query = Query("melanoma hepatocellular", terms=(term("melanoma", "word"), term("hepatocellular", "word")))
    hits = source.search(query)
    assert not hits
    assert not any("plain words were left out" in note for note in hits.notes)
    assert any("NCBI finds no series" in note for note in hits.notes)


def _refuse(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("Network is unreachable", request=request)


def same_study(one: Study, other: Study) -> bool:
    return (
        one.samples.equals(other.samples)
        and list(one.matrices) == list(other.matrices)
        and all(one.matrices[name].equals(other.matrices[name]) for name in one.matrices)
        and all(one.features[name].equals(other.features[name]) for name in one.features)
        and one.metadata == other.metadata
    )


@pytest.mark.parametrize(
    "accession",
    [
        pytest.param(f"GSE{9_000_000 + number}", marks=[] if number in (2, 3, 5, 20) else [pytest.mark.slow])
        for number in range(1, 33)
    ]
    + ["GDS900001"],
)
def test_the_embedded_archive_read_over_the_network_is_the_archive(
    accession: str, demo_server: LoopbackNcbi, tmp_path: Path, clock: Clock
) -> None:
    environment = {**demo_server.environment, "OMICS_CACHE": str(tmp_path), "OMICS_CONFIG": "/none.toml"}
    ncbi = NcbiSource(
        load(environment), connect=lambda s, p: Http(s, clock=clock, sleep=clock.sleep, progress=p)
    )
    demo = open_source("demo")
    assert same_study(ncbi.fetch(accession), demo.fetch(accession))


@pytest.fixture(scope="module")
def demo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoopbackNcbi]:
    with LoopbackNcbi(ensure_archive(tmp_path_factory.getbasetemp() / "cache")) as server:
        yield server


def test_the_loopback_ncbi_can_be_started_by_hand(shared: Path, ncbi_settings: Settings) -> None:
    command = [
        sys.executable,
        "-m",
        "tests.ncbi",
        "--root",
        str(shared / "geo"),
        "--fault",
        "challenge@GSE4107",
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    ) as server:
        assert server.stdout is not None
        lines = [server.stdout.readline().removeprefix("export ").strip() for _ in range(4)]
        environment = dict(line.split("=", 1) for line in lines)
        settings = load(
            {**environment, "OMICS_CACHE": str(ncbi_settings.cache), "OMICS_CONFIG": "/none.toml"}
        )
        try:
            source = open_source(settings=settings)
            assert [hit.accession for hit in source.search(Query("melanoma", terms=(MELANOMA,)))] == [
                "GSE42872"
            ]
            assert source.fetch("GSE235534").n_samples == 41
            with pytest.raises(BlockedError):
                source.fetch("GSE4107")
        finally:
            server.terminate()


def test_the_source_needs_no_e_mail_and_keeps_nothing_open(ncbi_settings: Settings) -> None:
    hits = open_source("ncbi", settings=ncbi_settings).search(Query("melanoma", terms=(MELANOMA,)))
    assert [hit.accession for hit in hits] == ["GSE42872"]
