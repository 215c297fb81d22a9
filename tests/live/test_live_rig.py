"""The whole rig on a real JACK server: what comes back is what an offline render gives, and nothing stops it."""

import os
import resource
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from rtstyle.backends import callbacks as slot
from rtstyle.backends.jack import JackBackend
from rtstyle.bundle import load_bundle
from rtstyle.cli.offline import OfflineChain
from rtstyle.params import PARAMETERS
from rtstyle.performance import PERFORMANCE
from rtstyle.rig import Rig, Setup
from tests.fixtures_bundles import make_identity_bundle, make_network_bundle
from tests.jack_server import JackServer
from tests.live.daw import Daw

pytestmark = pytest.mark.jack

PERIOD = 128
SECONDS = 20.0


def until(condition: Callable[[], bool], what: str = "") -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, f"waited {SECONDS} s for {what or condition}"
        time.sleep(0.005)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    make_identity_bundle(folder / "identity", name="identity", style_gains=(1.0, 0.25))
    make_identity_bundle(folder / "late", "latent", name="late", delay=107, style_gains=(1.0, 1.0))
    make_identity_bundle(folder / "broken", "latent", name="broken", nan_after=40)
    make_network_bundle(folder / "network", name="network")
    return folder


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RTSTYLE_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="module")
def server() -> Iterator[JackServer]:
    with JackServer(period=PERIOD) as running:
        yield running


class Stage:
    """A rig with its ports free, a DAW cabled to it, and what was told."""

    def __init__(self, bundle: Path, *, cabled: bool = True, **options: object) -> None:
        self.told: list[str] = []
        setup = {"backend": "jack", "input": "none", "output": "none", "midi": "none", "driver": "tight", **options}
        self.rig = Rig(Setup(model=str(bundle), **setup), tell=self.told.append)  # type: ignore[arg-type]
        self.rig.open()
        self.rig.start()
        self.daw = Daw(self.rig.setup.channels)
        if cabled:
            self.cable()
        until(lambda: self.settled, "the fade to the engine")

    def cable(self) -> None:
        names = [str(number + 1) for number in range(self.rig.setup.channels)]
        self.daw.connect([f"rtstyle:in_{name}" for name in names], [f"rtstyle:out_{name}" for name in names])

    @property
    def settled(self) -> bool:
        table = self.rig.player.backend.link.table
        return bool(table[slot.FADE] == table[slot.FADE_FRAMES] and table[slot.HOLD] % 2 == 0)

    @property
    def backend(self) -> JackBackend:
        backend = self.rig.player.backend
        assert isinstance(backend, JackBackend)
        return backend

    def play(self, audio: np.ndarray, **options: object) -> np.ndarray:
        """What came back, lined up with `audio` and as long."""
        late = self.rig.engine.latency().total + self.daw.client.blocksize  # the loop takes a period
        options.setdefault("ready", lambda: self.rig.engine.meters().wet == 1.0)  # no rest after a stall goes on
        back = self.daw.play(audio, tail=late, **options)  # type: ignore[arg-type]
        return back[:, late : late + audio.shape[1]]

    def __enter__(self) -> "Stage":
        return self

    def __exit__(self, *_: object) -> None:
        self.daw.close()
        self.rig.close()


def performance(frames: int | None = None) -> np.ndarray:
    """The packaged performance after half a second of silence, in which the gate closes as it has on a stage."""
    audio, rate = soundfile.read(PERFORMANCE, dtype="float32", always_2d=True)
    assert rate == 48_000
    return np.pad(audio.T[:1, :frames], ((0, 0), (24_000, 0)))


def rendered(bundle: Path, audio: np.ndarray, **values: float) -> np.ndarray:
    """The same through the chain of `rtstyle render`."""
    chain = OfflineChain(load_bundle(bundle), sample_rate=48_000, channels=len(audio), values=values)
    out = chain.render(audio)
    chain.close()
    return out


