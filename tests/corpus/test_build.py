"""Building, continuing and reading a corpus from a user's own folder of notes."""

import json
import shutil
import tarfile
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from rtstyle.cli.corpus import app as corpus_app
from rtstyle.cli.corpus import build as build_command
from rtstyle.corpus import soundfont
from rtstyle.corpus.build import Material, Plan, build, find_tunes, shards_to_do
from rtstyle.corpus.pairs import PairCorpus
from rtstyle.corpus.shards import finished, open_array, read_rows, read_shard, shard_name, write_shard
from rtstyle.errors import FileError, MissingPartError, ParameterError
from tests.corpus.test_score import write_tune
from tests.corpus.tones import RATE, tone, write_library

KINDS = ("performances", "phrases", "notes")
PLAN = Plan(minutes=0.5, players=3, seconds=6.0, seed=7)


@pytest.fixture(autouse=True)
def no_soundfont(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soundfont, "find_font", lambda: None)


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("material")
    for instrument in ("fiddle", "pipe", "horn"):
        write_library(folder / "notes", instrument)
    for k in range(5):
        soundfile.write(folder / "notes" / "pipe" / f"phrase {'abcde'[k]}.wav", tone(60 + k, 2.0), RATE)
    (folder / "tunes").mkdir()
    for k in range(11):
        pitches = np.random.default_rng(k).integers(60, 72, 24)
        write_tune(folder / "tunes" / f"tune{k:02d}.mid", [(240 * n, 240, int(p)) for n, p in enumerate(pitches)])
    return folder


