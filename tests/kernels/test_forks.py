"""A forked kernel is a kernel like any other: to who runs cells in it, interrupts, restarts, kills and ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from omics_kernels import owner

from .conftest import FEW, Start, ended_by, write_spec

OWNER = """
import sys
from jupyter_client.manager import start_new_kernel
manager, client = start_new_kernel(kernel_name={name!r})
code = "import subprocess; child = subprocess.Popen(['sleep', '600']); print(child.pid)"
def tell(message):
    if message["msg_type"] == "stream":
        print(manager.provisioner.pid, message["content"]["text"], flush=True)
client.execute_interactive(code, output_hook=tell)
sys.stdin.read()
"""


def threads(pid: int) -> int:
    return psutil.Process(pid).num_threads()


def test_a_kernel_has_the_libraries_before_it_imports_them(start: Start) -> None:
    kernel = start()
    assert kernel.why_plain is None
    loaded = kernel.value(
        "[name in __import__('sys').modules for name in ('pandas', 'scipy.stats', 'omics_nb.flows')]"
    )
    assert loaded == [True, True, True]
    assert kernel.value("6 * 7") == 42


def test_kernels_of_one_process_share_one_server_that_has_one_thread(start: Start) -> None:
    first, second = start(), start()
    assert first.pid != second.pid
    assert first.server == second.server
    assert threads(first.server.pid) == 1


def open_files(pid: int) -> set[str]:
    return {str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir()}


def test_a_kernel_has_a_session_of_its_own_and_nothing_of_the_server(start: Start) -> None:
    first, second = start(), start()
    second.run("import os")
    assert second.value("[os.getsid(0), os.getpgid(0)]") == [second.pid, second.pid]
    streams = {"/dev/null", str(Path("/proc/self/fd/1").readlink()), str(Path("/proc/self/fd/2").readlink())}
    assert open_files(second.pid) & open_files(first.server.pid) <= streams


def test_a_kernel_gets_its_folder_environment_and_arguments(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start()  # the server was started with another environment
    monkeypatch.setenv("OMICS_TRIED", "wörd")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    kernel = start(cwd=str(tmp_path))
    kernel.run("import os, sys, time")
    assert kernel.value("os.getcwd()") == str(tmp_path)
    assert kernel.value("os.environ['OMICS_TRIED']") == "wörd"
    assert kernel.value("time.tzname[0]") == "JST"
    assert kernel.value("sys.argv[0]").endswith("ipykernel_launcher.py")
    assert kernel.value("os.environ['JPY_PARENT_PID']") == str(kernel.server.pid)
    assert not kernel.value("'PYDEVD_DISABLE_FILE_VALIDATION' in os.environ")
    monkeypatch.delenv("OMICS_TRIED")
    assert not start().value("'OMICS_TRIED' in __import__('os').environ")


def test_the_path_of_modules_is_that_of_a_plain_kernel(start: Start) -> None:
    assert start().value("__import__('sys').path") == start("python3").value("__import__('sys').path")


def test_output_comes_from_print_from_descriptors_and_from_figures(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTEST_CURRENT_TEST")  # ipykernel does not watch descriptors where it sees this
    kernel = start()
    assert kernel.text("print('told')") == "told"
    assert kernel.text("import os; os.write(1, b'written '); os.system('echo run')").split() == [
        "written",
        "run",
    ]
    shown = kernel.run("import matplotlib.pyplot as plt; _ = plt.plot([1, 2])")
    assert "image/png" in next(m["content"]["data"] for m in shown if m["msg_type"] == "display_data")
    assert kernel.value("__import__('sys').stdin.read()") == ""


def test_streams_may_be_files(start: Start, tmp_path: Path) -> None:
    with (tmp_path / "err.txt").open("w") as file:
        kernel = start(stderr=file)
        kernel.run("import sys; print('to the file', file=sys.__stderr__, flush=True)")
    assert "to the file" in (tmp_path / "err.txt").read_text()


def test_random_numbers_and_names_differ_between_kernels(start: Start) -> None:
    drawn = (
        "[random.random(), numpy.random.rand(), numpy.random.default_rng().random(), str(uuid.uuid4()), "
        "str(uuid.uuid1()), ssl.RAND_bytes(8).hex(), tempfile.mktemp(), scipy.stats.norm.rvs()]"
    )
    kernels = [start() for _ in range(3)]
    for kernel in kernels:
        kernel.run("import random, ssl, tempfile, uuid, numpy, scipy.stats")
    values = [kernel.value(drawn) for kernel in kernels]
    for each in zip(*values, strict=True):
        assert len(set(each)) == len(kernels), each


def test_algebra_computes_with_threads_in_a_fork_and_after_another_fork(start: Start) -> None:
    start()
    code = "import numpy as np; a = np.full((400, 400), 2.0); print((a @ a)[7, 7])"
    assert start().text(code) == "1600.0"


def test_no_signal_is_blocked_though_the_owner_blocks_some(start: Start, few: str) -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    try:
        kernel = start(few)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    blocked = kernel.text("print(open('/proc/self/status').read().split('SigBlk:')[1].split()[0])")
    assert int(blocked, 16) == 0


def test_plotly_shows_figures_as_in_any_kernel(start: Start) -> None:
    chosen = "__import__('plotly.io').io.renderers.default"
    assert start().value(chosen) == start("python3").value(chosen)


def test_widgets_find_the_kernel_that_was_none_when_they_were_imported(start: Start) -> None:
    targets = start().value("sorted(get_ipython().kernel.comm_manager.targets)")
    assert {"jupyter.widget", "jupyter.widget.control"} <= set(targets)


@pytest.mark.parametrize("code", ["while True: pass", "import time; time.sleep(60)"])
def test_an_interrupt_ends_the_cell_and_not_the_kernel(start: Start, code: str) -> None:
    kernel = start()
    kernel.run("here = 1")
    asked = kernel.client.execute(f"print('begun', flush=True)\n{code}", stop_on_error=False)
    while kernel.client.get_iopub_msg(timeout=30)["msg_type"] != "stream":
        pass
    kernel.manager.interrupt_kernel()
    reply = kernel.client.get_shell_msg(timeout=30)
    while reply["parent_header"]["msg_id"] != asked:
        reply = kernel.client.get_shell_msg(timeout=30)
    assert (reply["content"]["status"], reply["content"]["ename"]) == ("error", "KeyboardInterrupt")
    assert kernel.value("here") == 1


def test_an_interrupt_reaches_what_the_kernel_has_started(start: Start) -> None:
    kernel = start()
    kernel.run("import subprocess; child = subprocess.Popen(['sleep', '60'])")
    kernel.manager.interrupt_kernel()
    assert kernel.value("child.wait(10)") == ended_by(signal.SIGINT)


def test_a_restart_gives_a_new_process_that_knows_nothing(start: Start) -> None:
    kernel = start()
    kernel.run("here = 1")
    before = kernel.pid
    kernel.manager.restart_kernel()
    kernel.client.wait_for_ready(timeout=30)
    assert kernel.pid != before
    assert not psutil.pid_exists(before)
    assert kernel.why_plain is None
    assert kernel.value("'here' in globals()") is False


@pytest.mark.parametrize(("end", "code"), [("os.kill(os.getpid(), 9)", -9), ("os._exit(7)", 7)])
def test_a_death_is_noticed_with_its_code(start: Start, end: str, code: int) -> None:
    kernel = start()
    process = kernel.manager.provisioner.process
    kernel.client.execute(f"import os; {end}")
    assert process.wait(10) == code
    assert kernel.manager.is_alive() is False
    assert not psutil.pid_exists(kernel.pid)


def test_a_kernel_that_is_killed_from_outside_leaves_no_zombie(start: Start) -> None:
    kernel = start()
    server = kernel.server
    os.kill(kernel.pid, signal.SIGKILL)
    assert kernel.manager.provisioner.process.wait(10) == ended_by(signal.SIGKILL)
    assert kernel.pid not in [child.pid for child in server.children()]


def test_a_shutdown_ends_the_process_and_not_the_server(start: Start) -> None:
    kernel = start()
    server = kernel.server
    kernel.manager.shutdown_kernel()
    assert not psutil.pid_exists(kernel.pid)
    assert server.is_running()
    assert start().server == server


ENDINGS = """\
import atexit, sys, tempfile, threading, types, weakref
def write(name):
    with open(name, "w") as file:
        file.write("seen to")
