"""Blocking work from a widget: its state in words, cancelled at once, its errors on a card, never silent."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from omics_widgets import Cancelled, Task
from omics_widgets import task as module

from omics_nb.errors import NotFoundError


async def _until(true: Any) -> None:
    while not true():
        await asyncio.sleep(0.005)


def test_the_value_comes_back_and_the_state_is_done(run: Any) -> None:
    async def test() -> None:
        task = Task()
        states: list[str] = []
        task.observe(lambda change: states.append(change["new"]), "state")
        assert await task.run("Counting", lambda say: 41 + 1) == 42
        assert states == ["running", "done"]

    run(test)


def test_the_loop_is_free_while_work_blocks(run: Any) -> None:
    async def test() -> None:
        task, gate = Task(), threading.Event()
        running = asyncio.ensure_future(task.run("Waiting", lambda say: gate.wait(30)))
        await _until(lambda: task.state == "running")
        gate.set()  # set from the loop: were the loop blocked, nobody could
        assert await running is True

    run(test)


def test_what_the_work_says_is_shown_and_the_latest_wins(run: Any, words: Any) -> None:
    async def test() -> None:
        task, gate = Task(), threading.Event()

        def work(say: module.Say) -> None:
            for number in range(1000):
                say(f"row {number}")
            gate.wait(30)

        shown: list[str] = []
        running = asyncio.ensure_future(task.run("Reading", work))
        task._status.observe(lambda change: shown.append(change["new"]), "value")
        await _until(lambda: "row 999" in words(task))
        assert len(shown) < 20
        gate.set()
        await running
        assert words(task) == ""

    run(test)


def test_the_time_that_has_passed_is_a_heartbeat(
    run: Any, words: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TICK_S", 0.01)

    async def test() -> None:
        task, gate = Task(), threading.Event()
        shown: list[str] = []
        running = asyncio.ensure_future(task.run("Reading", lambda say: gate.wait(30)))
        task._status.observe(lambda change: shown.append(change["new"]), "value")
        await _until(lambda: "Reading … 1 s" in words(task))
        gate.set()
        await running
        assert 'aria-hidden="true"' in shown[0]

    run(test)


def test_cancel_ends_work_that_reports(run: Any, words: Any) -> None:
    async def test() -> None:
        task, ended = Task(), threading.Event()
        states: list[str] = []
        task.observe(lambda change: states.append(change["new"]), "state")

        def work(say: module.Say) -> None:
            try:
                while True:
                    say("still at it")
            finally:
                ended.set()

        running = asyncio.ensure_future(task.run("Search", work))
        await _until(lambda: task.state == "running")
        task._cancel.click()
        with pytest.raises(Cancelled):
            await running
        assert await asyncio.to_thread(ended.wait, 10)
        assert states == ["running", "cancelling", "cancelled"]
        assert words(task) == "Search was cancelled."

    run(test)


def test_cancel_does_not_wait_for_work_that_says_nothing_and_drops_its_value(run: Any, words: Any) -> None:
    async def test() -> None:
        task, gate, late = Task(), threading.Event(), threading.Event()

        def work(say: module.Say) -> str:
            gate.wait(5)
            try:
                say("too late")
            finally:
                late.set()
            return "late"

        running = asyncio.ensure_future(task.run("Search", work))
        await _until(lambda: task.state == "running")
        task.cancel()
        with pytest.raises(Cancelled):
            await running
        assert not late.is_set()
        gate.set()
        assert await asyncio.to_thread(late.wait, 10)
        await asyncio.sleep(0)
        assert words(task) == "Search was cancelled."

    run(test)


def test_last_words_of_one_work_are_not_shown_for_the_next(
    run: Any, words: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TICK_S", 0.01)

    async def test() -> None:
        task, gate, heard = Task(), threading.Event(), threading.Event()
        shown: list[str] = []
        task._status.observe(lambda change: shown.append(change["new"]), "value")
        task._status.observe(lambda change: "first words" in change["new"] and heard.set(), "value")

        def work(say: module.Say) -> None:
            say("first words")
            heard.wait(30)
            say("last words")  # too soon after the first to be shown at once

        await task.run("First", work)
        running = asyncio.ensure_future(task.run("Second", lambda say: gate.wait(30)))
        await _until(lambda: "Second … 1 s" in words(task))
        gate.set()
        await running
        assert not any("last words" in text for text in shown)

    run(test)


def test_an_error_becomes_a_card_and_is_raised(run: Any, html: Any) -> None:
    async def test() -> None:
        task = Task()

        def work(say: module.Say) -> None:
            raise NotFoundError("no study GSE1 in <demo>", accession="GSE1")

        with pytest.raises(NotFoundError):
            await task.run("Reading GSE1", work)
        assert task.state == "failed"
        assert 'role="alert"' in html(task)
        assert "no study GSE1 in &lt;demo&gt;" in html(task)
        assert await task.run("Again", lambda say: "well") == "well"
        assert 'role="alert"' not in html(task)

    run(test)


def test_a_callback_on_another_thread_runs_the_work_on_the_tasks_loop(run: Any) -> None:
    async def test() -> None:
        task, home, found = Task(), threading.current_thread(), []

        async def work() -> None:
            found.append(threading.current_thread())

        threading.Thread(target=task.start, args=(work,)).start()
        await _until(lambda: found)
        assert found == [home]

    run(test)


def test_an_error_of_a_callback_itself_is_a_card_too(run: Any, words: Any) -> None:
    async def test() -> None:
        task = Task()

        async def broken() -> None:
            raise ZeroDivisionError("by zero")

        task.start(broken)
        await _until(lambda: task.state == "failed")
        assert "ZeroDivisionError: by zero" in words(task)
        assert "fault of the program" in words(task)

    run(test)


def test_a_second_press_while_work_runs_starts_nothing_and_says_so(run: Any, words: Any) -> None:
    async def test() -> None:
        task, gate = Task(), threading.Event()
        done: list[bool] = []

        async def press() -> None:
            done.append(await task.run("Search", lambda say: gate.wait(30)))

        task.start(press)
        task.start(press)  # before the first has begun
        await _until(lambda: "Search is still under way" in words(task))
        task.start(press)
        await asyncio.sleep(0)
        assert (task.state, done) == ("running", [])
        gate.set()
        await _until(lambda: task.state == "done")
        await _until(lambda: done)
        assert done == [True]
        assert words(task) == ""

    run(test)


def test_a_press_on_another_way_to_the_same_task_does_not_fail_what_runs(run: Any, words: Any) -> None:
    async def test() -> None:
        task, gate, prepared = Task(), threading.Event(), asyncio.Event()

        async def slow_to_begin() -> None:
            await prepared.wait()
            await task.run("Second", lambda say: None)

        task.start(slow_to_begin)
        await asyncio.sleep(0)
        running = asyncio.ensure_future(task.run("First", lambda say: gate.wait(30)))
        await _until(lambda: task.state == "running")
        prepared.set()
        await _until(lambda: "First is still under way" in words(task))
        assert task.state == "running"
        gate.set()
        assert await running
        assert task.state == "done"

    run(test)


def test_a_second_work_must_wait(run: Any) -> None:
    async def test() -> None:
        task, gate = Task(), threading.Event()
        running = asyncio.ensure_future(task.run("First", lambda say: gate.wait(30)))
        await _until(lambda: task.state == "running")
        with pytest.raises(RuntimeError, match="First is still under way"):
            await task.run("Second", lambda say: None)
        gate.set()
        assert await running

    run(test)