@pytest.fixture(scope="module")
def corpus(material: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("corpus")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(soundfont, "find_font", lambda: None)
        build(out, material / "notes", material / "tunes", PLAN)
    return out


def test_the_corpus_holds_what_was_asked_for(corpus: Path) -> None:
    folder = corpus / "performances"
    entries = [(name, row) for name in finished(folder) for row in read_shard(folder, name)]
    for split in ("train", "valid"):
        seconds = sum(e["samples"] for _, e in entries if e["split"] == split) / RATE
        assert 24.0 <= seconds < 40.0
    for name, e in entries:
        size = len(e["players"]) * e["samples"]
        audio = open_array(folder, name, "audio")[e["offset"] : e["offset"] + size].reshape(-1, e["samples"])
        f0 = open_array(folder, name, "f0")[e["f0_offset"] : e["f0_offset"] + e["samples"] // 256 + 1]
        assert audio.dtype == np.int16
        assert audio.shape == (len(e["players"]), e["samples"])
        assert f0.dtype == np.float32
        assert f0.max() > 100.0
        assert len({p["instrument"] for p in e["players"]}) == len(e["players"])
        assert all(p["files"] for p in e["players"])
        rms = np.sqrt(np.mean((audio / 32767.0) ** 2, axis=1))
        assert (20 * np.log10(rms) > -27.0).all()
        assert (20 * np.log10(rms) < -14.0).all()


def test_train_and_valid_play_other_tunes(corpus: Path, material: Path) -> None:
    tunes = find_tunes(material / "tunes")
    assert [p.stem for p in tunes["valid"]] == ["tune00", "tune10"]
    heard = {s: {row["title"] for row in read_rows(corpus / "performances", s)} for s in tunes}
    assert heard["train"] & {p.stem for p in tunes["train"]}
    assert not (heard["train"] & heard["valid"]) - {"study"}


def contents(corpus: Path) -> dict[str, bytes]:
    return {f"{p.parent.name}/{p.name}": p.read_bytes() for kind in KINDS for p in (corpus / kind).iterdir()}


def test_an_interrupted_build_continues_to_the_same_corpus(corpus: Path, material: Path) -> None:
    before, folder = contents(corpus), corpus / "performances"
    gone = finished(folder)[-1]
    (folder / f"{gone}.parquet").rename(folder / f"{gone}.parquet.part")  # killed before the manifest was whole
    (folder / f"{gone}.audio.npy").unlink()
    kept = folder / f"{finished(folder)[0]}.audio.npy"
    stamp = kept.stat().st_mtime_ns
    build(corpus, material / "notes", material / "tunes", PLAN)
    assert contents(corpus) == before
    assert kept.stat().st_mtime_ns == stamp


def test_an_archive_gives_the_same_corpus_as_its_folder(corpus: Path, material: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "mine.tar.gz", "w:gz") as archive:
        archive.add(material / "notes", "notes")
    build(tmp_path / "out", tmp_path / "mine.tar.gz", material / "tunes", PLAN, workers=2)
    assert contents(tmp_path / "out") == contents(corpus)


def test_sources_join_and_sounds_of_the_environment_are_phrases_never_notes(material: Path, tmp_path: Path) -> None:
    for instrument in ("fiddle", "pipe"):
        shutil.copytree(material / "notes" / instrument, tmp_path / "mine" / instrument)
    shutil.copytree(material / "notes" / "horn", tmp_path / "other" / "horn")
    rng = np.random.default_rng(0)
    for name in ("A4", "B4", "C5", "D5", "rain"):
        sound = tone(69, 2.0) + 0.05 * rng.standard_normal(RATE * 2 + 7200).astype(np.float32)
        (tmp_path / "other" / "environment").mkdir(exist_ok=True)
        soundfile.write(tmp_path / "other" / "environment" / f"{name}.wav", sound, RATE)
    archive = Path(shutil.make_archive(str(tmp_path / "other"), "zip", tmp_path / "other"))
    out = tmp_path / "out"
    build(out, [tmp_path / "mine", archive], None, replace(PLAN, minutes=0.2))
    pairs = PairCorpus(out, "train")
    assert pairs.instruments == ("fiddle", "horn", "pipe")
    assert pairs.phrase_instruments == ("environment", "pipe")
    rows = [row for row in read_rows(out / "phrases") if row["instrument"] == "environment"]
    assert [row["file"].split("/")[-1] for row in rows] == ["A4.wav", "B4.wav", "C5.wav", "D5.wav", "rain.wav"]
    assert {path.name.split("--")[0] for path in (out / "notes").iterdir()} == {"fiddle", "horn", "pipe"}
    clip, voice = pairs.phrase(np.random.default_rng(1), 0.5, "environment")
    assert voice == "environment/own"
    assert pairs.style_clip(np.random.default_rng(1), voice, 0.5).shape == clip.shape


def test_a_copy_is_left_out_whatever_its_level_and_rate(material: Path, tmp_path: Path) -> None:
    shutil.copytree(material / "notes", tmp_path / "notes")
    sound = tone(66, 2.0)
    breath = np.convolve(np.random.default_rng(0).standard_normal(sound.size), np.hanning(9), "same")
    audio = (sound + 0.02 * breath).astype(np.float32)
    soundfile.write(tmp_path / "notes" / "pipe" / "phrase a.wav", audio, RATE)
    again = np.pad(0.4 * soxr.resample(audio, RATE, 32_000), 700)
    (tmp_path / "notes" / "whistle").mkdir()
    soundfile.write(tmp_path / "notes" / "whistle" / "renamed.wav", again, 32_000)
    build(tmp_path / "out", tmp_path / "notes", None, replace(PLAN, minutes=0.1))
    listed = (tmp_path / "out" / "duplicates.csv").read_text().splitlines()
    assert len(listed) == 2
    assert "renamed.wav" in listed[1].split(",")[0]
    assert "phrase a.wav" in listed[1].split(",")[1]
    assert {row["instrument"] for row in read_rows(tmp_path / "out" / "phrases")} == {"pipe"}


def test_workers_build_the_same_corpus_as_one_process(corpus: Path, material: Path, tmp_path: Path) -> None:
    longer = replace(PLAN, minutes=2.0)
    build(tmp_path / "alone", material / "notes", material / "tunes", longer)
    build(tmp_path / "workers", material / "notes", material / "tunes", longer, workers=2)
    assert contents(tmp_path / "workers") == contents(tmp_path / "alone")


def test_a_plan_of_millions_is_made_and_resumed_shard_by_shard(tmp_path: Path) -> None:
    plan, folder = Plan(minutes=200_000.0), tmp_path / "performances"
    assert plan.count("train") == 1_200_000
    silence = {"audio": np.zeros(1, np.int16)}
    for number in (0, 1, 74_999):
        rows = [{"id": f"{number}-{k}", "split": "train", "samples": 1, "offset": 0, "players": []} for k in range(16)]
        write_shard(folder, shard_name("train", number), rows, **silence)
    tracemalloc.start()
    todo = shards_to_do(Material(tmp_path, (), None, None), plan, "train")
    first = next(todo)
    rest = sum(1 for _ in todo)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (first.number, first.count) == (2, 16)
    assert rest == 75_000 - 3 - 1
    assert peak < 1_000_000


def test_pairs_are_aligned_and_have_sound(corpus: Path) -> None:
    pairs = PairCorpus(corpus, "train", same=0.0)
    assert pairs.instruments == ("fiddle", "horn", "pipe")
    rng = np.random.default_rng(0)
    lags = []
    for _ in range(20):
        x, y, source, target = pairs.sample(rng, 1.0)
        assert x.dtype == y.dtype == np.float32
        assert len(x) == len(y) == RATE
        assert source != target.split("/")[0]
        assert min(np.sqrt(np.mean(x**2)), np.sqrt(np.mean(y**2))) > 0.003
        a, b = (np.sqrt(np.convolve(z**2, np.ones(480) / 480, "same")) for z in (x, y))
        a, b = a - a.mean(), b - b.mean()
        cross = np.fft.irfft(np.fft.rfft(b, 2 * RATE) * np.conj(np.fft.rfft(a, 2 * RATE)))
        lag = int(np.argmax(cross))
        lags.append(lag - 2 * RATE if lag > RATE else lag)
    assert abs(np.median(lags)) < 100


def test_sources_targets_and_same_are_obeyed(corpus: Path) -> None:
    rng = np.random.default_rng(1)
    pairs = PairCorpus(corpus, "train", same=0.0)
    for _ in range(10):
        assert pairs.sample(rng, 0.5, sources=("pipe",), targets=("horn", "fiddle"))[2] == "pipe"
    identity = PairCorpus(corpus, "train", same=1.0)
    for _ in range(10):
        x, y, source, target = identity.sample(rng, 0.5)
        assert source == target.split("/")[0]
        assert np.array_equal(x, y)  # every instrument has one library here
    with pytest.raises(ParameterError, match="fiddle, horn, pipe"):
        pairs.sample(rng, 0.5, targets=("kazoo",))
    with pytest.raises(ParameterError, match="source"):
        pairs.sample(rng, 0.5, sources=("pipe",), targets=("pipe",))


def test_a_chord_is_the_same_moments_in_source_and_target(corpus: Path) -> None:
    identity = PairCorpus(corpus, "train", same=1.0)
    one, _, _, _ = identity.sample(np.random.default_rng(4), 0.5)
    x, y, _, _ = identity.sample(np.random.default_rng(4), 0.5, moments=2)
    assert np.array_equal(x, y)
    assert x.shape == one.shape
    rest = np.sqrt(2.0) * x - one
    assert np.sqrt(np.mean(rest**2)) > 0.003
    assert not np.allclose(rest, one)


def test_a_target_may_be_one_library(corpus: Path) -> None:
    pairs, rng = PairCorpus(corpus, "train", same=0.0), np.random.default_rng(3)
    voice = next(name for name in pairs.voices if pairs.count(name))
    assert {pairs.sample(rng, 0.5, targets=(voice,))[3] for _ in range(5)} == {voice}


def test_targets_are_drawn_evenly(corpus: Path) -> None:
    rng = np.random.default_rng(2)
    pairs = PairCorpus(corpus, "train")
    drawn = [pairs.sample(rng, 0.2)[3].split("/")[0] for _ in range(150)]
    assert min(drawn.count(name) for name in pairs.instruments) > 30


def test_phrases_and_clips_are_what_they_say(corpus: Path) -> None:
    rng = np.random.default_rng(3)
    train, valid = PairCorpus(corpus, "train"), PairCorpus(corpus, "valid")
    assert train.phrase_instruments == valid.phrase_instruments == ("pipe",)
    clip, name = train.phrase(rng, 0.5)
    assert name.split("/")[0] == "pipe"
    assert train.phrase(rng, 0.5, name)[1] == name
    assert clip.shape == (RATE // 2,)
    assert train.style_clip(rng, "fiddle", 1.5).shape == (RATE * 3 // 2,)
    assert train.style_clip(rng, train.voices[0], 1.5).shape == (RATE * 3 // 2,)
    with pytest.raises(ParameterError, match="kazoo"):
        train.style_clip(rng, "fiddle/kazoo", 0.5)
    with pytest.raises(ParameterError, match="fiddle"):
        train.phrase(rng, 0.5, "fiddle")
    split = {row["id"]: row["split"] for row in read_rows(corpus / "phrases")}
    assert sorted(split.values()) == ["train"] * 4 + ["valid"]


def test_a_longer_plan_is_the_same_corpus_however_it_came_about(material: Path, tmp_path: Path) -> None:
    folders = material / "notes", material / "tunes"
    longer = replace(PLAN, minutes=2.0)
    build(tmp_path / "at once", *folders, longer)
    build(tmp_path / "grown", *folders, PLAN)
    build(tmp_path / "grown", *folders, longer)
    assert contents(tmp_path / "grown") == contents(tmp_path / "at once")


def test_a_growing_corpus_is_seen_after_refresh(corpus: Path, material: Path) -> None:
    pairs = PairCorpus(corpus, "train")
    before = pairs.minutes
    build(corpus, material / "notes", material / "tunes", Plan(minutes=0.6, players=3, seconds=6.0, seed=7))
    assert pairs.minutes == before
    pairs.refresh()
    assert pairs.minutes > before


def test_missing_things_are_named(tmp_path: Path) -> None:
    with pytest.raises(MissingPartError, match="apt-get install fluidsynth"):
        build(tmp_path / "a")
    with pytest.raises(FileError, match="rtstyle corpus build"):
        PairCorpus(tmp_path / "a")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileError, match=r"\.mid"):
        find_tunes(tmp_path / "empty")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(FileError, match=r"broken\.parquet"):
        read_shard(tmp_path, "broken")


def test_rendering_a_font_without_the_program_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingPartError, match="apt-get"):
        soundfont.render_program(Path("x.sf2"), 40, soundfont.key_plan(60, 62))


def test_the_command_builds_and_prints_json(material: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive = shutil.make_archive(str(tmp_path / "again"), "zip", material / "notes")
    given = [str(tmp_path / "c"), "--recordings", str(material / "notes"), "--recordings", archive]
    corpus_app(["build", *given, "--minutes", "0.1", "--players", "2", "--json"], result_action="return_value")
    summary = json.loads(capsys.readouterr().out)
    assert (tmp_path / "c" / "duplicates.csv").read_text().count(".wav,") == 3 * 6 + 5
    assert {e["split"] for e in summary["instruments"]} == {"train", "valid"}
    with pytest.raises(ParameterError, match="--players"):
        build_command(tmp_path / "c", players=1)
    with pytest.raises(ParameterError, match="--minutes"):
        build_command(tmp_path / "c", minutes=0.0)
