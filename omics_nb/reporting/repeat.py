"""How to make a report again: the exact command, the same in Python and for the notebook; no text of others is run."""

from __future__ import annotations

import shlex
from typing import Any

from ..records import DEResult, Study
from .document import Repeat


def how_to_repeat(study: Study, result: DEResult, *, question: str | None) -> Repeat:
    """The command and the Python that repeat ``result`` on the same source."""
    return Repeat(
        _command(study, result, question),
        _python(study, result, question),
        _parameters(study, result, question),
    )


def _command(study: Study, result: DEResult, question: str | None) -> str:
    words = ["omics-nb", "report", "--source", study.source, "--study", study.accession]
    words += ["--contrast", *result.contrast]
    words += ["--platform", result.platform, "--method", result.method, "--design", result.design]
    if question:
        words += ["--", question]
    several = ["several contrasts"] if result.each else []
    only_python = [*several, *result.options, *(f"the column {name!r}" for name in _added(study, result))]
    if only_python:
        return f"# {', '.join(only_python)}: only the Python below can give these."
    return shlex.join(words)


def _parameters(study: Study, result: DEResult, question: str | None) -> dict[str, Any]:
    """What the report's notebook is to be told; nothing where it has no parameter for what was done."""
    if result.each or result.options:
        return {}
    given: dict[str, Any] = {"question": question} if question else {}
    given |= {"source": study.source, "study": study.accession, "contrast": list(result.contrast)}
    given |= {"platform": result.platform, "design": result.design, "method": result.method}
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


def _python(study: Study, result: DEResult, question: str | None) -> str:
    asked = f", question={question!r}" if question else ""
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
            f"omics.report(study, result{asked}).save({study.accession + '.html'!r})",
        ]
    )
