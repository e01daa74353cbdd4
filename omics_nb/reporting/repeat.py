"""How to make a report again: the exact command, the same in Python and for the notebook; no text of others is run."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Iterator
from typing import Any

from ..analysis.enrichment import Enrichment, read_gene_sets
from ..records import DEResult, Study
from .document import Repeat


def how_to_repeat(
    study: Study, result: DEResult, *, question: str | None, enrichment: Enrichment | None = None
) -> Repeat:
    """The command and the Python that repeat ``result`` on the same source.

    ``enrichment``: where it was given, and not made by the report itself.
    """
    return Repeat(
        _command(study, result, question, enrichment),
        _python(study, result, question, enrichment),
        _parameters(study, result, question),
    )


def _command(study: Study, result: DEResult, question: str | None, enrichment: Enrichment | None) -> str:
    words = ["omics-nb", "report", "--source", study.source, "--study", study.accession]
    for one in result.each or (result,):
        words += ["--contrast", *one.contrast]
    words += ["--platform", result.platform, "--method", result.method, "--design", result.design]
    for name, value in result.options.items():
        words += _option(name, value)
    lines = []
    if added := _added(study, result):
        file = f"{study.accession}_groups.csv"
        lines.append(f"printf %s {shlex.quote(_table(study, added))} > {shlex.quote(file)}")
        words += ["--groups", file]
    if enrichment is not None:
        lines.append("# The gene sets were asked for apart; the Python below has how.")
    if question:
        words += ["--", question]
    return "\n".join([*lines, shlex.join(words)])


def _option(name: str, value: Any) -> Iterator[str]:
    """An argument of the fit as words of the command."""
    flag = f"--{name.replace('_', '-')}"
    if name == "by":
        factor, *levels = value
        for level in levels:
            yield from (flag, factor, level)
    elif isinstance(value, bool):
        yield flag if value else flag.replace("--", "--no-", 1)
    else:
        yield from (flag, str(value))


def _table(study: Study, columns: list[str]) -> str:
    """The columns as the file that ``--groups`` reads."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["sample", *columns])
    rows.writerows([sample, *row] for sample, *row in study.samples[columns].itertuples(name=None))
    return text.getvalue()


def _parameters(study: Study, result: DEResult, question: str | None) -> dict[str, Any]:
    """What the report's notebook is to be told."""
    given: dict[str, Any] = {"question": question} if question else {}
    contrasts = [[str(part) for part in one.contrast] for one in result.each or (result,)]
    given |= {
        "source": study.source,
        "study": study.accession,
        "contrast": contrasts if result.each else contrasts[0],
    }
    given |= {"platform": result.platform, "design": result.design, "method": result.method}
    if result.options:
        given["options"] = {
            name: list(value) if isinstance(value, tuple) else value for name, value in result.options.items()
        }
    columns = {name: study.samples[name] for name in _added(study, result)}
    if columns:
        given["groups"] = {
            name: {str(sample): str(level) for sample, level in column.items() if level}
            for name, column in columns.items()
        }
    return given


def _added(study: Study, result: DEResult) -> list[str]:
    """Columns that the analysis used and that are in no file."""
    return [name for name in study.added if name == result.contrast.factor or name in result.design]


def _contrast(result: DEResult) -> str:
    if result.each:
        return repr([tuple(one.contrast) for one in result.each])
    factor, tested, reference = result.contrast
    return f"omics.Contrast(factor={factor!r}, tested={tested!r}, reference={reference!r})"


def _python(study: Study, result: DEResult, question: str | None, enrichment: Enrichment | None) -> str:
    asked = f", question={question!r}" if question else ""
    asked += ", enrichment=enrichment" if enrichment else ""
    return "\n".join(
        [
            "import omics_nb as omics",
            "",
            f"study = omics.fetch({study.accession!r}, source={study.source!r})",
            *(
                f"study = study.with_factor({name!r}, {[str(level) for level in study.samples[name]]!r})"
                for name in _added(study, result)
            ),
            "result = omics.differential_expression(",
            "    study,",
            f"    contrast={_contrast(result)},",
            f"    design={result.design!r},",
            f"    platform={result.platform!r},",
            f"    method={result.method!r},",
            *(f"    {name}={value!r}," for name, value in result.options.items()),
            ")",
            *_gene_sets(enrichment),
            f"omics.report(study, result{asked}).save({study.accession + '.html'!r})",
        ]
    )


def _gene_sets(found: Enrichment | None) -> Iterator[str]:
    if found is None:
        return
    told = {"kind": found.kind, **found.options}
    if found.sha256 != read_gene_sets().sha256:
        told = {"gene_sets": found.collection, **told}
        yield f"# {found.collection!r} is the collection with the SHA-256 {found.sha256}"
    yield f"enrichment = omics.enrich(result, {', '.join(f'{name}={value!r}' for name, value in told.items())})"
