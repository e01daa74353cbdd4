"""Work in a thread behind whoever reads."""

from __future__ import annotations

import hashlib
import threading

import pytest

from omics_nb.geo.follower import Follower


def test_every_piece_is_taken_in_order() -> None:
    taken: list[bytes] = []
    follower = Follower(taken.append)
    pieces = [str(number).encode() for number in range(1000)]
    for start in range(0, 990, 9):
        follower.give(pieces[start : start + 9])
    follower.finish(pieces[990:])
    assert taken == pieces
    follower.close()


def test_work_is_done_in_another_thread_unless_all_of_it_comes_at_once() -> None:
    names: list[str] = []
    for batches in ([], [[b"first"]]):
        follower = Follower(lambda _: names.append(threading.current_thread().name))
        for batch in batches:
            follower.give(batch)
        follower.finish([b"last"])
        follower.close()
    assert names == [threading.current_thread().name, "omics_nb follower", "omics_nb follower"]


def test_what_goes_wrong_there_is_raised_here_and_nothing_more_is_taken() -> None:
    taken: list[bytes] = []

    def take(piece: bytes) -> None:
        taken.append(piece)
        raise ArithmeticError("wrong")

    follower = Follower(take)
    follower.give([b"a", b"b"])
    for again in (follower.catch_up, lambda: follower.give([b"c"]), lambda: follower.finish([])):
        with pytest.raises(ArithmeticError, match="wrong"):
            again()
    follower.close()
    assert taken == [b"a"]


def test_whoever_gives_is_never_far_ahead() -> None:
    given, ahead = 0, []

    def take(_: bytes) -> None:
        hashlib.sha256(bytes(2**18)).digest()
        ahead.append(given - len(ahead))

    follower = Follower(take)
    for _ in range(200):
        follower.give([b"x"])
        given += 1
    follower.finish([])
    follower.close()
    assert len(ahead) == 200
    assert max(ahead) <= 10


def test_a_closed_follower_has_no_thread_and_takes_nothing() -> None:
    started, go = threading.Event(), threading.Event()

    def take(_: bytes) -> None:
        started.set()
        go.wait(30)

    follower = Follower(take)
    follower.give([b"a"] * 1000)
    assert started.wait(30)
    go.set()
    follower.close()
    assert not any(thread.name == "omics_nb follower" for thread in threading.enumerate())
    with pytest.raises(ValueError, match="closed"):
        follower.give([b"b"])
