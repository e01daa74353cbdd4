"""Edits of code: each is seen by the steps that it reaches and by no other, in notebooks and in modules."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from omics_nb.workflow import Flow, close_store, start
from omics_nb.workflow.codehash import changes, fingerprint, is_fresh
from omics_nb.workflow.packages import package_of, version_of


class Edit(NamedTuple):
    """Code that defines ``step(x)``, an edit that follows it, and whether ``step`` then does something else."""

    before: str
    after: str
    seen: bool


EDITS: dict[str, Edit] = {
    "body": Edit("def step(x): return x + 1", "def step(x): return x + 2", True),
    "helper": Edit("def h(x): return x\ndef step(x): return h(x)", "def h(x): return -x", True),
    "helper of a helper": Edit(
        "def g(x): return x\ndef h(x): return g(x)\ndef step(x): return h(x)", "def g(x): return -x", True
    ),
    "recursive helper": Edit(
        "def h(n): return n if n < 1 else h(n - 1)\ndef step(x): return h(x)",
        "def h(n): return -n if n < 1 else h(n - 1)",
        True,
    ),
    "mutually recursive helper": Edit(
        "def f(n): return n if n < 1 else g(n - 1)\ndef g(n): return f(n)\ndef step(x): return f(x)",
        "def g(n): return f(n) + 1",
        True,
    ),
    "constant": Edit("K = 1\ndef step(x): return x + K", "K = 2", True),
    "type of a constant": Edit("K = 1\ndef step(x): return K", "K = 1.0", True),
    "type of a constant in the body": Edit("def step(x): return 1", "def step(x): return True", True),
    "container, new": Edit("K = {'a': 1}\ndef step(x): return x + K['a']", "K = {'a': 2}", True),
    "container, changed in place": Edit(
        "K = {'a': [1]}\ndef step(x): return K['a'][0]", "K['a'][0] = 2", True
    ),
    "default": Edit("def step(x, k=1): return x + k", "def step(x, k=2): return x + k", True),
    "keyword default": Edit("def step(x, *, k=1): return x + k", "def step(x, *, k=2): return x + k", True),
    "keyword default of a helper": Edit(
        "def h(x, *, k=1): return x + k\ndef step(x): return h(x)", "def h(x, *, k=2): return x + k", True
    ),
    "closure": Edit(
        "def make(k):\n    def step(x): return x + k\n    return step\nstep = make(1)", "step = make(2)", True
    ),
    "function in a closure": Edit(
        "def make(f):\n    def step(x): return f(x)\n    return step\nstep = make(lambda x: x)",
        "step = make(lambda x: -x)",
        True,
    ),
    "decorator": Edit(
        "import functools\n"
        "def d(f):\n    @functools.wraps(f)\n    def w(x): return f(x)\n    return w\n"
        "@d\ndef step(x): return x",
        "def d(f):\n    @functools.wraps(f)\n    def w(x): return f(x) + 1\n    return w\n@d\ndef step(x): return x",
        True,
    ),
    "function under a decorator": Edit(
        "import functools\n"
        "def d(f):\n    @functools.wraps(f)\n    def w(x): return f(x)\n    return w\n"
        "@d\ndef h(x): return x\ndef step(x): return h(x)",
        "@d\ndef h(x): return -x",
        True,
    ),
    "cached helper": Edit(
        "import functools\n@functools.lru_cache\ndef h(x): return x\ndef step(x): return h(x)",
        "@functools.lru_cache\ndef h(x): return -x",
        True,
    ),
    "argument of a partial": Edit(
        "import functools\ndef h(x, k): return x + k\np = functools.partial(h, k=1)\ndef step(x): return p(x)",
        "p = functools.partial(h, k=2)",
        True,
    ),
    "argument of a partial that wraps": Edit(
        "import functools\ndef h(x, k): return x + k\n"
        "p = functools.update_wrapper(functools.partial(h, k=1), h)\ndef step(x): return p(x)",
        "p = functools.update_wrapper(functools.partial(h, k=2), h)",
        True,
    ),
    "method bound by hand": Edit(
        "import types\nclass A: pass\na = A()\na.m = types.MethodType(lambda self, x: x, a)\n"
        "def step(x): return a.m(x)",
        "a.m = types.MethodType(lambda self, x: -x, a)",
        True,
    ),
    "factory of a field": Edit(
        "from dataclasses import dataclass, field\n@dataclass\nclass A:\n    k: list = field(default_factory=list)\n"
        "def step(x): return A().k",
        "@dataclass\nclass A:\n    k: list = field(default_factory=lambda: [1])",
        True,
    ),
    "default of a slot": Edit(
        "from dataclasses import dataclass\n@dataclass(slots=True)\nclass A:\n    k: int = 1\n"
        "def step(x): return A().k",
        "@dataclass(slots=True)\nclass A:\n    k: int = 2",
        True,
    ),
    "case of a singledispatch": Edit(
        "import functools\n@functools.singledispatch\ndef h(x): return 0\ndef step(x): return h(x)",
        "@h.register(int)\ndef _(x): return 1",
        True,
    ),
    "method": Edit(
        "class A:\n    def m(self, x): return x\ndef step(x): return A().m(x)",
        "class A:\n    def m(self, x): return -x",
        True,
    ),
    "method put in place": Edit(
        "class A:\n    def m(self, x): return x\ndef step(x): return A().m(x)",
        "A.m = lambda self, x: -x",
        True,
    ),
    "class attribute": Edit("class A:\n    k = 1\ndef step(x): return x + A.k", "class A:\n    k = 2", True),
    "property": Edit(
        "class A:\n    @property\n    def p(self): return 1\ndef step(x): return A().p",
        "class A:\n    @property\n    def p(self): return 2",
        True,
    ),
    "static method": Edit(
        "class A:\n    @staticmethod\n    def p(): return 1\ndef step(x): return A.p()",
        "class A:\n    @staticmethod\n    def p(): return 2",
        True,
    ),
    "base class": Edit(
        "class B:\n    def m(self): return 1\nclass A(B): pass\ndef step(x): return A().m()",
        "class B:\n    def m(self): return 2\nclass A(B): pass",
        True,
    ),
    "field of a dataclass": Edit(
        "from dataclasses import dataclass\n@dataclass\nclass A:\n    k: int = 1\ndef step(x): return A().k",
        "@dataclass\nclass A:\n    k: int = 2",
        True,
    ),
    "field of a named tuple": Edit(
        "from typing import NamedTuple\nclass A(NamedTuple):\n    k: int = 1\ndef step(x): return A().k",
        "class A(NamedTuple):\n    k: int = 2",
        True,
    ),
    "member of an enum": Edit(
        "import enum\nclass A(enum.Enum):\n    K = 1\ndef step(x): return A.K.value",
        "class A(enum.Enum):\n    K = 2",
        True,
    ),
    "attribute of an object": Edit(
        "class A: pass\na = A()\na.k = 1\ndef step(x): return a.k", "a.k = 2", True
    ),
    "pattern": Edit(
        "import re\nP = re.compile('a')\ndef step(x): return bool(P.match('b'))", "P = re.compile('b')", True
    ),
    "array": Edit(
        "import numpy as np\nK = np.array([1, 2])\ndef step(x): return int(K[0])", "K[0] = 5", True
    ),
    "frame": Edit(
        "import pandas as pd\nK = pd.DataFrame({'a': [1]})\ndef step(x): return int(K.a[0])",
        "K.loc[0, 'a'] = 5",
        True,
    ),
    "function within": Edit(
        "def step(x):\n    def inner(y): return y\n    return inner(x)",
        "def step(x):\n    def inner(y): return -y\n    return inner(x)",
        True,
    ),
    "comprehension": Edit(
        "def step(x): return [i for i in range(x)]", "def step(x): return [-i for i in range(x)]", True
    ),
    "global used in a comprehension": Edit(
        "K = 1\ndef step(x): return [i + K for i in range(x)]", "K = 2", True
    ),
    "lambda in a table": Edit(
        "T = {'a': lambda x: x}\ndef step(x): return T['a'](x)", "T['a'] = lambda x: -x", True
    ),
    "which error is caught": Edit(
        "def step(x):\n    try: return 1 / x\n    except ValueError: return 0",
        "def step(x):\n    try: return 1 / x\n    except TypeError: return 0",
        True,
    ),
    "set in the body": Edit("def step(x): return x in {1, 2}", "def step(x): return x in {1, 3}", True),
    "name that was missing": Edit(
        "def step(x): return x if x < 10 else later(x)", "def later(x): return 0", True
    ),
    "builtin that is hidden": Edit("def step(x): return abs(x)", "def abs(x): return x", True),
    "names of two constants swapped": Edit("A, B = 1, 2\ndef step(x): return A - B", "A, B = 2, 1", True),
    # Not seen: the step does the same.
    "comment": Edit("def step(x):\n    return x", "def step(x):\n    # why\n    return x", False),
    "docstring": Edit(
        "def step(x):\n    return x", "def step(x):\n    'What it gives.'\n    return x", False
    ),
    "docstring changed": Edit(
        "def step(x):\n    'a'\n    return 'b'", "def step(x):\n    'c'\n    return 'b'", False
    ),
    "other lines": Edit(
        "def step(x): return x + 1", "\n\n\ndef step(\n    x\n):\n    return (x\n            + 1)", False
    ),
    "annotation": Edit("def step(x): return x", "def step(x: int) -> int: return x", False),
    "name of a local variable": Edit(
        "def step(x):\n    a = x + 1\n    return a",
        "def step(x):\n    total = x + 1\n    return total",
        False,
    ),
    "the same cell again": Edit(
        "class A:\n    def m(self): return 1\nK = {1, 2}\ndef h(x): return A().m()\ndef step(x): return h(x), K",
        "class A:\n    def m(self): return 1\nK = {1, 2}\ndef h(x): return A().m()\ndef step(x): return h(x), K",
        False,
    ),
    "another function": Edit(
        "def other(x): return x\ndef step(x): return x", "def other(x): return -x", False
    ),
    "another constant": Edit("J, K = 1, 1\ndef step(x): return x + K", "J = 2", False),
    "an equal container": Edit("K = {'a': [1]}\ndef step(x): return K['a']", "K = {'a': [1]}", False),
    "use of a frame": Edit(
        "import pandas as pd\nK = pd.DataFrame({'a': [1, 2]})\ndef step(x): return int(K.a[0])",
        "K.loc[1]; K['a'].mean(); K.groupby('a').size()",
        False,
    ),
    "use of a cached helper": Edit(
        "import functools\n@functools.lru_cache\ndef h(x): return x\ndef step(x): return h(x)",
        "h(1); h(2)",
        False,
    ),
    "use of a singledispatch": Edit(
        "import functools\n@functools.singledispatch\ndef h(x): return 0\ndef step(x): return h(x)",
        "h(1); h('a')",
        False,
    ),
    "a memory that the step keeps for itself": Edit(
        "memory = None\ndef step(x):\n    global memory\n    if memory is None: memory = 1\n    return memory",
        "step(1)",
        False,
    ),
}


def digest_of(function: Any) -> bytes:
    return fingerprint(function).digest


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_in_a_notebook_is_seen_if_and_only_if_it_matters(name: str) -> None:
    edit = EDITS[name]
    cells: dict[str, Any] = {"__name__": "__main__"}
    exec(edit.before, cells)
    before = fingerprint(cells["step"])
    assert is_fresh(before)
    exec(edit.after, cells)
    after = fingerprint(cells["step"])
    assert (before.digest != after.digest) == edit.seen
    if edit.seen and before is not after and cells["step"].__code__ is not None:
        assert not is_fresh(before) or "step" in edit.after
        assert changes(before.parts, after.parts)
    assert after.warnings == ()


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_in_a_module_is_seen_if_and_only_if_it_matters(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit = EDITS[name]
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    path = tmp_path / "own_helpers.py"

    def digest(source: str) -> bytes:
        path.write_text(source)
        importlib.invalidate_caches()
        sys.modules.pop("own_helpers", None)
        module = importlib.import_module("own_helpers")

        def step(x: int) -> object:
            return module.step(x)  # a notebook's step that calls into a module

        return digest_of(step)

    before, after = digest(edit.before), digest(edit.before + "\n" + edit.after)
    sys.modules.pop("own_helpers", None)
    assert (before != after) == edit.seen


def test_only_what_is_used_of_a_module_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_two.py").write_text("K = 1\ndef used(x): return x + K\ndef unused(x): return x\n")
    own_two = importlib.import_module("own_two")
    cells: dict[str, Any] = {"__name__": "__main__", "own_two": own_two}
    exec(
        "def by_attribute(x): return own_two.used(x)\n"
        "def by_import(x):\n    from own_two import used\n    return used(x)\n"
        "def by_late_import(x):\n    import own_two as o\n    return o.used(x)\n",
        cells,
    )
    steps = [cells[name] for name in ("by_attribute", "by_import", "by_late_import")]
    before = [digest_of(function) for function in steps]
    own_two.unused = lambda x: -x
    assert [digest_of(function) for function in steps] == before
    own_two.K = 2
    assert all(digest_of(function) != old for function, old in zip(steps, before, strict=True))
    assert "value `own_two.K`" in str(
        changes(*(fingerprint(steps[0]).parts | {"value own_two.K": k} for k in "12"))
    )
    sys.modules.pop("own_two")


def test_a_module_that_is_passed_around_counts_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_three.py").write_text("def f(x): return x\n")
    module = importlib.import_module("own_three")

    def step(name: str) -> Any:
        return getattr(module, name)(1)

    before = digest_of(step)
    module.f = lambda x: -x
    assert digest_of(step) != before
    sys.modules.pop("own_three")


def test_what_a_registry_names_by_text_counts_as_what_it_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_four").mkdir()
    (tmp_path / "own_four" / "__init__.py").write_text("")
    (tmp_path / "own_four" / "inner.py").write_text(
        "def helper(x): return x\ndef named(x): return helper(x)\n"
    )
    inner = importlib.import_module("own_four.inner")
    cells: dict[str, Any] = {"__name__": "__main__"}
    exec(
        "TABLE = {'a': 'own_four.inner:named'}\ndef step(x): return load(TABLE['a'])(x)\ndef load(text): ...",
        cells,
    )
    before = fingerprint(cells["step"])
    inner.helper = lambda x: -x
    assert not is_fresh(before)
    assert digest_of(cells["step"]) != before.digest
    sys.modules.pop("own_four.inner")
    sys.modules.pop("own_four")


def test_installed_packages_count_by_their_version() -> None:
    import numpy as np
    import pandas as pd

    def step(x: int) -> Any:
        return pd.DataFrame({"a": np.log2([x])})

    parts = fingerprint(step).parts
    assert parts["package numpy"] == np.__version__
    assert parts["package pandas"] == pd.__version__
    assert package_of("json") == "python"
    assert package_of("omics_nb") == ""  # this checkout, not an installed wheel
    assert version_of("sklearn_that_is_not_there") == "unknown"


def test_a_run_knows_the_versions_of_the_packages_that_it_used(store: Path) -> None:
    import numpy as np

    def root(x: int) -> float:
        return float(np.sqrt(x))

    run = start(Flow("f", [root]), {"x": 4}, store=store)
    assert run.result(20) == 2.0
    assert run.packages["numpy"] == np.__version__


def test_what_cannot_be_hashed_is_warned_of_by_name(store: Path) -> None:
    import threading

    lock = threading.Lock()

    def step(x: int) -> int:
        with lock:
            return x

    (warning,) = fingerprint(step).warnings
    assert "step.lock` is a _thread.lock, which cannot be hashed" in warning
    run = start(Flow("f", [step]), {"x": 1}, store=store)
    run.result(20)
    assert [event.data["message"] for event in run.events() if event.kind == "warning"] == [warning]


def test_changes_are_told_by_name() -> None:
    cells: dict[str, Any] = {"__name__": "__main__"}
    exec("K = 1\ndef norm(x): return x\ndef step(x, k=3): return norm(x) + K + k", cells)
    before = fingerprint(cells["step"]).parts
    exec("K = 2\ndef norm(x): return x * 2", cells)
    assert changes(before, fingerprint(cells["step"]).parts) == [
        "function `norm` changed",
        "value `K` changed from 1 to 2",
    ]


def test_hashes_are_the_same_in_every_process(tmp_path: Path) -> None:
    script = tmp_path / "hashes.py"
    script.write_text(
        "import sys\nfrom omics_nb.workflow.codehash import fingerprint\n"
        "K = {'b', 'a', 'c'}\nclass A:\n    tags = frozenset({'x', 'y', 'z'})\n    def m(self): return self.tags\n"
        "def step(x): return x in {'p', 'q', 'r'}, K, A().m()\n"
        "print(fingerprint(step).digest.hex())\n"
    )
    found = {
        subprocess.run(
            [sys.executable, str(script)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(found) == 1


def test_factories_make_different_steps(store: Path) -> None:
    def make(k: int) -> Callable[[int], int]:
        return lambda x: x + k

    from omics_nb.workflow import step

    flow = Flow("f", [step(make(1), name="a"), step(make(2), name="b"), step(lambda a, b: (a, b), name="c")])
    assert start(flow, {"x": 0}, store=store).result(20) == (1, 2)


def test_a_step_at_the_address_of_a_forgotten_one_is_not_taken_for_it(store: Path) -> None:
    for k in range(300):
        cells: dict[str, Any] = {"__name__": "__main__"}
        exec(f"def own(x): return x + {k}", cells)
        assert start(Flow("f", [cells["own"]]), {"x": 0}, store=store).result(20) == k


def test_a_method_at_the_address_of_a_forgotten_one_is_not_taken_for_it() -> None:
    class Own:
        def method(self) -> int:
            return 0

    def uses(x: int) -> int:
        return Own().method()

    for k in range(100):
        known = fingerprint(uses)
        assert is_fresh(known)
        cells: dict[str, Any] = {}
        exec(f"def method(self): return {k + 1}", cells)
        Own.method = cells.pop("method")  # type: ignore[method-assign]
        assert not is_fresh(known)
        assert fingerprint(uses).digest != known.digest


# --- from end to end, in a real IPython shell ------------------------------------------------------------------------

NOTEBOOK_EDITS = {
    "helper": ("def norm(x): return x * 3", {"middle", "end"}),
    "constant": ("FACTOR = 5", {"middle", "end"}),
    "table in place": ("TABLE['add'] = 9", {"end"}),
    "unused": ("def unused(x): return 7", set()),
    "an edit that gives the same value": ("def norm(x): return 2 * x", {"middle"}),
    "docstring": ("def norm(x):\n    'What.'\n    return x * 2", set()),
    "class": ("class Scaler:\n    def scale(self, x): return x * 7", {"first", "middle", "end"}),
}


@pytest.mark.parametrize("name", NOTEBOOK_EDITS)
def test_edits_in_ipython_rerun_the_changed_cone_and_nothing_else(name: str, store: Path) -> None:
    from IPython.core.interactiveshell import InteractiveShell

    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance(user_ns={"store": store})
    shell.history_manager.enabled = False

    def cell(source: str) -> None:
        shell.run_cell(textwrap.dedent(source)).raise_error()

    try:
        cell(
            """
            from omics_nb.workflow import Flow, start
            FACTOR = 2
            TABLE = {"add": 1}
            def unused(x): return x
            def norm(x): return x * 2
            class Scaler:
                def scale(self, x): return x * 3
            def first(x): return Scaler().scale(x)
            def middle(first): return norm(first) + FACTOR
            def end(middle): return middle + TABLE["add"]
            flow = Flow("notebook", [first, middle, end])
            def value(x): return flow(x=x)
            """
        )
        cell("run = start(flow, {'x': 10}, store=store); assert run.result(20) == flow(x=10) == 63")
        edit, rerun = NOTEBOOK_EDITS[name]
        cell(edit)
        cell("again = start(flow, {'x': 10}, store=store); assert again.result(20) == flow(x=10)")
        again = shell.user_ns["again"]
        assert {path for path, info in again.steps.items() if info.state == "done"} == rerun
        told = shell.user_ns["run"].explain("end")
        assert told.runs == bool(rerun)
    finally:
        close_store(store)
        InteractiveShell.clear_instance()
