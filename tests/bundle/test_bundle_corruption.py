"""Damaged bundles: each is refused with one clear error, and nothing else ever comes out of the loader.

Damage is done in two ways. As it happens (a flipped byte, a cut file): the hashes see it. On purpose (`seal` puts all
hashes right again): the checks behind the hashes must see it.
"""

import os
import shutil
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w

from rtstyle.bundle import load_bundle
from rtstyle.bundle.manifest import MAX_FILE
from rtstyle.errors import BundleError
from tests.bundle.harm import FILES, Corruption, read, refusal, seal


def test_the_undamaged_bundle_loads(folder: Path) -> None:
    seal(folder)
    assert load_bundle(folder).golden is not None


# --- as it happens ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", [i / 13 for i in range(14)])
@pytest.mark.parametrize("file", FILES)
def test_a_flipped_bit_is_noticed(folder: Path, file: str, part: float) -> None:
    data = bytearray((folder / file).read_bytes())
    place = min(int(part * len(data)), len(data) - 1)
    data[place] ^= 1 << (place % 8)
    (folder / file).write_bytes(data)
    assert "SHA-256" in refusal(folder)


@pytest.mark.parametrize("part", [0.0, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 1.0])
@pytest.mark.parametrize("file", FILES)
def test_a_cut_file_is_noticed(folder: Path, file: str, part: float) -> None:
    data = (folder / file).read_bytes()
    (folder / file).write_bytes(data[: min(int(part * len(data)), len(data) - 1)])
    assert "SHA-256" in refusal(folder)


@pytest.mark.parametrize("file", FILES)
def test_appended_bytes_and_missing_files_are_noticed(folder: Path, file: str) -> None:
    with open(folder / file, "ab") as stream:
        stream.write(b"\0")
    refusal(folder)
    (folder / file).unlink()
    assert "missing" in refusal(folder)


def test_every_flipped_bit_of_the_manifest_is_noticed_unless_it_says_the_same(folder: Path) -> None:
    rng = np.random.default_rng(3)
    text = (folder / "bundle.toml").read_bytes()
    before = tomllib.loads(text.decode())
    for place in rng.choice(len(text), 150, replace=False):
        data = bytearray(text)
        data[place] ^= 1 << int(rng.integers(8))
        (folder / "bundle.toml").write_bytes(data)
        try:
            load_bundle(folder)
        except BundleError:
            continue
        assert tomllib.loads(data.decode()) == before, f"byte {place} changed the meaning unnoticed"


def test_every_cut_manifest_is_noticed(folder: Path) -> None:
    text = (folder / "bundle.toml").read_bytes()
    for place in range(0, len(text.rstrip()) - 1, 29):
        (folder / "bundle.toml").write_bytes(text[:place])
        refusal(folder)


# --- the manifest, on purpose ----------------------------------------------------------------------------------------


def change(*path: Any, to: Any) -> Corruption:
    """Set one value of bundle.toml; `to=None` deletes it."""

    def apply(folder: Path) -> None:
        table = read(folder)
        place: Any = table
        for step in path[:-1]:
            place = place[step]
        if to is None:
            del place[path[-1]]
        else:
            place[path[-1]] = to
        digest = table.get("digest")
        seal(folder, table)
        if path == ("digest",):
            table["digest"] = digest
            (folder / "bundle.toml").write_text(tomli_w.dumps({k: v for k, v in table.items() if v is not None}))

    return apply


