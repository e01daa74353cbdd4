"""Start the loopback NCBI by hand: ``python -m tests.ncbi --root ../shared/geo``."""

from __future__ import annotations

import argparse
import threading
from pathlib import Path

from .faults import KINDS
from .server import LoopbackNcbi


def main() -> None:
    """Serve until Ctrl-C; print the settings that point omics-nb here."""
    parser = argparse.ArgumentParser(prog="python -m tests.ncbi", description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder laid out like GEO's file tree")
    parser.add_argument(
        "--shared", type=Path, help="folder with recorded replies; default: the parent of --root"
    )
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument(
        "--no-limit", action="store_true", help="do not refuse more than 3 (10) requests a second"
    )
    parser.add_argument("--fault", action="append", default=[], metavar="KIND[@WHERE]", help="; ".join(KINDS))
    chosen = parser.parse_args()
    shared = chosen.shared or chosen.root.resolve().parent
    shared = shared if (shared / "eutils").is_dir() else None
    with LoopbackNcbi(
        chosen.root, shared=shared, port=chosen.port, enforce_limit=not chosen.no_limit
    ) as ncbi:
        for fault in chosen.fault:
            kind, _, where = fault.partition("@")
            ncbi.fail(kind, where, times=1_000_000)
        for name, value in ncbi.environment.items():
            print(f"export {name}={value}", flush=True)
        print(f"# {len(ncbi.records)} records. Ctrl-C ends. A fault for the next requests, for example:")
        print(f"# curl '{ncbi.url}/_faults?kind=challenge&where=esearch&times=3'", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print("# ended")


main()
