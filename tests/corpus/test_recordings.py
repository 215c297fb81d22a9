"""What is found in a folder of recordings, and under which name."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from rtstyle.corpus.audiofile import read_mono
from rtstyle.corpus.recordings import pitch_in, read_recordings
from rtstyle.errors import FileError

HEADER = "path,instrument,kind,midi,source,licence,attribution\n"


@pytest.mark.parametrize(
    ("name", "midi"),
    [("A4", 69.0), ("loud-c#5-2", 73.0), ("Bb3", 58.0), ("x Fs2", 42.0), ("take two", None), ("B52s", None)],
)
def test_a_pitch_in_a_file_name_is_read(name: str, midi: float | None) -> None:
    assert pitch_in(name) == midi


def test_a_folder_per_instrument_needs_no_manifest(tmp_path: Path) -> None:
    for name in ("violin/A4.wav", "violin/mine/C5-soft.flac", "violin/solo.wav", "readme.txt", "loose.wav"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    found = {(r.path.name, r.instrument, r.library, r.kind, r.midi) for r in read_recordings(tmp_path)}
    assert found == {
        ("A4.wav", "violin", "own", "note", 69.0),
        ("C5-soft.flac", "violin", "mine", "note", 72.0),
        ("solo.wav", "violin", "own", "phrase", None),
    }


def test_a_manifest_is_obeyed_and_techniques_are_told_apart(tmp_path: Path) -> None:
    rows = (
        "cello/1.flac,cello,note,48,x-sus,CC0-1.0,A",
        "cello/2.flac,cello,note,48,x-pizz,CC0-1.0,A",
        "cello/3.flac,cello,note,48,x-stac,CC0-1.0,A",
        "voice/femalevoice-aa-A3.flac,voice,note,57,b,CC-BY-3.0,B",
        "voice/femalevoices-aa2-A3.flac,voice,note,57,b,CC-BY-3.0,B",
        "drums/1.flac,drums,note,,k,CC0-1.0,C",
        "drums/2.flac,drums,phrase,,k,CC0-1.0,C",
    )
    (tmp_path / "manifest.csv").write_text(HEADER + "\n".join(rows) + "\n")
    found = [(r.instrument, r.library, r.kind) for r in read_recordings(tmp_path)]
    assert found == [
        ("cello", "x-sus", "note"),
        ("pizzicato", "x-pizz", "note"),
        ("voice", "b-female-aa", "note"),
        ("drums", "k", "phrase"),
    ]


def test_sounds_of_the_environment_are_phrases_whatever_their_names(tmp_path: Path) -> None:
    rows = "a/rain.flac,rain,environment,,f,CC0-1.0,F\nb/A4.wav,Environment,note,69,f,CC0-1.0,F\n"
    (tmp_path / "manifest.csv").write_text(HEADER + rows)
    path = tmp_path / "folder" / "Environment" / "city" / "A4.wav"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    found = [*read_recordings(tmp_path), *read_recordings(tmp_path / "folder")]
    assert [(r.instrument, r.library, r.kind, r.midi) for r in found] == [
        ("environment", "f", "phrase", None),
        ("environment", "f", "phrase", None),
        ("environment", "city", "phrase", None),
    ]


def test_unusable_folders_are_refused_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no folder"):
        read_recordings(tmp_path / "missing")
    with pytest.raises(FileError, match="one folder per instrument"):
        read_recordings(tmp_path)
    (tmp_path / "manifest.csv").write_text("path,midi\na.wav,3\n")
    with pytest.raises(FileError, match="instrument"):
        read_recordings(tmp_path)
    for broken in (b"a.wav,cello,note,high\n", b"caf\xe9.wav,cello,note,48\n", b"a.wav\n"):
        (tmp_path / "manifest.csv").write_bytes(HEADER.encode() + broken)
        with pytest.raises(FileError, match=r"manifest\.csv cannot be read"):
            read_recordings(tmp_path)


def test_any_rate_and_channel_count_is_read_as_48_khz_mono(tmp_path: Path) -> None:
    t = np.arange(44_100) / 44_100
    wave = np.stack([0.4 * np.sin(2 * np.pi * 441.0 * t), np.zeros_like(t)], axis=1)
    soundfile.write(tmp_path / "a.wav", wave, 44_100)
    x = read_mono(tmp_path / "a.wav")
    assert abs(len(x) - 48_000) <= 1
    truth = 0.2 * np.sin(2 * np.pi * 441.0 * np.arange(48_000) / 48_000)
    assert np.abs(x[2000:46_000] - truth[2000:46_000]).max() < 1e-3
    (tmp_path / "b.wav").write_bytes(b"RIFF")
    with pytest.raises(FileError, match=r"b\.wav"):
        read_mono(tmp_path / "b.wav")
