"""An embedder has a part in the order and a score of its own; where it fails, the order is as it was."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from click.testing import CliRunner

import omics_nb as omics
from omics_nb import cli
from omics_nb.errors import MissingExtraError, ModelError, QuestionError
from omics_nb.index.embedding import Embeddings, open_embedder


def letters(texts: Sequence[str]) -> list[list[float]]:
    return [[text.casefold().count(letter) + 0.0 for letter in "abcdefghij"] for text in texts]


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        server: Any = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server.seen.append((self.path, self.headers.get("Authorization"), body["model"], len(body["input"])))
        rows = [{"index": n, "embedding": vector} for n, vector in enumerate(letters(body["input"]))]
        said = json.dumps(server.reply or {"data": rows[::-1]}).encode()
        self.send_response(server.status)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)


@pytest.fixture
def server() -> Iterator[Any]:
    made: Any = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    made.seen, made.reply, made.status = [], None, 200
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


def embedder(server: Any) -> Embeddings:
    return Embeddings(f"http://127.0.0.1:{server.server_port}/v1", "nomic", api_key="sk-secret")


def test_both_orders_are_fused_by_reciprocal_rank_and_the_cosine_is_shown() -> None:
    plain = omics.search("cancer", source="demo", limit=50)
    hits = omics.search("cancer", source="demo", embedder=letters, limit=50)
    assert {hit.accession for hit in hits} == {hit.accession for hit in plain}
    cosines = {hit.accession: hit.embedding for hit in hits}
    by_meaning = sorted(plain, key=lambda hit: -(cosines[hit.accession] or 0))
    ranks = [[hit.accession for hit in order] for order in (plain, by_meaning)]
    worth = {hit.accession: sum(1 / (60 + order.index(hit.accession)) for order in ranks) for hit in plain}
    assert [worth[hit.accession] for hit in hits] == sorted(worth.values(), reverse=True)
    assert [hit.score for hit in hits] != sorted((hit.score for hit in hits), reverse=True)
    assert "1 / (60 + rank)" in hits.weights[-1]
    assert "embedding 0." in hits._repr_html_()
    assert {hit.score for hit in hits} == {hit.score for hit in plain}


def test_the_limit_is_kept_and_told() -> None:
    hits = omics.search("cancer", source="demo", embedder=letters, limit=2)
    assert len(hits) == 2
    assert [note for note in hits.notes if "are shown" in note] == [
        f"2 of {hits.total} matching studies are shown."
    ]


def test_an_openai_compatible_server_is_asked_in_batches(server: Any) -> None:
    vectors = embedder(server)([f"text {n}" for n in range(100)])
    assert vectors == letters([f"text {n}" for n in range(100)])
    assert server.seen == [("/v1/embeddings", "Bearer sk-secret", "nomic", n) for n in (64, 36)]
    assert omics.search("cancer", source="demo", embedder=embedder(server))[0].embedding is not None
    assert "sk-secret" not in repr(embedder(server))


@pytest.mark.parametrize(
    ("status", "reply"), [(500, None), (401, None), (200, {"data": []}), (200, {"x": 1}), (200, [])]
)
def test_a_server_that_fails_costs_no_hit(server: Any, status: int, reply: Any) -> None:
    server.status, server.reply = status, reply or ({"x": 1} if reply == [] else None)
    hits = omics.search("cancer", source="demo", embedder=embedder(server), limit=3)
    plain = omics.search("cancer", source="demo", limit=3)
    assert hits.hits == plain.hits
    assert any("Ordered without embeddings" in note for note in hits.notes)
    assert "sk-secret" not in " ".join(hits.notes)


@pytest.mark.parametrize(
    "broken",
    [
        lambda texts: 1 / 0,
        lambda texts: [[1.0]],
        lambda texts: [[float("nan")] for _ in texts],
        lambda texts: [[]] * 2,
    ],
)
def test_a_function_that_gives_no_vectors_costs_no_hit(broken: Any) -> None:
    hits = omics.search("cancer", source="demo", embedder=broken, limit=3)
    assert len(hits) == 3
    assert any("Ordered without embeddings: the embedder" in note for note in hits.notes)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(QuestionError, match="not in that by date"):
        omics.search("cancer", source="demo", embedder=letters, sort="date")
    with pytest.raises(ModelError, match="must not travel unencrypted"):
        Embeddings("http://example.org/v1", "x", api_key="k")(["text"])


@pytest.mark.parametrize("provider", ["openai", "ollama"])
def test_the_shell_asks_an_embedder_by_its_name(
    provider: str, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{provider.upper()}_BASE_URL", f"http://127.0.0.1:{server.server_port}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    words = ["search", "cancer", "--source", "demo", "--embedder", f"{provider}:nomic", "--json"]
    done = CliRunner().invoke(cli.main, words)
    assert done.exit_code == 0, done.output
    assert all(hit["embedding"] is not None for hit in json.loads(done.stdout)["hits"])
    key = "Bearer sk-secret" if provider == "openai" else None
    assert [seen[:3] for seen in server.seen] == [("/v1/embeddings", key, "nomic")]
    both = CliRunner().invoke(cli.main, ["search", "cancer", "--embedder", "ollama:x", "--save", "mine"])
    assert "--embedder" in both.output


def test_a_local_model_is_opened_by_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "sentence_transformers", None)
        with pytest.raises(MissingExtraError, match="pip install sentence-transformers"):
            omics.search("cancer", source="demo", embedder="local:none")
    opened: list[str] = []

    class SentenceTransformer:
        def __init__(self, name: str) -> None:
            opened.append(name)
            if "missing" in name:
                raise OSError("no such model")

        def encode(self, texts: list[str]) -> list[list[float]]:
            return letters(texts)

    library = type(sys)("sentence_transformers")
    library.SentenceTransformer = SentenceTransformer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sentence_transformers", library)
    hits = omics.search("cancer", source="demo", embedder="local:mini")
    assert [hit.accession for hit in hits] == [
        hit.accession for hit in omics.search("cancer", source="demo", embedder=letters)
    ]
    omics.search("lung", source="demo", embedder="local:mini")
    assert opened == ["mini"]
    hits = omics.search("cancer", source="demo", embedder="local:missing")
    assert any("no such model" in note for note in hits.notes)


@pytest.mark.parametrize("spec", ["nomic", "openai:", "hub:nomic", ""])
def test_an_embedder_that_cannot_be_is_named(spec: str) -> None:
    with pytest.raises(ModelError, match="one of openai, ollama, local"):
        open_embedder(spec)


def test_nothing_is_imported_for_it_by_a_plain_search() -> None:
    code = "import sys, omics_nb as o; o.search('cancer', source='demo'); print('httpx' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