atexit.register(write, "atexit")
kept = tempfile.TemporaryDirectory(dir=".")
unflushed = open("names", "w"); unflushed.write("seen to")
helper = sys.modules["helper"] = types.ModuleType("helper")
helper.file = open("module", "w"); helper.file.write("seen to")
class Last:
    def __del__(self, write=write):
        write("object")
last = Last(); last.itself = last
def late():
    threading.main_thread().join(); write("thread")
threading.Thread(target=late).start()
"""


def test_a_shutdown_lets_all_that_is_the_users_come_to_its_end(start: Start, tmp_path: Path) -> None:
    kernel = start(cwd=str(tmp_path))
    kernel.text(ENDINGS)
    process = kernel.manager.provisioner.process
    kernel.manager.shutdown_kernel()
    assert process.wait(10) == 0
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == dict.fromkeys(
        ["atexit", "names", "module", "object", "thread"], "seen to"
    )


def test_when_the_owner_is_killed_all_go_with_it(few: str) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER.format(name=few)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert owner.stdin is not None
    assert owner.stdout is not None
    kernel, child = (psutil.Process(int(pid)) for pid in owner.stdout.readline().split())
    family = [kernel, child, psutil.Process(kernel.ppid())]
    owner.kill()
    owner.wait(10)
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []
    owner.stdin.close()
    owner.stdout.close()


def test_when_the_server_is_killed_its_kernels_go_and_the_next_gets_a_new_one(start: Start, few: str) -> None:
    kernel = start(few)
    server = kernel.server
    server.kill()
    assert kernel.manager.provisioner.process.wait(10) == ended_by(signal.SIGKILL)
    psutil.wait_procs([server], timeout=10)
    later = start(few)
    assert later.server != server
    assert later.why_plain is None


def test_code_that_was_edited_is_loaded_anew(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "of_mine.py"
    module.write_text("answer = 1\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    name = write_spec(tmp_path, monkeypatch, "mine", [*FEW, "of_mine"])
    before = start(name)
    module.write_text("answer = 22\n")
    os.utime(module, ns=(0, time.time_ns()))
    after = start(name)
    assert before.server != after.server
    assert (before.value("__import__('of_mine').answer"), after.value("__import__('of_mine').answer")) == (
        1,
        22,
    )
    owner.end_servers()


def test_a_variable_that_is_read_when_libraries_load_gets_a_server_of_its_own(
    start: Start, few: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = start(few)
    monkeypatch.setenv("PYTHONUTF8", "1")
    other = start(few)
    assert usual.server != other.server
    assert [kernel.value("__import__('sys').flags.utf8_mode") for kernel in (usual, other)] == [0, 1]


def test_a_server_ends_with_the_last_kernel_once_nobody_wants_it(start: Start, few: str) -> None:
    kernel = start(few)
    server = kernel.server
    owner.end_servers()
    assert kernel.value("1") == 1
    kernel.manager.shutdown_kernel()
    assert not server.is_running()


def test_a_fork_of_the_owner_does_not_keep_the_server(start: Start, few: str) -> None:
    kernel = start(few)
    server = kernel.server
    read, write = os.pipe()
    if (child := os.fork()) == 0:  # as multiprocessing does
        os.close(write)
        os.read(read, 1)
        os._exit(0)
    try:
        kernel.manager.shutdown_kernel()
        owner.end_servers()
        psutil.wait_procs([server], timeout=10)
        assert not server.is_running()
    finally:
        os.close(write)
        os.waitpid(child, 0)
        os.close(read)
