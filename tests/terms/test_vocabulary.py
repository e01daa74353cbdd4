"""The vocabulary against itself and against the ontologies that its identifiers come from."""

from __future__ import annotations

import csv
import gzip
import os
import re
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from omics_nb.errors import FormatError
from omics_nb.terms import concepts as written
from omics_nb.terms import understand
from omics_nb.terms.concepts import Concept, concepts, read_concepts
from omics_nb.terms.lookup import Vocabulary, compile_into, forget, vocabulary
from omics_nb.terms.ontology import read_obo

ALL = tuple(concepts())


def of(*kinds: str) -> list[Concept]:
    return [concept for concept in ALL if concept.kind in kinds]


@pytest.mark.parametrize(
    ("kinds", "at_least"),
    [
        (("organism",), 140),
        (("assay",), 150),
        (("tissue", "cell_type"), 1_100),
        (("disease",), 1_100),
        (("cell_line",), 400),
        (("gene",), 1_700),
        (("drug",), 950),
    ],
)
def test_the_vocabulary_is_as_large_as_it_says(kinds: tuple[str, ...], at_least: int) -> None:
    assert len(of(*kinds)) >= at_least


def test_there_are_the_27_dataset_types_and_each_is_found_by_its_own_name() -> None:
    types = written.dataset_types()
    assert len(set(types)) == 27
    for kind in set(types) - {"Other"}:
        found = [term.types for term in understand(kind).of("assay")]
        assert kind in found[0], kind


def test_a_former_symbol_of_a_gene_does_not_take_the_name_of_a_disease_or_cell_line() -> None:
    """HGNC has ALS as an alias of SOD1."""
    names = {
        n.removeprefix("=").casefold() for c in of("disease", "cell_line") for n in (c.label, *c.synonyms)
    }
    clashes = {n.removeprefix("=") for c in of("gene") for n in c.synonyms} & {n.upper() for n in names}
    assert clashes - {item.name for item in written.ambiguities()} <= {"A20", "PSA"}


def test_no_name_of_something_else_takes_an_organism_with_it() -> None:
    """ "knockout mice" are mice too."""
    organism = re.compile(r"\b(humans?|mouse|mice|rats?|murine|bovine|porcine)\b", re.IGNORECASE)
    others = [c for c in ALL if c.kind in ("cell_type", "tissue", "drug", "gene", "cell_line")]
    names = {n for c in others for n in (c.label, *c.synonyms) if organism.search(n)}
    assert names <= {"plasmacytoid dendritic cell, human"}


def test_dataset_types_of_assays_exist() -> None:
    assert {kind for concept in ALL for kind in concept.types} <= set(written.dataset_types())


def test_identifiers_are_unique() -> None:
    counts = Counter((concept.kind, concept.id) for concept in ALL if concept.id)
    assert [key for key, n in counts.items() if n > 1 and key[0] != "assay"] == []


def test_identifiers_have_the_form_of_their_kind() -> None:
    forms = {
        "organism": r"NCBITaxon:\d+",
        "disease": r"DOID:\d+",
        "tissue": r"(UBERON|BTO):\d+",
        "cell_type": r"(CL|BTO):\d+",
        "cell_line": r"CVCL_[0-9A-Z]{4}|BTO:\d+",
        "gene": r"HGNC:\d+",
        "drug": r"CHEBI:\d+",
    }
    wrong = [c for c in ALL if c.id and c.kind in forms and not re.fullmatch(forms[c.kind], c.id)]
    assert wrong == []


def test_parents_are_in_the_vocabulary_and_no_concept_is_its_own_ancestor() -> None:
    parents = {concept.id: concept.parents for concept in ALL if concept.id}
    assert {parent for values in parents.values() for parent in values} <= set(parents)
    for start in parents:
        seen, todo = set(), list(parents[start])
        while todo:
            here = todo.pop()
            assert here != start
            if here not in seen:
                seen.add(here)
                todo.extend(parents[here])