@pytest.mark.parametrize("mix", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("driver", ["tight", "safe"])
def test_recording_equals_the_offline_render_sample_for_sample(
    server: JackServer, bundles: Path, driver: str, mix: float
) -> None:
    audio = performance()
    with Stage(bundles / "identity", mix=mix, driver=driver, style="1") as stage:
        back = stage.play(audio)
    expected = rendered(bundles / "identity", audio, **{"mix": mix, "style.target": 1.0})
    assert np.max(np.abs(back)) > 0.05
    np.testing.assert_array_equal(back, expected)


def test_stereo_network_recording_equals_the_offline_render(server: JackServer, bundles: Path) -> None:
    audio = np.concatenate([performance(96_000), -0.5 * performance(96_000)])
    with Stage(bundles / "network", channels=2) as stage:
        engine = stage.rig.engine

        def restarted() -> bool:
            # While the server freewheels nothing is late, so that from here on the engine's past is silence alone.
            if not done:
                done.append(stage.rig.player.restart_engine())
            return stage.settled and engine.meters().frames > 10 * PERIOD

        done: list[bool] = []
        before: list[int] = []
        stage.daw.cue = (0, lambda: before.append(engine.meters().frames))
        back = stage.play(audio, ready=restarted)
    silence = np.zeros((2, before[0]), np.float32)
    expected = rendered(bundles / "network", np.concatenate([silence, audio], axis=1))[:, silence.shape[1] :]
    assert np.max(np.abs(back - expected)) < 1e-4 * np.max(np.abs(expected))


def test_port_latency_is_the_engines_and_grows_with_a_slower_model(server: JackServer, bundles: Path) -> None:
    with Stage(bundles / "identity", cabled=False) as stage:
        total = stage.rig.engine.latency().total
        assert total > 0
        until(lambda: stage.backend.port_latency() == (total, total))
        state = stage.rig.state()
        assert state.latency is not None
        assert sum(item.samples for item in state.latency.items) == pytest.approx(total, abs=1)
        stage.rig.choose_model(str(bundles / "late"))
        until(lambda: stage.rig.bundle.name == "late" and not stage.rig.engine.swapping)
        slower = stage.rig.engine.latency().total
        assert slower > total
        until(lambda: stage.backend.port_latency() == (slower, slower))


def test_live_period_changes_are_followed_and_exact_again(server: JackServer, bundles: Path) -> None:
    audio = performance(24_000)
    # At amount 0, since the comb depends on where the hops of 64 begin, and 441 is no multiple of them.
    with Stage(bundles / "late", cabled=False, amount=0.0) as stage:
        for period in (256, 64, 441, PERIOD):
            stage.daw.client.blocksize = period
            until(lambda expected=period: stage.rig.player.state().block == expected)  # type: ignore[misc]
            until(lambda: stage.settled)
            total = stage.rig.engine.latency().total
            until(lambda wanted=total: stage.backend.port_latency() == (wanted, wanted))  # type: ignore[misc]
            stage.cable()
            # Not to the last bit: the DC blocker has not forgotten the last take altogether.
            expected = rendered(bundles / "late", audio, **{"style.amount": 0.0})
            np.testing.assert_allclose(stage.play(audio), expected, atol=1e-6)
            for port in (*stage.daw.outputs, *stage.daw.inputs):
                port.disconnect()
        assert any("441 frames" in text for text in stage.told)


def test_killed_server_is_told_everything_kept_and_resumed(bundles: Path) -> None:
    audio = performance(24_000)
    with JackServer(period=PERIOD) as server, Stage(bundles / "identity", mix=0.25) as stage:
        stage.rig.set("output.trim_db", -6.0)
        time.sleep(0.2)
        server.kill()
        until(lambda: stage.rig.state().audio.device == "lost")
        assert any("server has gone" in text and "kept" in text for text in stage.told)
        stage.rig.set("mix", 0.75)
        stage.daw.close()
        server.start()
        until(lambda: stage.rig.state().audio.device == "running")
        assert any("is back" in text for text in stage.told)
        stage.daw = Daw(1)
        stage.daw.connect(["rtstyle:in_1"], ["rtstyle:out_1"])
        until(lambda: stage.settled)
        back = stage.play(audio)
        np.testing.assert_array_equal(
            back, rendered(bundles / "identity", audio, **{"mix": 0.75, "output.trim_db": -6.0})
        )
        server.kill()
        until(lambda: stage.rig.state().audio.device == "lost")


def test_server_that_comes_back_at_another_rate_is_followed(bundles: Path) -> None:
    with JackServer(period=PERIOD) as server, Stage(bundles / "identity") as stage:
        stage.daw.close()
        server.kill()
        until(lambda: stage.rig.state().audio.device == "lost")
        server.rate, server.period = 44_100, 441
        server.start()
        until(lambda: stage.rig.state().audio.device == "running")
        state = stage.rig.state()
        assert (state.audio.sample_rate, state.audio.block) == (44_100, 441)
        until(lambda: stage.rig.engine.meters().blocks > 20)
        until(lambda: stage.backend.port_latency()[0] == stage.rig.engine.latency().total)


def test_broken_input_is_heard_as_dry_sound_and_the_wet_returns(server: JackServer, bundles: Path) -> None:
    audio = performance(96_000)
    broken = audio.copy()
    broken[0, 30_000:30_010] = np.nan
    broken[0, 31_000] = np.inf
    with Stage(bundles / "identity", style="1") as stage:
        back = stage.play(broken)
        faults = stage.rig.engine.faults()
    assert np.all(np.isfinite(back))
    assert faults.nonfinite_in == 11
    expected = rendered(bundles / "identity", audio, **{"style.target": 1.0})
    np.testing.assert_array_equal(back[:, :29_000], expected[:, :29_000])
    np.testing.assert_allclose(back[:, 80_000:], expected[:, 80_000:], atol=1e-4)


def test_model_that_makes_nan_is_heard_as_the_aligned_dry_sound(server: JackServer, bundles: Path) -> None:
    audio = performance(48_000)
    with Stage(bundles / "broken") as stage:
        until(lambda: stage.rig.engine.faults().model_error > 0)
        back = stage.play(audio, ready=lambda: True)
        assert stage.rig.state().faults.dry_frames > 0  # type: ignore[union-attr]
    assert np.all(np.isfinite(back))
    # An identity: wet and dry are the same, but for the fades where the wet breaks off.
    assert np.mean(np.abs(back - audio) > 1e-4) < 0.25
    assert np.max(np.abs(np.diff(back))) < 3 * np.max(np.abs(np.diff(audio)))


def test_model_that_is_too_slow_is_heard_as_dry_sound_without_an_end(server: JackServer, tmp_path: Path) -> None:
    make_identity_bundle(tmp_path / "slow", name="slow", work=1_000, style_gains=(0.5, 0.5))
    with Stage(tmp_path / "slow") as stage:
        until(lambda: stage.rig.engine.faults().late >= 2)
        seen = stage.rig.player.state().callbacks
        until(lambda: stage.rig.player.state().callbacks > seen + 50)
        assert stage.rig.engine.faults().dry_frames > 0
        state = stage.rig.state()
        assert state.audio.device == "running"


def test_bundle_that_is_deleted_plays_on(server: JackServer, bundles: Path, tmp_path: Path) -> None:
    shutil.copytree(bundles / "identity", tmp_path / "gone")
    audio = performance(24_000)
    with Stage(tmp_path / "gone") as stage:
        shutil.rmtree(tmp_path / "gone")
        np.testing.assert_array_equal(stage.play(audio), rendered(bundles / "identity", audio))
        stage.daw.client.blocksize = 256  # preparing anew needs no file either
        until(lambda: stage.rig.player.state().block == 256 and stage.settled)
        stage.rig.set("style.amount", 0.0)  # at more the comb remembers what was heard before
        expected = rendered(bundles / "identity", audio, **{"style.amount": 0.0})
        np.testing.assert_allclose(stage.play(audio), expected, atol=1e-6)
        stage.daw.client.blocksize = PERIOD
        until(lambda: stage.rig.player.state().block == PERIOD and stage.settled)


def test_full_disk_ends_the_recording_and_not_the_music(server: JackServer, bundles: Path, tmp_path: Path) -> None:
    audio = performance(48_000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Stage(bundles / "identity") as stage:
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, hard))
        try:
            stage.rig.record(tmp_path / "take.wav")
            back = stage.play(audio)
            until(lambda: any("take.wav" in text and "free some room" in text for text in stage.told))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        np.testing.assert_array_equal(back, rendered(bundles / "identity", audio))
        assert soundfile.info(tmp_path / "take.wav").frames == (60_000 - 94) // 4
        assert os.path.getsize(tmp_path / "take.wav") <= 60_000
        assert stage.rig.state().audio.device == "running"
        again = stage.rig.record(tmp_path / "again.wav")
        time.sleep(0.2)
        assert stage.rig.stop_recording() == again
        assert soundfile.info(again).frames > 4_000


