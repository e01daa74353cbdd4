"""Mail at the end of a batch, through a real SMTP server on loopback: told once, tried again, never doubled."""

from __future__ import annotations

import email
import email.policy
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from omics_nb import flows
from omics_nb.batch import keeper, outbox, start_batch
from omics_nb.errors import SettingsError
from tests.batch.conftest import write_notebook

pytestmark = pytest.mark.filterwarnings("default")  # nbclient and zmq warn of their own dependencies


class Postman:
    """What the server says to each recipient and message, and what it took."""

    def __init__(self) -> None:
        self.letters: list[Any] = []
        self.answers: list[str] = []
        self.refused: dict[str, str] = {}

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        answer = self.refused.get(address)
        if answer is None:
            envelope.rcpt_tos.append(address)
        return answer or "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        answer = self.answers.pop(0) if self.answers else "250 OK"
        if answer == "cut":
            self.letters.append(self._read(envelope))
            server.transport.abort()
            return "250 OK"
        if answer.startswith("250"):
            self.letters.append(self._read(envelope))
        return answer

    def _read(self, envelope: Any) -> Any:
        return email.message_from_bytes(envelope.content, policy=email.policy.default)


@pytest.fixture
def postman(monkeypatch: pytest.MonkeyPatch) -> Iterator[Postman]:
    postman = Postman()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(postman, hostname="127.0.0.1", port=port)
    controller.start()
    monkeypatch.setenv("OMICS_SMTP", f"smtp://127.0.0.1:{port}")
    monkeypatch.setenv("OMICS_MAIL_FROM", "omics@lab.example")
    yield postman
    controller.stop()


def letter(key: str = "k", to: str = "ana@lab.example") -> bool:
    from email.message import EmailMessage

    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "omics@lab.example", to, "done"
    message.set_content("all is well – α")
    return outbox.put(flows.run_store(), key, message)


def states() -> list[tuple[str, str]]:
    return [(found.key, found.state) for found in outbox.letters(flows.run_store())]


def test_a_batch_tells_its_end_once_with_a_link_and_its_failures(postman: Postman, tmp_path: Path) -> None:
    notebook = write_notebook(tmp_path / "n.ipynb", "assert n < 2, 'too many'", parameters="n = 0")
    batch = start_batch(
        [{"n": 1}, {"n": 2}],
        notebook,
        out=tmp_path / "out",
        mail=["ana@lab.example"],
        link="https://lab.example/r",
    ).wait(60)
    keeper.finish(batch)  # whoever looks at the results closes the batch again
    [found] = postman.letters
    assert found["To"] == "ana@lab.example"
    assert found["Subject"] == "rows: 1 done, 1 failed"
    text = found.get_content()
    assert "https://lab.example/r/index.html" in text
    assert "0002-2: failed, cell 3 (assert n < 2, 'too many'): AssertionError: too many" in text
    assert f"omics-nb batch retry {batch.id} --failed" in text


def test_what_the_server_puts_off_is_tried_again_and_sent_once(postman: Postman) -> None:
    letter()
    postman.answers = ["451 later"]
    assert outbox.deliver(flows.run_store(), now=1000.0) == 0
    assert states() == [("k", "waiting")]
    assert outbox.deliver(flows.run_store(), now=1000.0) == 0  # it waits for its time
    assert outbox.deliver(flows.run_store(), now=1070.0) == 1
    assert outbox.deliver(flows.run_store(), now=9e9) == 0
    assert len(postman.letters) == 1


def test_a_server_that_cannot_be_reached_costs_no_mail(
    postman: Postman, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = str(outbox.server_address())
    letter()
    monkeypatch.setenv("OMICS_SMTP", "smtp://127.0.0.1:9")
    assert outbox.deliver(flows.run_store(), now=1000.0) == 0
    [told] = outbox.letters(flows.run_store())
    assert (told.state, told.attempts) == ("waiting", 1)
    assert "cannot be reached" in told.error
    monkeypatch.setenv("OMICS_SMTP", place)
    assert outbox.deliver(flows.run_store(), now=2000.0) == 1


def test_a_message_that_may_have_been_taken_is_not_sent_twice(postman: Postman) -> None:
    letter()
    postman.answers = ["cut"]
    assert outbox.deliver(flows.run_store(), now=1000.0) == 0
    assert states() == [("k", "unsure")]
    assert outbox.deliver(flows.run_store(), now=9e9) == 0
    assert len(postman.letters) == 1


@pytest.mark.parametrize(("left", "state", "n_sent"), [("sending", "sent", 1), ("handed", "unsure", 0)])
def test_a_sender_that_died_is_followed_only_if_it_had_not_handed_over(
    postman: Postman, left: str, state: str, n_sent: int
) -> None:
    letter()
    with flows.run_store().write() as db:
        db.execute("UPDATE outbox SET state = ?, lease = ?", (left, 1000.0))
    assert outbox.deliver(flows.run_store(), now=999.0) == 0  # it may be alive
    assert outbox.deliver(flows.run_store(), now=1001.0) == n_sent
    assert states() == [("k", state)]


def test_an_address_that_the_server_refuses_is_told_and_not_tried_again(postman: Postman) -> None:
    letter(to="nobody@lab.example")
    postman.refused["nobody@lab.example"] = "550 no such user"
    assert outbox.deliver(flows.run_store(), now=1000.0) == 0
    [told] = outbox.letters(flows.run_store())
    assert (told.state, told.error) == ("failed", "550 no such user")


def test_one_key_is_one_message(postman: Postman) -> None:
    assert letter()
    assert not letter()
    assert outbox.deliver(flows.run_store()) == 1


def test_a_batch_that_could_not_send_mail_does_not_start(
    tmp_path: Path, acts: Path, postman: Postman
) -> None:
    with pytest.raises(SettingsError, match="'ana' is no mail address"):
        start_batch([{}], acts, out=tmp_path / "out", mail=["ana"])
    with pytest.raises(SettingsError, match="is no mail address"):
        start_batch([{}], acts, out=tmp_path / "out", mail=["a@b.example\nBcc: all@b.example"])


def test_a_mail_server_is_asked_for_before_the_night(
    tmp_path: Path, acts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SettingsError, match="mail needs a server: OMICS_SMTP="):
        start_batch([{}], acts, out=tmp_path / "out", mail=["ana@lab.example"])
    monkeypatch.setenv("OMICS_SMTP", "smtp://u:pw@127.0.0.1")
    with pytest.raises(SettingsError, match="goes into OMICS_SMTP_PASSWORD") as caught:
        outbox.server_address()
    assert "pw" not in str(caught.value).replace("OMICS_SMTP_PASSWORD", "")
