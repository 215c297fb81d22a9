"""The corpus on disk: one array file per performance or phrase, one JSON line each in a manifest.

    OUT/performances.jsonl   {"id", "split", "players": [{"instrument", "library", "licence", "files"}], "samples", ...}
    OUT/audio/ID.npy         int16 (players, samples) at 48 kHz; 32767 is full scale
    OUT/f0/ID.npy            float32 (frames,), Hz at every 256th sample, 0 in rests
    OUT/phrases.jsonl        {"id", "split", "instrument", "source", "file", "licence", "attribution", "samples"}
    OUT/phrases/ID.npy       int16 (samples,)
    OUT/notes/*.npz          cache of measured notes
A line is written after its arrays, so an interrupted build leaves nothing half listed.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtstyle.errors import FileError


def save_array(path: Path, array: NDArray[Any]) -> None:
    """Write an array so that it appears whole or not at all. `[control]`"""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".part")
    with draft.open("wb") as file:
        np.save(file, array)
    draft.replace(path)


def pcm16(audio: NDArray[np.float32]) -> NDArray[np.int16]:
    """Return float audio as int16; full scale clips. `[any]`"""
    return np.round(np.clip(audio, -1.0, 1.0) * 32767.0).astype(np.int16)


def append_line(path: Path, entry: dict[str, Any]) -> None:
    """Append one JSON line. `[control]`"""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry, ensure_ascii=False) + "\n")


def repair(path: Path) -> None:
    """Cut off a last line that an interrupted build left unfinished. `[control]`"""
    if path.is_file():
        data = path.read_bytes()
        if data and not data.endswith(b"\n"):
            path.write_bytes(data[: data.rfind(b"\n") + 1])


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the entries of a manifest, [] when it is not there; a last line cut short by a crash is left out.

    Raises FileError when any other line is broken. `[control]`
    """
    if not path.is_file():
        return []
    text = path.read_text(encoding="utf-8")
    entries = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            entries.append(json.loads(line))
        except json.JSONDecodeError as error:
            if number > text.count("\n"):
                break
            raise FileError(f"{path}, line {number} is not JSON ({error}); delete it and build again.") from error
    return entries
