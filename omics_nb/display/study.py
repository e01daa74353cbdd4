"""A study and its quality."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING

from .markup import Html, accession_link, card, el, facts, fold, join, notes, source_line, table
from .numbers import VERDICTS, amount, counted, size
from .plain import one_line, shorten, source_text, table_text, wrap

if TYPE_CHECKING:
    import pandas as pd

    from ..analysis.fitness import Fitness
    from ..records import Check, FileRecord, Quality, Study

_SAMPLES_SHOWN = 12
_SUMMARY_SHOWN = 400


def study_html(study: Study) -> str:
    heading = el("h3", accession_link(study.accession, synthetic=study.synthetic), " ", study.title)
    return card(
        heading,
        study_body(study),
        fold("Sample sheet", samples_table(study)),
        fold("Where the files came from", files_table(study.files)),
    )


def study_body(study: Study) -> Html:
    """Source, facts, notes, summary and matrices of a study."""
    return join(
        [
            source_line(study.source, synthetic=study.synthetic),
            facts(study_facts(study)),
            notes(study.notes, kind="warn"),
            _prose("Summary", study.summary),
            _prose("Overall design", study.overall_design),
            matrices_table(study) if study.matrices else None,
        ]
    )


def study_facts(study: Study) -> Iterator[tuple[str, str]]:
    """Organism, type, samples, platforms, date and kind of values, as names and texts."""
    yield "Organism", ", ".join(study.organisms)
    yield "Type", ", ".join(study.types)
    yield "Samples", _n_samples(study)
    yield "Platforms", ", ".join(study.platforms)
    yield "Published", study.published.isoformat() if study.published else "unknown"
    yield "Values", study.value_kind if study.matrices else "none in the files at hand"


def _n_samples(study: Study) -> str:
    """How many were read, and of how many that the series declares where these differ."""
    n_declared = len(study.declared)
    differ = n_declared and n_declared != study.n_samples
    return f"{study.n_samples:,} of {n_declared:,} declared" if differ else f"{study.n_samples:,}"


def _prose(name: str, text: str) -> Html | None:
    line = one_line(text)
    if not line:
        return None
    if len(line) <= _SUMMARY_SHOWN:
        return el("p", el("strong", name), ". ", line)
    return fold(join([el("strong", name), ". ", shorten(line, _SUMMARY_SHOWN // 2)]), el("p", line))


def matrices_table(study: Study) -> Html:
    """Each platform's matrix: its size, its features with a gene symbol, the range of its values, what is missing."""
    rows = [
        (
            accession_link(platform, synthetic=study.synthetic),
            f"{matrix.shape[0]:,}",
            f"{matrix.shape[1]:,}",
            _n_symbols(study.features.get(platform)),
            *_spread(matrix),
        )
        for platform, matrix in study.matrices.items()
    ]
    return table(
        "Matrices of values, one per platform",
        ("Platform", "Features", "Samples", "With a gene symbol", "Smallest", "Largest", "Missing"),
        rows,
        numeric={1, 2, 3, 4, 5, 6},
    )


def _spread(matrix: pd.DataFrame) -> tuple[str, str, str]:
    """The smallest and the largest value, by which logarithms are told from raw ones, and how many are missing."""
    import numpy as np

    values = matrix.to_numpy()
    if not values.size:
        return "none", "none", "0"
    low, high = np.fmin.reduce(values, axis=None), np.fmax.reduce(values, axis=None)
    return amount(float(low)), amount(float(high)), f"{int(np.isnan(values).sum()):,}"


def _n_symbols(features: pd.DataFrame | None) -> str:
    if features is None or "symbol" not in features.columns:
        return "not known"
    return f"{int((features['symbol'].fillna('').astype(str) != '').sum()):,}"


def samples_table(study: Study, *, limit: int = _SAMPLES_SHOWN) -> Html:
    """The first ``limit`` samples, one row each; columns that are empty throughout are left out."""
    samples = study.samples
    kept = [name for name in samples.columns if bool((samples[name].astype(str) != "").any())]
    rows = [
        (accession_link(str(accession), synthetic=study.synthetic), *row)
        for accession, row in zip(
            samples.index[:limit], samples[kept].head(limit).itertuples(index=False), strict=True
        )
    ]
    shown = (
        f"The first {limit} of {counted(len(samples), 'sample')}" if len(samples) > limit else "All samples"
    )
    return table(shown, ("Sample", *map(str, kept)), rows)


def files_table(files: Iterable[FileRecord]) -> Html:
    """Each file's name, size, SHA-256, where it came from and when."""
    rows = [
        (
            join([record.name, el("code", record.location, class_="omics-place")]),
            size(record.n_bytes),
            el("code", record.sha256, class_="omics-hash"),
            el("span", record.retrieved, class_="omics-nowrap"),
        )
        for record in files
    ]
    return table("Files", ("File and location", "Size", "SHA-256", "Retrieved (UTC)"), rows, numeric={1})


