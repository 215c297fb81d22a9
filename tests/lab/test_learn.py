"""A model learns the sound of one recording: its notes are found, what a style does moves, what hears stays."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import soundfile
import torch
from onnx import numpy_helper

from rtstyle import paths
from rtstyle.bundle import Bundle, find_bundle, load_bundle
from rtstyle.corpus import soundfont
from rtstyle.corpus.build import Plan
from rtstyle.errors import BundleError, FileError
from rtstyle.lab import learn
from rtstyle.lab.export.bundle import write_net
from rtstyle.lab.train.trainer import NETS, SHAPES
from rtstyle.selftest import self_test
from tests.corpus.tones import RATE, tone

LINE = (60, 64, 64, 67, 55, 72)  # with a note struck twice


def line(pitches: tuple[int, ...] = LINE) -> np.ndarray:
    """Notes of 0.6 s, 0.15 s apart."""
    return np.concatenate([tone(pitch, 0.6, seed=k) for k, pitch in enumerate(pitches)])


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "line.wav"
    soundfile.write(path, line(), RATE)
    return path


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home of its own, a short corpus, and of the soundfont two instruments."""
    monkeypatch.setenv("RTSTYLE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(soundfont, "PROGRAMS", (("", "oboe", 68, 58, 76), ("", "clarinet", 71, 50, 74)))
    monkeypatch.setattr(learn, "CORPUS", Plan(minutes=0.3, players=3, seconds=6.0))


def begin(kind: str, folder: Path) -> Bundle:
    """A small bundle of which no two weights are equal: of equal ones, as zeros are, torch's exporter keeps one."""
    net = NETS[kind](SHAPES[kind](channels=16, latent=8, style=8, units=2)).eval()
    for value in net.state_dict().values():
        value += 0.05 * torch.rand_like(value)
    told = {"description": "", "recipe": "", "attribution": "the parent's credits", "styles": ["any"]}
    statistics = np.zeros(8, np.float32), np.ones(8, np.float32)
    told |= {"statistics": [statistics], "neutral": statistics}
    return write_net(net, folder / "begun", name="begun", **told)


def weights(graph: Path) -> dict[str, np.ndarray]:
    return {one.name: numpy_helper.to_array(one) for one in onnx.load(graph).graph.initializer}


def test_the_notes_of_a_line_are_found_where_they_are() -> None:
    found = learn.find_notes(line())
    assert [round(midi) for _, _, midi in found] == list(LINE)
    every = round(0.75 * RATE)
    for k, (begin, end, _) in enumerate(found):
        assert abs(begin - (k * every + 4800)) < 0.06 * RATE
        assert k * every + 0.4 * RATE < end <= (k + 1) * every + 0.06 * RATE


def test_slurred_notes_are_told_apart_by_their_pitch() -> None:
    hz = np.repeat(440.0 * 2.0 ** ((np.array([60, 62, 64, 65]) - 69) / 12), round(0.5 * RATE))
    phase = 2 * np.pi * np.cumsum(hz) / RATE
    audio = sum(0.6**k * np.sin(k * phase) for k in range(1, 9)).astype(np.float32) * 0.2
    assert [round(midi) for _, _, midi in learn.find_notes(audio)] == [60, 62, 64, 65]


@pytest.mark.parametrize("sound", ["noise", "chords", "silence"])
def test_what_has_no_single_notes_is_one_clear_error(sound: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    audio = {
        "noise": 0.1 * rng.standard_normal(5 * RATE),
        "chords": sum(line(tuple(p + move for p in LINE)) for move in (0, 3.3, 7.6, 10.5)),
        "silence": np.zeros(5 * RATE),
    }[sound]
    soundfile.write(tmp_path / "a.wav", audio, RATE)
    with pytest.raises(FileError, match=r"notes that can be told apart, at least 4"):
        learn.write_notes(tmp_path / "a.wav", tmp_path / "notes", "a")


@pytest.mark.parametrize("kind", ["spectral", "latent"])
def test_what_a_style_does_is_learnt_and_what_hears_the_player_stays(
    kind: str, small: None, recording: Path, tmp_path: Path
) -> None:
    begun = begin(kind, tmp_path)
    said: list[str] = []
    learnt = learn.learn(begun, recording, "My Horn", minutes=0.03, workers=1, say=said.append)
    assert learnt.path == find_bundle("my-horn") and load_bundle(learnt.path).name == "my-horn"
    assert [(style.id, style.name) for style in learnt.styles] == [("my-horn", "My horn")]
    assert learnt.latency == begun.latency and "6 notes" in learnt.manifest.description
    assert "owner" in learnt.manifest.licence and "FluidR3" in learnt.manifest.attribution
    assert learnt.manifest.attribution.startswith("the parent's credits")
    outcome = self_test(learnt)
    assert outcome is not None and outcome.passed
    moved = set()
    for part in ("encoder", "decoder"):
        before, after = (weights(bundle.path / f"{part}.onnx") for bundle in (begun, learnt))
        assert before.keys() == after.keys()
        moved |= {name for name in before if not np.array_equal(before[name], after[name])}
    assert {next(layer for layer in learn.LEARNING if layer in name.split(".")) for name in moved} == set(
        learn.LEARNING
    )
    learn.learn(begun, recording, "my horn", minutes=0.01, workers=1)  # takes the place of the former
    with pytest.raises(BundleError, match="a model 'orchestra-spectral' already"):
        learn.learn(begun, recording, "Orchestra spectral", minutes=0.01, workers=1)
    assert said[0].startswith("6 notes in line.wav")
    assert not list((paths.cache() / "learn").iterdir())  # nothing is left but the model
    kept = {file.name.split("--")[0] for file in (paths.cache() / "notes").iterdir()}
    assert kept == {"oboe", "clarinet"}  # and the soundfont's notes, for the next time


def test_an_interrupted_run_goes_on(
    small: None, recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = begin("spectral", tmp_path)
    steps: list[int] = []
    resume = learn.Trainer.resume
    monkeypatch.setattr(learn.Trainer, "resume", lambda self: (resume(self), steps.append(self.step))[0])

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    written: list[dict[Path, int]] = []
    for _ in range(2):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(learn, "export_checkpoint", interrupt)
            learn.learn(begun, recording, "horn", minutes=0.02, workers=1)
        shards = (paths.cache() / "learn").glob("*/corpus/performances/*")
        written.append({shard: shard.stat().st_mtime_ns for shard in shards})
    assert written[0] == written[1] and written[0]
    assert steps[0] == 0 < steps[1]
