"""Bodies to objects: JSON as RFC 8259 has it, and nothing that two readers could read differently.

Refused are duplicate keys, nesting beyond `DEPTH_MAX`, integers beyond the interpreter's digit
limit, text that is not UTF-8 and lone surrogates. NaN, Infinity and numbers beyond a double
arrive as non-finite floats, so that the validator can name their field.
"""

from __future__ import annotations

import json
import re
from typing import Any

DEPTH_MAX = 64
# Possessive, and the last quote may be missing: each byte is looked at once, whatever the body.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_ONE_KIND = bytes.maketrans(b"{}", b"[]")


class MalformedJson(ValueError):
    """The text is not one acceptable JSON object; the message says why."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise MalformedJson(f"the key {key[:64]!a} is given twice")
            seen.add(key)
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_object)


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`.

    Raises:
        MalformedJson: it is empty, not UTF-8, not JSON, too deep, ambiguous or not an object.
    """
    if not body.strip():
        raise MalformedJson("the body is empty")
    if body.count(b"[") + body.count(b"{") > DEPTH_MAX and _too_deep(body):
        raise MalformedJson(f"nested more than {DEPTH_MAX} deep, or brackets do not match")
    try:
        value = _DECODER.decode(body.decode("utf-8"))
        if b"\\u" in body:
            # an escaped surrogate without its other half cannot be written as UTF-8
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except MalformedJson:
        raise
    except UnicodeEncodeError as error:
        raise MalformedJson("a string holds a lone surrogate") from error
    except UnicodeDecodeError as error:
        raise MalformedJson(f"not UTF-8 at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise MalformedJson(f"not JSON: {error.msg} at character {error.pos}") from error
    except RecursionError as error:
        raise MalformedJson("nested too deep") from error
    except ValueError as error:
        raise MalformedJson("an integer has too many digits") from error
    if not isinstance(value, dict):
        raise MalformedJson("not a JSON object")
    return value


def _too_deep(body: bytes) -> bool:
    """Whether brackets remain after taking away the innermost pairs `DEPTH_MAX` times."""
    brackets = _STRING.sub(b"", body).translate(_ONE_KIND, _NOT_BRACKETS)
    for _ in range(DEPTH_MAX):
        if not brackets:
            return False
        brackets = brackets.replace(b"[]", b"")
    return bool(brackets)
