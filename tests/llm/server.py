"""A loopback server that speaks as OpenAI (and Ollama), Anthropic and Google do, whole and streamed, with faults.

Shapes after the providers' public references: platform.openai.com/docs/api-reference/chat,
docs.anthropic.com/en/api/messages, ai.google.dev/api/generate-content.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKENS_IN, TOKENS_OUT = 12, 7


class LoopbackModels:
    """Answers each request with the next of ``answers`` (text), the last again and again; a context manager.

    ``status`` refuses all requests with this status; ``cut`` ends a stream in the middle, without a word.
    """

    def __init__(self, *answers: str, status: int = 200, cut: bool = False) -> None:
        self.answers = list(answers)
        self.status, self.cut = status, cut
        self.seen: list[dict[str, Any]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.models = self  # type: ignore[attr-defined]
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    def __enter__(self) -> LoopbackModels:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def base_url(self, provider: str) -> str:
        root = f"http://127.0.0.1:{self._server.server_port}"
        return root + "/v1" if provider in ("openai", "ollama") else root

    def next_answer(self) -> str:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        models: LoopbackModels = self.server.models  # type: ignore[attr-defined]
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        models.seen.append({"path": self.path, "headers": dict(self.headers), "body": body})
        if models.status != 200:
            error = {
                "error": {"message": f"refused with {models.status}", "type": "error", "code": models.status}
            }
            # The providers' libraries wait and ask again unless they are told not to.
            self._send(
                models.status, json.dumps(error).encode(), "application/json", {"x-should-retry": "false"}
            )
            return
        text = models.next_answer()
        streams = body.get("stream") or "streamGenerateContent" in self.path
        if streams:
            self._stream(list(_streamed(self.path, text)), cut=models.cut)
        else:
            self._send(200, json.dumps(_whole(self.path, text)).encode(), "application/json", {})

    def _send(self, status: int, content: bytes, kind: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _stream(self, events: list[str], *, cut: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in events[: len(events) // 2] if cut else events:
            data = event.encode()
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        if not cut:
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = True


def _whole(path: str, text: str) -> dict[str, Any]:
    if "messages" in path:
        return {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude-sonnet-4-0",
            "content": [{"type": "text", "text": text}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": TOKENS_IN, "output_tokens": TOKENS_OUT},
        }
    if "GenerateContent" in path or "generateContent" in path:
        return _google(text, "STOP")
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "gpt-4o-mini",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": _openai_usage(),
    }


def _streamed(path: str, text: str) -> Iterator[str]:
    pieces = [text[at : at + 9] for at in range(0, len(text), 9)]
    if "messages" in path:
        return _anthropic_events(pieces)
    if "GenerateContent" in path:
        return (
            f"data: {json.dumps(_google(piece, 'STOP' if n == len(pieces) - 1 else None))}\r\n\r\n"
            for n, piece in enumerate(pieces)
        )
    return _openai_events(pieces)


def _openai_events(pieces: list[str]) -> Iterator[str]:
    def chunk(choices: list[dict[str, Any]], usage: dict[str, int] | None = None) -> str:
        fields = {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1_700_000_000,
            "model": "gpt-4o-mini",
            "choices": choices,
            "usage": usage,
        }
        return f"data: {json.dumps(fields)}\n\n"

    for piece in pieces:
        yield chunk([{"index": 0, "delta": {"role": "assistant", "content": piece}, "finish_reason": None}])
    yield chunk([{"index": 0, "delta": {}, "finish_reason": "stop"}])
    yield chunk([], _openai_usage())
    yield "data: [DONE]\n\n"


def _anthropic_events(pieces: list[str]) -> Iterator[str]:
    def event(kind: str, **fields: Any) -> str:
        return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n"

    message = {**_whole("/v1/messages", ""), "content": [], "stop_reason": None}
    yield event("message_start", message=message)
    yield event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    for piece in pieces:
        yield event("content_block_delta", index=0, delta={"type": "text_delta", "text": piece})
    yield event("content_block_stop", index=0)
    yield event(
        "message_delta",
        delta={"stop_reason": "end_turn", "stop_sequence": None},
        usage={"output_tokens": TOKENS_OUT},
    )
    yield event("message_stop")


def _google(text: str, finish: str | None) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    return {
        "candidates": [candidate],
        "modelVersion": "gemini-2.5-flash",
        "responseId": "r1",
        "usageMetadata": {
            "promptTokenCount": TOKENS_IN,
            "candidatesTokenCount": TOKENS_OUT,
            "totalTokenCount": TOKENS_IN + TOKENS_OUT,
        },
    }


def _openai_usage() -> dict[str, int]:
    return {
        "prompt_tokens": TOKENS_IN,
        "completion_tokens": TOKENS_OUT,
        "total_tokens": TOKENS_IN + TOKENS_OUT,
    }
