"""Archives as sources: what is taken out of them, what is refused, and that nothing is ever there by half."""

import io
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest

from rtstyle.corpus import archive
from rtstyle.corpus.archive import find_roots, read_roots
from rtstyle.errors import FileError

FILES = {
    "violin/A4.wav": b"a" * 3000,
    "violin/mine/C5-soft.flac": b"c" * 500,
    "flute/take two.ogg": bytes(range(256)) * 40,
    "environment/rain/A3.wav": b"r" * 700,
}
MODES = {".tar": "w", ".tar.gz": "w:gz", ".tgz": "w:gz", ".tar.bz2": "w:bz2", ".tar.xz": "w:xz"}
EVERY = (".zip", *MODES)


def pack(path: Path, files: dict[str, bytes]) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for name, data in files.items():
                file.writestr(name, data)
        return path
    with tarfile.open(path, MODES["".join(path.suffixes)]) as file:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            file.addfile(member, io.BytesIO(data))
    return path


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def nothing_left(out: Path) -> bool:
    return not (out / "archives").is_dir() or not any((out / "archives").iterdir())


@pytest.mark.parametrize("ending", EVERY)
def test_recordings_come_out_as_they_went_in_and_nothing_else_does(ending: str, tmp_path: Path) -> None:
    others = {"run.sh": b"#!", "violin/notes.txt": b"x", "__MACOSX/violin/._A4.wav": b"x", "violin/._A4.wav": b"x"}
    (root,) = find_roots([pack(tmp_path / f"mine{ending}", FILES | others)], tmp_path / "out")
    assert tree(root) == FILES
    assert root.parent == tmp_path / "out" / "archives"
    assert root.name.startswith("mine-")
    kinds = {(r.path.name, r.instrument, r.library, r.kind) for r in read_roots([root], tmp_path / "out")}
    assert kinds == {
        ("A4.wav", "violin", "own", "note"),
        ("C5-soft.flac", "violin", "mine", "note"),
        ("take two.ogg", "flute", "own", "phrase"),
        ("A3.wav", "environment", "rain", "phrase"),
    }


@pytest.mark.parametrize(
    ("files", "inside"),
    [
        ({f"all/{name}": data for name, data in FILES.items()}, "all"),
        ({"all/manifest.csv": b"path,instrument,kind\nloose.wav,bell,phrase\n", "all/loose.wav": b"1"}, "all"),
        ({"violin/A4.wav": b"1", "violin/mine/C5.wav": b"2"}, ""),
        ({"environment/rain/1.wav": b"1"}, ""),
        ({"violin/A4.wav": b"1", "flute/A4.wav": b"2"}, ""),
    ],
)
def test_a_single_folder_is_the_root_unless_it_is_an_instrument(
    files: dict[str, bytes], inside: str, tmp_path: Path
) -> None:
    (root,) = find_roots([pack(tmp_path / "x.zip", files)], tmp_path)
    assert root.relative_to(next((tmp_path / "archives").iterdir())) == Path(inside)


