"""The rig on a device turned by hand: values, presets, programs, panic, models, and a device that misbehaves."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from rtstyle.backends import callbacks as slot
from rtstyle.backends.player import Player
from rtstyle.control.events import Panic, RecallPreset, SetParameter
from rtstyle.errors import BundleError, DeviceError, FileError, ParameterError
from rtstyle.presets import Preset, list_presets, save_preset
from rtstyle.rig import Rig, Setup
from tests.fixtures_bundles import make_identity_bundle
from tests.hand_backend import HandBackend


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20.0
    while not condition():
        assert time.monotonic() < end, "waited 20 s"
        time.sleep(0.005)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    make_identity_bundle(folder / "first", "latent", name="first", style_gains=(1.0, 0.5, 0.25))
    make_identity_bundle(folder / "second", "latent", name="second", style_gains=(0.125, 1.0))
    return folder


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, bundles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "models").symlink_to(bundles)
    monkeypatch.setenv("RTSTYLE_HOME", str(home))


class Hands:
    """A rig and the backend that it plays on."""

    def __init__(self, *, told_block: bool = True, **options: object) -> None:
        self.told: list[str] = []
        self.backends: list[HandBackend] = []

        def make(link: object) -> HandBackend:
            self.backends.append(HandBackend(link, told_block=told_block))  # type: ignore[arg-type]
            return self.backends[-1]

        setup = {"model": "first", "midi": "none", "driver": "tight", **options}
        self.rig = Rig(Setup(**setup), tell=self.told.append, backend=make)  # type: ignore[arg-type]
        self.rig.open()

    @property
    def device(self) -> HandBackend:
        return self.backends[-1]

    def level(self) -> float:
        """Gain of the chain now: a constant would be blocked, so a tone is compared by its RMS."""
        tone = (0.1 * np.sin(2 * np.pi * 750 * np.arange(19_200) / 48_000)).astype(np.float32)[None]
        out = self.device.play(tone)[:, -6_400:]
        return float(np.sqrt(np.mean(out**2)) / np.sqrt(np.mean(tone**2)))


@pytest.fixture
def hands() -> Iterator[Hands]:
    playing = Hands()
    playing.rig.start()
    yield playing
    playing.rig.close()


def test_what_the_setup_says_is_what_sounds() -> None:
    playing = Hands(style="1", mix=1.0, amount=1.0)
    playing.rig.start()
    assert playing.level() == pytest.approx(0.5, rel=0.01)
    state = playing.rig.state()
    assert (state.model, state.values["mix"], state.values["style.target"]) == ("first", 1.0, 1.0)
    assert playing.device.reported == [playing.rig.engine.latency().total]
    playing.rig.close()


def test_the_models_default_holds_unless_the_setup_says_otherwise() -> None:
    for said, value, level in (({}, 0.0, 0.5), ({"dynamics": 1.0}, 1.0, 1.0)):
        playing = Hands(style="1", **said)
        playing.rig.start()
        assert playing.rig.state().values["dynamics"] == value
        assert playing.level() == pytest.approx(level, rel=0.05)
        playing.rig.close()


def test_values_move_the_sound(hands: Hands) -> None:
    assert hands.level() == pytest.approx(1.0, rel=0.01)
    hands.rig.choose_style("2")
    assert hands.level() == pytest.approx(0.25, rel=0.01)
    hands.rig.set("style.amount", 0.0)
    assert hands.level() == pytest.approx(1.0, rel=0.01)
    hands.rig.set_text("output.trim_db", "-6 dB")
    assert hands.level() == pytest.approx(10 ** (-6 / 20), rel=0.01)
    hands.rig.set("bypass", 1.0)
    assert hands.level() == pytest.approx(1.0, rel=0.01)


def test_morphing_mixes_the_pads(hands: Hands) -> None:
    hands.rig.set("style.pad_2", 2.0)
    hands.rig.set("style.x", 0.5)
    assert hands.level() == pytest.approx(0.625, rel=0.01)
    assert "50 %" in hands.rig.state().style


def test_controllers_are_clamped_and_programs_recall_presets(hands: Hands) -> None:
    save_preset(Preset(name="Half", program=7, values={"style.target": hands.rig.bundle.styles[1].id}))
    hands.rig.handle(SetParameter("mix", 0.25))
    assert hands.rig.value("mix") == 0.25
    hands.rig.handle(RecallPreset(7))
    until(lambda: hands.rig.value("style.target") == 1.0)
    assert hands.level() == pytest.approx(0.875, rel=0.01)
    hands.rig.handle(RecallPreset(8))
    until(lambda: any("no preset has program 8" in text for text in hands.told))


def test_a_preset_brings_its_model_and_takes_its_values_there(hands: Hands) -> None:
    hands.rig.choose_style("1")
    file = hands.rig.save_preset("Mine", program=3)
    assert file.is_file()
    hands.rig.choose_model("second")
    until(lambda: hands.rig.bundle.name == "second")
    until(lambda: hands.level() == pytest.approx(1.0, rel=0.01))
    assert hands.rig.value("style.target") == 1.0  # the style of the same name
    hands.rig.load_preset("Mine")
    until(lambda: hands.rig.bundle.name == "first")
    until(lambda: hands.level() == pytest.approx(0.5, rel=0.01))
    assert [preset.model for preset in list_presets()[0]] == ["first"]


def test_a_setup_may_begin_with_a_preset(hands: Hands) -> None:
    hands.rig.set("mix", 0.5)
    hands.rig.choose_model("second")
    until(lambda: hands.rig.bundle.name == "second")
    hands.rig.save_preset("Second half")
    other = Hands(model=None, preset="Second half")
    assert other.rig.bundle.name == "second"
    assert other.rig.value("mix") == 0.5
    other.rig.close()


def test_panic_is_dry_and_empty_until_bypass_is_switched_off(hands: Hands) -> None:
    hands.rig.choose_style("2")
    assert hands.level() == pytest.approx(0.25, rel=0.01)
    hands.rig.handle(Panic())
    until(lambda: any("panic" in text for text in hands.told))
    assert hands.level() == pytest.approx(1.0, rel=0.01)
    hands.rig.set("bypass", 0.0)
    assert hands.level() == pytest.approx(0.25, rel=0.01)


def test_a_broken_model_is_told_and_the_old_one_plays_on(hands: Hands, bundles: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(bundles / "second", tmp_path / "broken")
    (tmp_path / "broken" / "encoder.onnx").write_bytes(b"no graph")
    hands.rig.choose_model(str(tmp_path / "broken"))
    until(lambda: any("encoder.onnx" in text for text in hands.told))
    assert hands.rig.bundle.name == "first"
    assert hands.level() == pytest.approx(1.0, rel=0.01)
    with pytest.raises(BundleError, match="no model 'third'"):
        hands.rig.choose_model("third")


def test_wrong_names_and_values_are_refused_at_once(hands: Hands) -> None:
    for id, value in (("mix", 1.5), ("volume", 0.5), ("style.target", 3.0)):
        with pytest.raises(ParameterError):
            hands.rig.set(id, value)
    with pytest.raises(FileError):
        hands.rig.load_preset("nothing like it")
    with pytest.raises(DeviceError, match="auto, jack, portaudio"):
        Rig(Setup(model="first", backend="asio")).open()


def test_a_recording_is_named_and_ends_where_it_is_told(hands: Hands) -> None:
    path = hands.rig.record()
    assert path.parent.name == "recordings"
    with pytest.raises(FileError, match="is being recorded"):
        hands.rig.record()
    hands.device.play(np.zeros((1, 4_800), np.float32))
    assert hands.rig.state().recording == str(path)
    assert hands.rig.stop_recording() == path
    with pytest.raises(FileError, match="no take is overwritten"):
        hands.rig.record(path)
    assert hands.rig.stop_recording() is None
    import soundfile

    assert soundfile.info(path).frames == 4_800


def test_another_block_is_followed_and_reported(hands: Hands) -> None:
    before = hands.rig.engine.latency().total
    hands.device.block = 100
    hands.device.play(np.zeros((1, 1_000), np.float32))
    until(lambda: hands.rig.player.state().block == 100)
    after = hands.rig.engine.latency().total
    assert after > before  # 128 divides into hops of 128, 100 does not
    assert hands.device.reported[-1] == after
    assert hands.level() == pytest.approx(1.0, rel=0.01)


def test_following_another_block_makes_no_jump(hands: Hands) -> None:
    position, ends_at, parts = 0, -1, []
    while ends_at < 0 or position < ends_at:
        size = 128 if position < 48_000 else 100
        tone = 0.3 * np.sin(2 * np.pi * 100 * (position + np.arange(size)) / 48_000)
        parts.append(hands.device.play(tone.astype(np.float32)[None], size))
        position += size
        assert position < 3_000_000, "the block was not followed"
        if ends_at < 0 and size == 100:
            time.sleep(0.0005)
            if hands.rig.player.state().block == 100:
                ends_at = position + 24_000
    out = np.concatenate(parts, axis=1)
    steepest = 0.3 * 2 * np.pi * 100 / 48_000
    assert float(np.max(np.abs(np.diff(out)))) < 2 * steepest


def test_a_block_that_never_stays_is_prepared_for_once_and_for_all(hands: Hands) -> None:
    def restless() -> bool:
        for block in (96, 100, 64, 111):
            hands.device.play(np.zeros((1, block), np.float32), block)
            time.sleep(0.06)
        return hands.rig.player.state().block == 0

    until(restless)
    assert any("changing numbers" in text for text in hands.told)
    tone = (0.1 * np.sin(2 * np.pi * 750 * np.arange(48_000) / 48_000)).astype(np.float32)[None]
    rng = np.random.default_rng(1)
    at, parts = 0, []
    while at < tone.shape[1]:
        size = int(rng.integers(16, 400))
        parts.append(hands.device.play(tone[:, at : at + size], size))
        at += size
    out = np.concatenate(parts, axis=1)
    late = hands.rig.engine.latency().total
    np.testing.assert_allclose(out[:, 9_600 + late :], tone[:, 9_600:-late], atol=2e-3)


def test_a_device_that_does_not_tell_its_block_is_asked(bundles: Path) -> None:
    playing = Hands(told_block=False)
    playing.rig.start()
    assert playing.rig.player.state().block == 128
    assert playing.level() == pytest.approx(1.0, rel=0.01)
    playing.rig.close()


def test_a_lost_device_is_told_looked_for_and_played_on_with_the_same_values(
    hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rtstyle.backends.player.RETRY_SECONDS", 0.05)
    hands.rig.set("mix", 0.5)
    hands.rig.choose_style("1")
    hands.device.lose("the hand was bitten")
    until(lambda: hands.rig.state().audio.device == "lost")
    assert any("bitten" in text and "kept" in text for text in hands.told)
    until(lambda: hands.device.calls.count("open") >= 4)
    assert hands.told.count("the hand is in the pocket") == 1  # the remedy, once
    hands.device.there, hands.device.rate = True, 96_000
    until(lambda: hands.rig.state().audio.device == "running")
    assert hands.rig.player.state().sample_rate == 96_000
    assert hands.rig.player.state().reconnects == 1
    assert hands.level() == pytest.approx(0.75, rel=0.02)


def test_a_rig_can_be_closed_while_its_device_is_away(hands: Hands) -> None:
    hands.device.lose("gone")
    until(lambda: hands.rig.state().audio.device == "lost")
    hands.rig.close()
    hands.rig.close()


def test_freewheeling_makes_the_engine_patient_before_its_first_cycle(hands: Hands) -> None:
    from rtstyle.engine import cells

    def patient() -> bool:
        return bool(hands.rig.engine._memory[cells.STATE][cells.PATIENT])

    assert patient()
    for freewheeling in (False, True):
        hands.device.freewheeling = freewheeling
        assert hands.device.notify is not None
        hands.device.notify()
        assert patient() == freewheeling


def test_a_callback_that_hangs_in_the_model_keeps_memory_and_does_not_hold_up_closing(
    hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    player = hands.rig.player
    assert isinstance(player, Player)
    hands.device.link.table[slot.BUSY] = 1
    monkeypatch.setattr(hands.device.link, "hold", lambda timeout=0.0: False)
    with hands.rig._lock:
        assert not player.restart_engine()
    assert any("does not return" in text for text in hands.told)
    hands.rig.close()