def test_every_reading_of_an_ambiguous_word_is_a_concept_that_has_the_word_as_a_name() -> None:
    names = {
        (concept.label.removeprefix("="), name.removeprefix("=").casefold())
        for concept in ALL
        for name in (concept.label, *concept.synonyms)
    }
    missing = [
        a for a in written.ambiguities() if a.label != "-" and (a.label, a.name.casefold()) not in names
    ]
    assert missing == []


@pytest.mark.parametrize("ontology", ["uberon_ext", "cl", "bto"])
def test_identifiers_and_labels_agree_with_the_ontology(ontology: str, shared: Path) -> None:
    labels = dict(_labels(shared / "ontology" / f"{ontology}.obo.gz"))
    prefix = {"uberon_ext": "UBERON:", "cl": "CL:", "bto": "BTO:"}[ontology]
    ours = [concept for concept in of("tissue", "cell_type") if concept.id.startswith(prefix)]
    assert [(c.id, c.label, labels.get(c.id)) for c in ours if labels.get(c.id) != c.label] == []
    others = [name for concept in ALL for name in (concept.id, *concept.xrefs) if name.startswith(prefix)]
    assert [name for name in others if name not in labels] == []


@pytest.mark.parametrize("ontology", ["uberon_ext", "cl", "bto", "DO_cancer_slim", "DO_rare_slim"])
def test_no_identifier_is_obsolete(ontology: str, shared: Path) -> None:
    with gzip.open(shared / "ontology" / f"{ontology}.obo.gz", "rt", encoding="utf-8") as file:
        obsolete = {term.id for term in read_obo(file, ontology).terms if term.obsolete}
    ours = {name for concept in ALL for name in (concept.id, *concept.xrefs, *concept.parents)}
    assert obsolete, "the ontology has some to be refused"
    assert ours & obsolete == set()


def test_diseases_agree_with_the_disease_ontology(shared: Path) -> None:
    with gzip.open(shared / "ontology" / "HumanDO.tsv.gz", "rt", encoding="utf-8") as file:
        labels = {row[0]: row[1] for row in csv.reader(file, delimiter="\t")}
    ours = [concept for concept in of("disease") if concept.id]
    assert [(c.id, c.label, labels.get(c.id)) for c in ours if labels.get(c.id) != c.label] == []


def test_mondo_identifiers_are_those_of_the_mapping(shared: Path) -> None:
    with gzip.open(
        shared / "ontology" / "mondo_exactmatch_doid.sssom.tsv.gz", "rt", encoding="utf-8"
    ) as file:
        rows = csv.reader((line for line in file if not line.startswith("#")), delimiter="\t")
        mapped = {(row[3], row[0]) for row in rows}
    assert [(c.id, x) for c in of("disease") for x in c.xrefs if (c.id, x) not in mapped] == []


def test_taxa_and_drugs_are_called_as_the_ontologies_call_them(shared: Path) -> None:
    """Uberon and the Cell Ontology say beside an identifier of another ontology what it names."""
    names: dict[str, set[str]] = {}
    for ontology in ("cl", "uberon_ext"):
        with gzip.open(shared / "ontology" / f"{ontology}.obo.gz", "rt", encoding="utf-8") as file:
            for identifier, name in re.findall(
                r"((?:CHEBI|NCBITaxon):\d+)(?: \{[^}\n]*\})? ! ([^\n{]+)", file.read()
            ):
                names.setdefault(identifier, set()).add(name.strip().casefold())
    known = [concept for concept in of("organism", "drug") if concept.id in names]
    assert len(known) >= 30
    other = {
        c.id: names[c.id]
        for c in known
        if names[c.id].isdisjoint(n.removeprefix("=").casefold() for n in (c.label, *c.synonyms))
    }
    # ChEBI says which form of a molecule the body makes, and calls antibiotics by a wider name.
    assert other == {
        "CHEBI:18357": {"(r)-noradrenaline"},
        "CHEBI:28918": {"(r)-adrenaline"},
        "CHEBI:33281": {"antimicrobial agent"},
    }


