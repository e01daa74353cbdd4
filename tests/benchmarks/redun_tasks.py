"""What redun runs in the benchmark: it hashes a task by its source, so that tasks must stand in a file."""

from __future__ import annotations

from pathlib import Path

from redun import task

from tests.benchmarks.bench_workflow_peers import passing

redun_namespace = "bench"


@task()
def add(x: int) -> int:
    return x + 1


@task()
def chain(n: int, x: int) -> int:
    for _ in range(n):
        x = add(x)
    return x


@task()
def total(found: list[int]) -> int:
    return sum(found)


@task()
def fan(n: int) -> int:
    return total([add(i + 50_000) for i in range(n)])


@task()
def add_halved(x: int, half: int, folder: str) -> int:
    passing(Path(folder), x, half)
    return x + 1


@task()
def halved(n: int, folder: str) -> int:
    x = 0
    for _ in range(n):
        x = add_halved(x, n // 2, folder)
    return x