def test_an_archive_is_unpacked_once_and_again_when_it_changes(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    path = pack(tmp_path / "x.tar", FILES)

    def roots() -> tuple[Path, ...]:
        return find_roots([path], tmp_path, lambda done, total: told.append((done, total)))

    first = roots()
    assert told == [(k, 4) for k in (1, 2, 3, 4)]
    assert roots() == first
    assert len(told) == 4
    pack(path, FILES | {"horn/A4.wav": b"new"})
    assert roots() != first
    assert len(told) == 9


def test_folders_and_archives_join_and_each_file_is_there_once(tmp_path: Path) -> None:
    folder, out = tmp_path / "folder", tmp_path / "folder" / "out"
    (folder / "horn").mkdir(parents=True)
    (folder / "horn" / "A4.wav").write_bytes(b"1")
    path = pack(tmp_path / "x.tgz", FILES)
    roots = find_roots([folder, path, tmp_path / "folder" / ".." / "folder", path], out)
    assert len(roots) == 2
    found = [one.path.relative_to(root) for root in roots for one in read_roots([root], out)]
    assert len(found) == 5
    assert len(read_roots(roots, out)) == 5  # also where the folder holds what was unpacked
    assert len(read_roots((folder, folder), out)) == 1


@pytest.mark.parametrize("ending", [".zip", ".tar.gz"])
@pytest.mark.parametrize("name", ["../evil.wav", "violin/../../evil.wav", "/evil.wav", "..\\evil.wav", "C:\\evil.wav"])
def test_what_reaches_outside_is_refused_whole(name: str, ending: str, tmp_path: Path) -> None:
    path = pack(tmp_path / f"x{ending}", FILES | {name: b"1"})
    with pytest.raises(FileError, match=r"outside its folder.*pack it again"):
        find_roots([path], tmp_path / "out")
    assert nothing_left(tmp_path / "out")
    assert not list(tmp_path.rglob("evil.wav"))


def test_links_and_devices_are_not_taken(tmp_path: Path) -> None:
    secret = tmp_path / "secret.wav"
    secret.write_bytes(b"secret")
    kinds = {"sym": tarfile.SYMTYPE, "hard": tarfile.LNKTYPE, "pipe": tarfile.FIFOTYPE, "device": tarfile.CHRTYPE}
    with tarfile.open(pack(tmp_path / "x.tar", FILES), "a") as file:
        for name, kind in kinds.items():
            member = tarfile.TarInfo(f"violin/{name}.wav")
            member.type, member.linkname = kind, str(secret)
            file.addfile(member)
    with zipfile.ZipFile(pack(tmp_path / "y.zip", FILES), "a") as file:
        link = zipfile.ZipInfo("violin/sym.wav")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        file.writestr(link, str(secret))
    for root in find_roots([tmp_path / "x.tar", tmp_path / "y.zip"], tmp_path / "out"):
        assert tree(root) == FILES


def test_names_that_are_not_unicode_stay_apart_and_can_be_written(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w", format=tarfile.GNU_FORMAT, encoding="latin-1") as file:
        for name in ("flute/\xe9t\xe9.wav", "flute/\xe8t\xe9.wav"):
            file.addfile(tarfile.TarInfo(name))
    (root,) = find_roots([tmp_path / "x.tar"], tmp_path)
    assert "/".join(sorted(tree(root))).encode() == "flute/\xe8t\xe9.wav/flute/\xe9t\xe9.wav".encode()


def test_an_interrupted_unpack_leaves_nothing_and_is_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = pack(tmp_path / "x.zip", FILES)

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        find_roots([path], tmp_path, stop)
    assert nothing_left(tmp_path)
    with monkeypatch.context() as killed, pytest.raises(KeyboardInterrupt):
        killed.setattr(shutil, "rmtree", lambda *_, **__: None)
        find_roots([path], tmp_path, stop)
    assert [len(tree(draft)) for draft in (tmp_path / "archives").iterdir()] == [2]
    (root,) = find_roots([path], tmp_path)
    assert tree(root) == FILES
    assert list((tmp_path / "archives").iterdir()) == [root]


@pytest.mark.parametrize("ending", EVERY)
def test_an_archive_cut_anywhere_is_said_to_be_broken(ending: str, tmp_path: Path) -> None:
    data = pack(tmp_path / f"whole{ending}", FILES).read_bytes()
    cut = tmp_path / f"cut{ending}"
    ends = {0, 1, 100, len(data) // 2, len(data) - 9}
    if ending == ".tar":  # where one file ends and the next one's header would begin, or has begun
        ends = {0, 1, 100, 512, 3584, 4000, 4096, 4196, 6000}
    for end in sorted(ends):
        cut.write_bytes(data[:end])
        with pytest.raises(FileError, match=r"cut.* is no whole archive .* again"):
            find_roots([cut], tmp_path / "out")
        assert nothing_left(tmp_path / "out")


@pytest.mark.parametrize("ending", EVERY)
def test_damage_is_noticed(ending: str, tmp_path: Path) -> None:
    data = bytearray(pack(tmp_path / f"x{ending}", FILES).read_bytes())
    spot = 3584 + 20 if ending == ".tar" else len(data) // 3  # in a tar only headers have checksums
    data[spot] ^= 0xFF
    (tmp_path / f"x{ending}").write_bytes(data)
    with pytest.raises(FileError, match="no whole archive"):
        find_roots([tmp_path / f"x{ending}"], tmp_path)
    assert nothing_left(tmp_path)


def test_an_encrypted_archive_is_named_with_the_remedy(tmp_path: Path) -> None:
    path = pack(tmp_path / "x.zip", FILES)
    data = bytearray(path.read_bytes())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + at] |= 1
    path.write_bytes(data)
    with pytest.raises(FileError, match=r"x\.zip is encrypted; .* password"):
        find_roots([path], tmp_path)
    assert nothing_left(tmp_path)


@pytest.mark.parametrize("ending", [".zip", ".tar.xz"])
def test_what_does_not_fit_is_refused_before_a_byte_is_written(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = pack(tmp_path / f"x{ending}", FILES)
    total = sum(map(len, FILES.values()))
    told: list[int] = []
    monkeypatch.setattr(archive, "MOST_BYTES", total - 1)
    with pytest.raises(FileError, match=r"x\.\w+.* GB .*free some space"):
        find_roots([path], tmp_path, lambda done, _: told.append(done))
    assert nothing_left(tmp_path)
    assert not told
    monkeypatch.setattr(archive, "MOST_BYTES", total)
    assert find_roots([path], tmp_path)
    full = shutil.disk_usage(tmp_path)._replace(free=total - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    with pytest.raises(FileError, match="free some space"):
        find_roots([path], tmp_path / "other")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"readme.txt": b"x"}, r"x\.zip holds no usable recordings; expected .* one folder per instrument"),
        ({"loose.wav": b"x"}, r"x\.zip holds no usable recordings"),
        ({"manifest.csv": b"path,midi\n"}, r"x\.zip/manifest\.csv lacks .*instrument"),
        ({"manifest.csv": b"path,instrument,kind\na/gone.wav,a,phrase\n"}, r"x\.zip lists a/gone\.wav, .* pack it"),
        ({"manifest.csv": b"path,instrument,kind\n/dev/null,a,phrase\n"}, r"x\.zip lists /dev/null"),
        ({"manifest.csv": b"path,instrument,kind\n../../secret.wav,a,phrase\n"}, r"x\.zip lists \.\./"),
    ],
)
def test_an_archive_without_its_recordings_is_refused(files: dict[str, bytes], said: str, tmp_path: Path) -> None:
    (tmp_path / "secret.wav").write_bytes(b"secret")
    with pytest.raises(FileError, match=said):
        find_roots([pack(tmp_path / "x.zip", files)], tmp_path)
    assert nothing_left(tmp_path)


def test_every_path_is_looked_at_before_anything_is_unpacked(tmp_path: Path) -> None:
    path = pack(tmp_path / "x.zip", FILES)
    (tmp_path / "song.wav").write_bytes(b"")
    with pytest.raises(FileError, match=r"no folder or archive of recordings at .*gone\.zip"):
        find_roots([path, tmp_path / "gone.zip"], tmp_path)
    with pytest.raises(FileError, match=r"song\.wav is no folder and no archive; .*\.tar\.xz"):
        find_roots([path, tmp_path / "song.wav"], tmp_path)
    assert nothing_left(tmp_path)
