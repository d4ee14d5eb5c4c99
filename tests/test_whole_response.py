"""Answers handed to the server in one piece."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from werkzeug.test import EnvironBuilder

from web.whole_response import WholeResponse


def answered(response: WholeResponse, method: str = "GET") -> Iterable[bytes]:
    """What the server gets to send."""
    environ = EnvironBuilder(method=method).get_environ()

    def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        return None

    return response(environ, start)


def test_a_body_in_memory_is_a_list_for_the_server_and_is_closed() -> None:
    closed = []
    response = WholeResponse(["a", b"b"])
    response.call_on_close(lambda: closed.append(True))
    body = answered(response)
    assert isinstance(body, list) and b"".join(body) == b"ab"
    assert closed == [True]


def test_a_stream_is_read_chunk_by_chunk() -> None:
    taken = []

    def chunks() -> Iterator[bytes]:
        for chunk in (b"a", b"b"):
            taken.append(chunk)
            yield chunk

    body = answered(WholeResponse(chunks()))
    assert taken == []
    assert next(iter(body)) == b"a"
    assert taken == [b"a"]


def test_head_and_answers_without_content_have_no_body() -> None:
    assert list(answered(WholeResponse(b"ab"), "HEAD")) == []
    assert list(answered(WholeResponse(b"", status=304))) == []
