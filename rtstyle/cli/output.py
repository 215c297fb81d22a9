"""What commands print: JSON or text on stdout, everything else on stderr."""

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any


def emit_json(value: Any) -> None:
    """Print one JSON document on stdout. Non-finite numbers become null: JSON has no name for them. `[control]`"""
    print(json.dumps(_plain(value), indent=2, ensure_ascii=False))


def table(rows: Sequence[Sequence[object]], head: Sequence[str] = (), indent: int = 0) -> str:
    """Return rows as text columns that line up; numbers to the right. `[any]`"""
    body = [[_cell(value) for value in row] for row in rows]
    lines = ([list(head)] if head else []) + body
    if not lines:
        return ""
    right = [all(isinstance(row[column], (int, float)) for row in rows) for column in range(len(lines[0]))]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    texts = []
    for line in lines:
        columns = zip(line, widths, right, strict=True)
        cells = [cell.rjust(width) if to_right else cell.ljust(width) for cell, width, to_right in columns]
        texts.append(" " * indent + "  ".join(cells).rstrip())
    return "\n".join(texts)


@contextlib.contextmanager
def native_stderr_hidden() -> Iterator[None]:
    """Hide what C libraries print on stderr while they look for servers and cards. `[control]`"""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}"
    return "" if value is None else str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if hasattr(value, "item"):  # a numpy scalar
        value = value.item()
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value
