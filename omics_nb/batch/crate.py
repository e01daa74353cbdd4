"""A batch as an RO-Crate, https://www.researchobject.org/ro-crate/specification/1.1/: files with hash and origin."""

from __future__ import annotations

import hashlib
import json
import mimetypes
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from .. import __version__

if TYPE_CHECKING:
    from .batches import Batch

METADATA = "ro-crate-metadata.json"
_TYPES = {".ipynb": "application/x-ipynb+json"}


def metadata_of(batch: Batch, files: Sequence[Path], facts: str) -> str:
    """The crate's metadata as JSON-LD: the dataset, each file, and the run of each row as what made its files."""
    names = [file.relative_to(batch.out).as_posix() for file in files]
    entities = [_file(name, file) for name, file in zip(names, files, strict=True)]
    entities.append(_described("batch.json", len(facts.encode()), hashlib.sha256(facts.encode()).hexdigest()))
    actions = [_action(row, names) for row in batch.rows if row.began is not None]
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": batch.plan.name,
        "description": f"{len(batch.rows)} rows of {batch.plan.target}, run by omics_nb {__version__}",
        "datePublished": (batch.finished or batch.created).isoformat(),
        "license": "The licences of the data are those of their sources; none is granted by this collection.",
        "hasPart": [{"@id": entity["@id"]} for entity in entities],
        "mentions": [{"@id": action["@id"]} for action in actions],
    }
    about = {
        "@id": METADATA,
        "@type": "CreativeWork",
        "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
        "about": {"@id": "./"},
    }
    software = {
        "@id": "#omics_nb",
        "@type": "SoftwareApplication",
        "name": "omics_nb",
        "softwareVersion": __version__,
    }
    graph = [about, root, software, *entities, *actions]
    context = "https://w3id.org/ro/crate/1.1/context"
    return json.dumps({"@context": context, "@graph": graph}, ensure_ascii=False, indent=1) + "\n"


def _file(name: str, path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return _described(name, path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())


def _described(name: str, n_bytes: int, digest: str) -> dict[str, Any]:
    kind = _TYPES.get(Path(name).suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    return {
        "@id": quote(name),
        "@type": "File",
        "name": name,
        "encodingFormat": kind,
        "contentSize": str(n_bytes),
        "sha256": digest,
    }


def _action(row: Any, names: Sequence[str]) -> dict[str, Any]:
    from datetime import UTC, datetime

    own = [name for name in names if name.startswith((f"{row.name}.", f"{row.name}/"))]
    done = "CompletedActionStatus" if row.state == "done" else "FailedActionStatus"
    action: dict[str, Any] = {
        "@id": f"#row-{row.row}",
        "@type": "CreateAction",
        "name": row.name,
        "instrument": {"@id": "#omics_nb"},
        "actionStatus": f"http://schema.org/{done}",
        "startTime": datetime.fromtimestamp(row.began, UTC).isoformat(),
        "description": json.dumps(dict(row.parameters), ensure_ascii=False),
        "result": [{"@id": quote(name)} for name in own],
    }
    if row.ended is not None:
        action["endTime"] = datetime.fromtimestamp(row.ended, UTC).isoformat()
    if row.error:
        action["error"] = row.error
    return action