def study_text(study: Study) -> str:
    """A study in a few lines: title, source, facts, matrices, notes."""
    known = "; ".join(f"{name.lower()}: {one_line(value)}" for name, value in study_facts(study) if value)
    lines = [
        wrap(f"{study.accession}  {study.title}"),
        source_text(study.source, synthetic=study.synthetic),
        wrap(known),
    ]
    rows = [
        (name, f"{m.shape[0]:,}", f"{m.shape[1]:,}", _n_symbols(study.features.get(name)))
        for name, m in study.matrices.items()
    ]
    if rows:
        lines.append(table_text(("platform", "features", "samples", "with symbol"), rows, numeric={1, 2, 3}))
    return "\n".join([*lines, *(wrap(f"! {note}") for note in study.notes)])


def quality_html(quality: Quality) -> str:
    return card(el("h3", f"Quality of {quality.accession}"), quality_body(quality))


def quality_body(quality: Quality) -> Html:
    """Source, score and each check with its verdict, value, weight and sentence."""
    known = (
        ("Score", f"{quality.score:.2f} of 1 (weighted share of the checks that held)"),
        ("Platform", quality.platform),
        ("Scale of the values", quality.scale),
        ("Outlier samples", ", ".join(quality.outliers) or "none"),
    )
    rows = [_check_row(check, quality) for check in quality.checks]
    return join(
        [
            source_line(quality.source, synthetic=quality.synthetic),
            facts(known),
            table("Checks", ("Check", "Verdict", "What was found", "Value", "Weight"), rows, numeric={4}),
        ]
    )


def fitness_html(found: Fitness) -> str:
    return card(
        el("h3", f"Fitness of {found.accession}"),
        source_line(found.source, synthetic=found.synthetic),
        fitness_body(found),
    )


def fitness_body(found: Fitness, *, below: Collection[str] = ()) -> Html:
    """Score and each check with its verdict and sentence; those of ``below`` are shown elsewhere."""
    rows = [
        (check.name, verdict_mark(check.verdict), check.sentence)
        for check in found.checks
        if check.name not in below
    ]
    n_below = len(found.checks) - len(rows)
    more = f", with {counted(n_below, 'check')} of the quality below" if n_below else ""
    score = el("p", f"Fitness {found.score:.2f} of 1, from the data{more}.")
    return join([score, table("Fitness for the question", ("Check", "Verdict", "Reason"), rows)])


def fitness_text(found: Fitness) -> str:
    lines = [
        f"Fitness of {found.accession}: {found.score:.2f} of 1",
        source_text(found.source, synthetic=found.synthetic),
    ]
    for check in found.checks:
        lines.append(wrap(f"{VERDICTS.get(check.verdict, check.verdict)} | {check.name}: {check.sentence}"))
    return "\n".join(lines)


def _check_row(check: Check, quality: Quality) -> tuple[object, ...]:
    return (
        check.name,
        verdict_mark(check.verdict),
        check.sentence,
        value_text(check.value),
        _weight(check, quality),
    )


def verdict_mark(verdict: str) -> Html:
    """A verdict as sign and word, so that it does not rest on colour."""
    kind = verdict if verdict in VERDICTS else "none"
    return el("span", VERDICTS.get(verdict, verdict), class_=f"omics-verdict omics-verdict-{kind}")


def value_text(value: object) -> str:
    """A check's value in short: numbers with four digits, collections with their first parts."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() and abs(value) >= 1000 else f"{value:.4g}"
    if isinstance(value, dict):
        return shorten(", ".join(f"{name}: {value_text(part)}" for name, part in value.items()), 80)
    if isinstance(value, (list, tuple, set, frozenset)):
        return shorten(", ".join(value_text(part) for part in value), 80) or "none"
    return "" if value is None else shorten(value, 80)


def _weight(check: Check, quality: Quality) -> str:
    return f"{quality.weights[check.name]:g}" if check.name in quality.weights else ""


def quality_text(quality: Quality) -> str:
    """Score and checks as aligned columns."""
    platform = f" on {quality.platform}" if quality.platform else ""
    lines = [
        wrap(
            f"Quality of {quality.accession}{platform}: {quality.score:.2f} of 1; values are {quality.scale}"
        ),
        source_text(quality.source, synthetic=quality.synthetic),
        wrap(f"outlier samples: {', '.join(quality.outliers) or 'none'}"),
    ]
    for check in quality.checks:
        lines.append(wrap(f"{VERDICTS.get(check.verdict, check.verdict)} | {check.name}: {check.sentence}"))
    return "\n".join(lines)