def test_model_and_style_change_while_it_plays_without_a_jump(server: JackServer, bundles: Path) -> None:
    time_s = np.arange(6 * 48_000) / 48_000
    tone = (0.3 * np.sin(2 * np.pi * 220 * time_s)).astype(np.float32)[None]
    steepest = np.max(np.abs(np.diff(tone)))
    with Stage(bundles / "identity") as stage:
        stage.rig.choose_style("1")

        def change() -> None:
            stage.rig.choose_model(str(bundles / "late"))
            until(lambda: stage.rig.bundle.name == "late")

        stage.daw.cue = (3 * 48_000, change)
        back = stage.play(tone)
        assert stage.rig.bundle.name == "late"
        assert not stage.rig.engine.swapping
    levels = np.abs(back[0, 48_000:-48_000]).reshape(-1, 48_000).max(axis=1)
    assert levels[0] == pytest.approx(0.3 * 0.25, rel=0.02)
    assert levels[-1] == pytest.approx(0.3, rel=0.02)  # the style of the same name has another gain there
    assert np.max(np.abs(np.diff(back[:, 48_000:-48_000]))) < 1.5 * steepest


def test_values_of_the_rig_are_checked_and_named(server: JackServer, bundles: Path) -> None:
    from rtstyle.errors import BundleError, ParameterError

    with Stage(bundles / "identity") as stage:
        rig = stage.rig
        rig.set_text("mix", "25 %")
        assert rig.value("mix") == 0.25
        with pytest.raises(ParameterError, match="mix"):
            rig.set("mix", 2.0)
        with pytest.raises(ParameterError, match="mix"):
            rig.set("mixx", 0.5)
        with pytest.raises(BundleError, match="style"):
            rig.choose_style("zither")
        assert set(rig.state().values) == set(PARAMETERS)
