"""Options of an analysis in the shell that go beyond one plain comparison."""

from __future__ import annotations

import json
from typing import Any

from click.testing import CliRunner

import omics_nb as omics
from omics_nb.cli import main
from omics_nb.progress import listening


def told(*words: str) -> dict[str, Any]:
    with listening(lambda _: None):
        done = CliRunner().invoke(main, ["de", *words, "--json"])
    assert done.exit_code == 0, done.output
    return dict(json.loads(done.stdout))


def first_in(shown: dict[str, Any]) -> str:
    return str(next(iter(shown["top"][0].values())))


def first_of(result: omics.DEResult) -> str:
    return str(result.top(1).index[0])


def test_a_threshold_a_block_and_a_level_reach_the_analysis() -> None:
    tissue = ("tissue", "carcinoma", "normal mucosa")
    study = omics.fetch("GSE9000004")
    blocked = omics.differential_expression(study, contrast=tissue, block="patient", lfc=1.0)
    words = ("GSE9000004", "--contrast", *tissue, "--block", "patient", "--lfc", "1")
    assert first_in(told(*words)) == first_of(blocked)
    infection = ("infection", "influenza A virus", "mock")
    late = omics.differential_expression(omics.fetch("GSE9000012"), contrast=infection, by=("time", "24 h"))
    shown = told("GSE9000012", "--contrast", *infection, "--by", "time", "24 h")
    assert first_in(shown) == first_of(late)
    assert shown["design"] == "~ time * infection"
