"""papermill, nbclient and nbval use forked kernels by nothing but a name."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nbformat
import omics_kernels
import psutil
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError

WHERE = "import os; print(os.getppid())"


def notebook(*sources: str, **metadata: Any) -> Any:
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    cells[0].metadata["tags"] = ["parameters"]
    return nbformat.v4.new_notebook(cells=cells, metadata={"language_info": {"name": "python"}, **metadata})


def printed(done: Any) -> str:
    return "".join(output.text for cell in done.cells for output in cell.outputs if "text" in output).strip()


@pytest.mark.filterwarnings("ignore")  # papermill warns of its own dependencies
def test_many_papermills_at_once_share_one_server(tmp_path: Path) -> None:
    import papermill

    def run(n: int) -> list[str]:
        nb = notebook("n = 0", f"print(n * 2); {WHERE}")
        done = papermill.execute_notebook(
            nb, None, {"n": n}, kernel_name=omics_kernels.KERNEL, progress_bar=False, cwd=str(tmp_path)
        )
        return printed(done).split()

    with ThreadPoolExecutor(3) as pool:
        told = list(pool.map(run, range(5)))
    assert [int(double) for double, _ in told] == [0, 2, 4, 6, 8]
    servers = {int(parent) for _, parent in told}
    assert len(servers) == 1
    gc.collect()  # jupyter_client leaves a loop in each thread, of which Python warns here and not in another test
    assert psutil.Process(servers.pop()).children() == []


def test_nbclient_takes_the_name_from_the_notebook() -> None:
    done = NotebookClient(
        notebook(WHERE, kernelspec={"name": omics_kernels.KERNEL, "display_name": "x"})
    ).execute()
    assert "omics_kernels.server" in psutil.Process(int(printed(done))).cmdline()


def test_nbclient_notices_a_kernel_that_is_killed() -> None:
    with pytest.raises(DeadKernelError):
        NotebookClient(
            notebook("import os; os.kill(os.getpid(), 9)"), kernel_name=omics_kernels.KERNEL
        ).execute()


def test_a_plain_kernelspec_is_forked_where_the_environment_says_so(tmp_path: Path) -> None:
    nb = notebook(
        "import os, psutil; print('omics_kernels.server' in psutil.Process(os.getppid()).cmdline())"
    )
    nb.cells[0].outputs = [nbformat.v4.new_output("stream", text="True\n")]
    nb.cells[0].execution_count = 1
    path = tmp_path / "forked.ipynb"
    nbformat.write(nb, path)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    done = subprocess.run(
        [sys.executable, *"-m pytest --nbval --nbval-current-env -p no:cacheprovider".split(), path.name],
        cwd=tmp_path,
        env=os.environ | {"JUPYTER_DEFAULT_PROVISIONER_NAME": omics_kernels.PROVISIONER},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