HASH = "0" * 64
MANIFEST_VALUES: list[tuple[tuple[Any, ...], Any]] = [
    (("schema",), 2),
    (("schema",), 0),
    (("schema",), "1"),
    (("schema",), True),
    (("schema",), None),
    (("digest",), HASH),
    (("digest",), "short"),
    (("name",), ""),
    (("name",), "../up"),
    (("name",), "a/b"),
    (("name",), "Has Spaces"),
    (("name",), 7),
    (("name",), None),
    (("kind",), "wavelet"),
    (("kind",), "latent"),
    (("kind",), None),
    (("sample_rate",), 0),
    (("sample_rate",), 1_000_000),
    (("sample_rate",), 48000.5),
    (("sample_rate",), "48000"),
    (("hop",), 0),
    (("hop",), 8),
    (("hop",), -64),
    (("hop",), 8192),
    (("hop",), 1024),
    (("hop",), None),
    (("turns",), 0),
    (("turns",), 3),
    (("latency",), -1),
    (("latency",), 10**9),
    (("latency",), 64.5),
    (("stereo",), "surround"),
    (("styles",), []),
    (("styles",), [{"id": "a", "name": "A"}]),
    (("styles",), [{"id": f"s{i}", "name": "S"} for i in range(33)]),
    (("styles", 0, "id"), "../x"),
    (("styles", 0, "id"), "style-1"),
    (("styles", 0, "name"), ""),
    (("styles", 0, "source"), "stolen"),
    (("styles", 0, "colour"), "red"),
    (("states_encoder", 0, "shape"), [1, 36]),
    (("states_encoder", 0, "shape"), []),
    (("states_encoder", 0, "shape"), [0, 35]),
    (("states_encoder", 0, "shape"), [-1, 35]),
    (("states_encoder", 0, "shape"), [2**22, 2**22]),
    (("states_encoder", 0, "shape"), [1] * 7),
    (("states_encoder", 0, "name"), "other"),
    (("states_encoder", 0, "name"), "a b"),
    (("states_encoder",), []),
    (("states_decoder",), []),
    (("states_decoder",), [{"name": "second", "shape": [1, 4]}, {"name": "second", "shape": [1, 4]}]),
    (("passes",), []),
    (("passes", 0, "width"), 36),
    (("passes", 0, "width"), 0),
    (("passes", 0, "per_hop"), 0),
    (("passes", 0, "name"), "styled"),
    (("passes", 0, "name"), "state_first"),
    (("passes", 0, "name"), "other"),
    (("frontend", "n_fft"), 1000),
    (("frontend", "n_fft"), 64),
    (("frontend", "n_fft"), 0),
    (("frontend", "n_fft"), 2**20),
    (("frontend", "bands"), 1),
    (("frontend", "bands"), 600),
    (("frontend", "bands"), 31),
    (("frontend", "features"), 36),
    (("frontend", "features"), 0),
    (("frontend", "sources"), 0),
    (("frontend", "sources"), 2),
    (("frontend", "window"), "blackman"),
    (("frontend", "analysis"), "cqt"),
    (("frontend", "unheard_of"), 1),
    (("adain", "memory_seconds"), 0.0),
    (("adain", "memory_seconds"), float("nan")),
    (("adain", "prior_seconds"), -1.0),
    (("adain", "prior_seconds"), float("inf")),
    (("parameters",), [{"id": "style.amout"}]),
    (("parameters",), [{"id": "style.target", "maximum": 1.0}]),
    (("parameters",), [{"id": "mix", "maximum": 2.0}]),
    (("parameters",), [{"id": "mix", "minimum": 0.8, "maximum": 0.2}]),
    (("parameters",), [{"id": "mix", "default": float("nan")}]),
    (("parameters",), [{"id": "mix"}, {"id": "mix"}]),
    (("parameters",), [{"id": "mix", "smoothing_ms": -1.0}]),
    (("parameters",), [{"minimum": 0.0}]),
    (("licence",), 3),
    (("description",), "x" * 30_000),
    (("command",), "rm -rf ~"),
    (("files",), {}),
    (("files",), None),
    (("files",), ["encoder.onnx"]),
    (("files", "encoder.onnx"), None),
    (("files", "styles.npz"), None),
    (("files", "card.md"), None),
    (("files", "gone.md"), "ABC"),
    (("files", "more.md"), HASH),
    (("files", "../outside.md"), HASH),
    (("files", "/etc/passwd"), HASH),
    (("files", "sub/card.md"), HASH),
    (("files", "..\\card.md"), HASH),
    (("files", "card.md\u0000"), HASH),
    (("files", "operators.so"), HASH),
    (("files", "hook.py"), HASH),
    (("files", ""), HASH),
    (("files", "."), HASH),
    (("files", "bundle.toml"), HASH),
]