def test_genes_agree_with_hgnc(shared: Path) -> None:
    with gzip.open(shared / "ontology" / "hgnc_complete_set.txt.gz", "rt", encoding="utf-8") as file:
        symbols = {
            row["hgnc_id"]: (row["symbol"], row["entrez_id"]) for row in csv.DictReader(file, delimiter="\t")
        }
    for gene in of("gene"):
        if gene.id:
            symbol, entrez = symbols[gene.id]
            assert gene.label.removeprefix("=") == symbol
            assert gene.xrefs == ((f"NCBIGene:{entrez}",) if entrez else ())


def test_a_file_with_a_wrong_line_says_which() -> None:
    header = "\t".join(written.COLUMNS)
    with pytest.raises(FormatError, match="line 3: a concept needs a label"):
        list(read_concepts(f"{header}\nX:1\tliver\nX:2\t\tno label\n", "tissue", "x.tsv"))
    with pytest.raises(FormatError, match="must begin with the columns"):
        list(read_concepts("id\tname\nX:1\tliver\n", "tissue", "x.tsv"))


def test_readers_that_start_together_see_a_whole_vocabulary(tmp_path: Path) -> None:
    def look_up(_: int) -> int:
        forget()
        return len({name.concept for name in vocabulary(tmp_path).names(["liver"])["liver"]})

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(look_up, range(8))) == {1}
    forget()
    assert [path.suffix for path in (tmp_path / "vocabulary").iterdir()] == [".sqlite"]


def test_processes_that_start_together_see_a_whole_vocabulary(tmp_path: Path) -> None:
    code = "from omics_nb.terms import understand; print(understand('liver of mice').terms[1].id)"
    environment = {**os.environ, "OMICS_CACHE": str(tmp_path)}
    running = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert {process.communicate()[0].strip() for process in running} == {"NCBITaxon:10090"}
    assert [path.suffix for path in (tmp_path / "vocabulary").iterdir()] == [".sqlite"]


def test_without_a_folder_to_write_the_vocabulary_is_compiled_in_memory(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert vocabulary(blocked).names(["liver"])
    forget()


def test_narrower_and_near_names() -> None:
    known = vocabulary()
    assert "hippocampal formation" in known.narrower("UBERON:0000955")
    assert known.near("diabtes") == "diabetes"
    assert known.near("hepatits") == "hepatitis"
    assert known.near("zzzzzzzz") is None


def test_what_has_no_identifier_is_below_its_parents_and_has_nothing_below() -> None:
    connection = sqlite3.connect(":memory:")
    whole, part = Concept("assay", "X:1", "whole"), Concept("assay", "", "part", parents=("X:1",))
    compile_into(connection, [whole, part, Concept("assay", "", "other")], "test")
    assert Vocabulary(connection).narrower("X:1") == ("part",)


def test_a_concept_comes_back_as_it_was_written() -> None:
    concept = Concept("tissue", "X:1", "part", ("bit", "=BIT"), "Parts", ("X:0",), ("Other",))
    connection = sqlite3.connect(":memory:")
    compile_into(connection, [concept], "test")
    assert connection.execute("select id, label, synonyms, mesh, types from concept").fetchall() == [
        ("X:1", "part", "bit|BIT", "Parts", "Other")
    ]
    assert ("bit", "=BIT".removeprefix("="), 1) in connection.execute(
        "select key, name, exact from name"
    ).fetchall()


def _labels(path: Path) -> Iterator[tuple[str, str]]:
    identifier = ""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            if line.startswith("id: "):
                identifier = line[4:].strip()
            elif line.startswith("name: ") and identifier:
                yield identifier, line[6:].strip()
                identifier = ""
