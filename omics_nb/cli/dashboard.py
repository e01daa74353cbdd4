"""``dashboard``: the forms and notebooks, served to a browser."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import click

from ..errors import MissingExtraError


@click.command()
@click.option(
    "--notebooks",
    type=click.Path(path_type=Path),
    help="The folder to serve; by default the project's own notebooks, copied to your data folder.",
)
@click.option(
    "--port", type=click.IntRange(1, 65_535), help="A free port; by default the first from 8888 on."
)
@click.option("--lab", is_flag=True, help="Begin in JupyterLab, where notebooks can be changed.")
@click.option("--public", is_flag=True, help="Let other machines in too, with the token that is printed.")
def dashboard(notebooks: Path | None, port: int | None, lab: bool, public: bool) -> None:
    """Serve the notebooks as pages with forms, and in JupyterLab, until Ctrl-C.

    The address to open is printed. It holds a token: who has it can run programs as you.
    """
    missing = [name for name in ("voila", "jupyterlab", "ipywidgets") if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"the dashboard needs {' and '.join(missing)}; run: pip install 'omics-nb[notebook]'",
            extra="notebook",
        )
    # By its name, for nothing in this package may depend on its faces.
    import_module("omics_widgets.dashboard").serve(notebooks, port=port, lab=lab, public=public)