@pytest.mark.parametrize(
    ("path", "value"), MANIFEST_VALUES, ids=lambda value: str(value)[:40].encode("unicode_escape").decode()
)
def test_a_manifest_that_does_not_fit_is_refused(folder: Path, path: tuple[Any, ...], value: Any) -> None:
    change(*path, to=value)(folder)
    text = refusal(folder)
    if path != ("digest",):
        assert "digest" not in text, "the reason is the value, not the seal"


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe\x00", b"= 3", b"schema = 1\nschema = 1", b"x = " + b"[" * 4000, b"[a]\n" * 9, b"a" * 300_000,
     b"schema = 1\n\x00", b"schema = 99999999999999999999"],
    ids=["empty", "binary", "no key", "twice", "deep", "table twice", "huge", "nul", "long number"],
)  # fmt: skip
def test_a_manifest_that_is_no_toml_is_refused(folder: Path, content: bytes) -> None:
    (folder / "bundle.toml").write_bytes(content)
    refusal(folder)


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (("frontend", "bands"), 600, "frontend.bands = 600 must lie in 2..513"),
        (("frontend", "features"), 0, "frontend.features = 0 must be at least that"),
        (("states_encoder", 0, "shape"), [2**22, 2**22], "more than 4194304 elements"),
        (("passes", 0, "name"), "styled", "a meaning of its own"),
        (("frontend", "analysis"), "cqt", "frontend.analysis = 'cqt': Expected stft or constant-q"),
        (("kind",), "wavelet", "kind = 'wavelet': Expected spectral or latent"),
        (("hop",), 8, "hop = 8: Expected `int` >= 16"),
        (("styles", 0, "name"), "", "styles[0].name = ''"),
    ],
)
def test_a_refusal_names_key_value_and_expectation(
    folder: Path, path: tuple[Any, ...], value: Any, reason: str
) -> None:
    change(*path, to=value)(folder)
    assert reason in refusal(folder)


def test_a_newer_schema_asks_for_an_update(folder: Path) -> None:
    change("schema", to=2)(folder)
    assert "update rtstyle" in refusal(folder)


# --- the folder ------------------------------------------------------------------------------------------------------


def replace_by_link(folder: Path) -> None:
    outside = folder.parent / "outside.onnx"
    shutil.move(folder / "encoder.onnx", outside)
    (folder / "encoder.onnx").symlink_to(outside)


def replace_by_pipe(folder: Path) -> None:
    (folder / "card.md").unlink()
    os.mkfifo(folder / "card.md")


def replace_by_folder(folder: Path) -> None:
    (folder / "card.md").unlink()
    (folder / "card.md").mkdir()


def link_to_nowhere(folder: Path) -> None:
    (folder / "styles.npz").unlink()
    (folder / "styles.npz").symlink_to(folder / "nothing")


def make_huge(folder: Path) -> None:
    with open(folder / "decoder.onnx", "r+b") as stream:
        stream.truncate(MAX_FILE + 1)


@pytest.mark.parametrize(
    "harm",
    [
        replace_by_link,
        replace_by_pipe,
        replace_by_folder,
        link_to_nowhere,
        make_huge,
        lambda folder: (folder / "evil.so").write_bytes(b"\x7fELF"),
        lambda folder: (folder / "__init__.py").write_text("import os"),
        lambda folder: (folder / "more.md").write_text("x"),
        lambda folder: (folder / "sub").mkdir(),
        lambda folder: (folder / ".hidden").write_text("x"),
        lambda folder: (folder / "bundle.toml").unlink(),
        lambda folder: [(folder / "bundle.toml").unlink(), (folder / "bundle.toml").mkdir()],
        lambda folder: shutil.rmtree(folder),
        lambda folder: [shutil.rmtree(folder), folder.write_text("x")],
    ],
)
def test_a_folder_that_holds_anything_else_is_refused(folder: Path, harm: Corruption) -> None:
    harm(folder)
    refusal(folder)


def test_what_is_no_folder_or_no_bundle_is_said_in_these_words(folder: Path) -> None:
    (folder / "bundle.toml").unlink()
    assert "holds no bundle.toml" in refusal(folder)
    shutil.rmtree(folder)
    assert "is not a folder" in refusal(folder)


def test_a_file_beyond_the_limit_is_refused_by_its_size_without_being_read(folder: Path) -> None:
    make_huge(folder)
    assert f"has {MAX_FILE + 1} bytes" in refusal(folder)


def test_what_file_browsers_leave_behind_does_no_harm(folder: Path) -> None:
    (folder / ".DS_Store").write_bytes(b"\0")
    load_bundle(folder)
