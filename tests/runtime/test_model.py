"""What a loaded model does with its controls, with bad input and with graphs that misbehave."""

import ctypes
import threading
from pathlib import Path

import numpy as np
import pytest

from rtstyle.bundle.content import Bundle
from rtstyle.dsp.denormals import floating_point_mode
from rtstyle.errors import BundleError, MissingPartError, RtstyleError
from rtstyle.runtime import layout as at
from rtstyle.runtime.model import (
    CONTROLS,
    ERROR_CLOSED,
    ERROR_NOT_FINITE,
    ERROR_SESSION,
    OK,
    LoadedModel,
    load_model,
    run_model,
)
from rtstyle.runtime.native import NativeGraph
from rtstyle.runtime.session import HANDLE
from tests.contract import noise_signal
from tests.fixtures_bundles import GraphBuilder, in_two_turns, make_identity_bundle, make_network_bundle, rewritten

KINDS = ["spectral", "latent"]


def run(model: LoadedModel, x: np.ndarray, controls: np.ndarray | None = None) -> tuple[int, np.ndarray]:
    y = np.full(x.size, 9.0, dtype=np.float32)
    given = model.controls() if controls is None else controls
    own = np.empty(x.size // model.hop, np.float32)
    return run_model(model.table, given, x, y, own, own.size), y


@pytest.mark.parametrize("kind", KINDS)
def test_the_amount_and_the_weights_of_the_styles_reach_the_decoder(kind: str, tmp_path: Path) -> None:
    model = load_model(make_identity_bundle(tmp_path / "m", kind, style_gains=(0.5, 2.0, 1.0)))
    x = noise_signal(120 * model.hop)
    settled = slice(60 * model.hop, None)  # a spectral model's gains glide to new ones in some milliseconds
    dry = model.step(x, model.controls(2))[settled]

    def level(weights: dict[int, float], amount: float) -> float:
        model.reset()
        controls = np.zeros(CONTROLS, dtype=np.float32)
        controls[0] = amount
        for style, weight in weights.items():
            controls[1 + style] = weight
        return float(np.dot(model.step(x, controls)[settled], dry) / np.dot(dry, dry))

    assert level({0: 1.0}, 1.0) == pytest.approx(0.5, abs=1e-4)
    assert level({1: 1.0}, 1.0) == pytest.approx(2.0, abs=1e-4)
    assert level({1: 1.0}, 0.25) == pytest.approx(1.25, abs=1e-4)
    assert level({0: 0.5, 1: 0.5}, 1.0) == pytest.approx(1.25, abs=1e-4)
    assert level({0: 3.0, 1: 1.0}, 1.0) == pytest.approx(0.875, abs=1e-4), "weights count by their share"
    assert level({1: 1.0}, 7.0) == pytest.approx(2.0, abs=1e-4), "the amount ends at 1"
    assert level({1: 1.0}, float("nan")) == pytest.approx(1.0, abs=1e-4), "an amount that is no number is 0"
    assert level({}, 1.0) == pytest.approx(1.0, abs=1e-4), "without weights nothing is changed"
    assert level({0: float("nan"), 1: -1.0}, 1.0) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_calls_longer_than_the_largest_binding_are_cut(kind: str, tmp_path: Path) -> None:
    bundle = make_network_bundle(tmp_path / "m", kind)
    long, short = load_model(bundle), load_model(bundle, max_frames=3)
    assert (long.max_frames, short.max_frames) == (64, 4)
    x = noise_signal(151 * long.hop)
    assert np.abs(long.step(x, long.controls()) - short.step(x, short.controls())).max() < 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_input_and_output_may_be_the_same_memory(kind: str, tmp_path: Path) -> None:
    model = load_model(make_network_bundle(tmp_path / "m", kind))
    x = noise_signal(70 * model.hop)
    wanted = model.step(x, model.controls())
    model.reset()
    both = x.copy()
    assert run_model(model.table, model.controls(), both, both, np.empty(70, np.float32), 70) == OK
    assert np.array_equal(both, wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_samples_that_are_no_numbers_count_as_silence_and_are_counted(kind: str, tmp_path: Path) -> None:
    model = load_model(make_network_bundle(tmp_path / "m", kind))
    x = noise_signal(60 * model.hop)
    places = [5, 700, 701, 2000]
    cleaned, broken = x.copy(), x.copy()
    cleaned[places] = 0.0
    broken[places] = [np.nan, np.inf, -np.inf, np.nan]
    wanted = model.step(cleaned, model.controls())
    model.reset()
    assert model.bad_samples == 0
    assert np.array_equal(model.step(broken, model.controls()), wanted)
    assert model.bad_samples == 4


@pytest.mark.parametrize("prefer", ["native", "python"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_model_that_makes_nan_is_an_error_and_recovers_afresh(kind: str, prefer: str, tmp_path: Path) -> None:
    model = load_model(make_identity_bundle(tmp_path / "m", kind, nan_after=6), prefer=prefer)
    assert model.failures == 0, "the warm-up is not the user's"
    x = noise_signal(4 * model.hop)
    code, first = run(model, x)
    assert code == OK
    code, y = run(model, x)
    assert code == ERROR_NOT_FINITE and not y.any()
    code, again = run(model, x)
    assert code == OK and np.array_equal(again, first), "after an error the model runs as after a reset"
    assert model.failures == 1


@pytest.mark.parametrize("prefer", ["native", "python"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_error_of_the_session_is_a_code_and_the_next_call_runs_afresh(
    kind: str, prefer: str, tmp_path: Path
) -> None:
    model = load_model(make_identity_bundle(tmp_path / "m", kind, fail_above=0.5), prefer=prefer)
    x = noise_signal(5 * model.hop)
    code, first = run(model, x, model.controls(amount=0.5))
    assert code == OK
    for _ in range(100):
        code, y = run(model, x, model.controls(amount=0.6))
        assert code == ERROR_SESSION and not y.any()
    code, again = run(model, x, model.controls(amount=0.5))
    assert code == OK and np.array_equal(again, first)
    assert model.failures == 100
    with pytest.raises(RtstyleError, match=r"'identity' failed.*models verify"):
        model.step(x, model.controls(amount=1.0))


def test_numbers_beyond_float32_inside_the_model_are_an_error_and_not_kept(tmp_path: Path) -> None:
    model = load_model(make_identity_bundle(tmp_path / "m", "latent"))
    x = noise_signal(8 * model.hop)
    _, wanted = run(model, x)
    code, y = run(model, np.full(8 * model.hop, 3e38, dtype=np.float32))  # its square is infinite
    assert code == ERROR_NOT_FINITE and not y.any()
    code, y = run(model, x)
    assert code == OK and np.array_equal(y, wanted)


def test_a_closed_model_answers_with_an_error(tmp_path: Path) -> None:
    model = load_model(make_identity_bundle(tmp_path / "m", "latent"))
    model.close()
    code, y = run(model, noise_signal(2 * model.hop))
    assert code == ERROR_CLOSED and not y.any()
    model.reset()
    model.close()


def test_denormals_are_flushed_in_the_model_and_nowhere_else(tmp_path: Path) -> None:
    before = floating_point_mode() & 0xFFC0  # without the flags that say what has happened so far
    model = load_model(make_identity_bundle(tmp_path / "m", "latent"))
    tiny = np.full(model.hop, 1e-40, dtype=np.float32)
    assert not model.step(tiny, model.controls()).any()
    assert floating_point_mode() & 0xFFC0 == before
    assert (tiny * np.float32(1.0) == tiny).all()
    modes = []
    thread = threading.Thread(target=lambda: modes.append(model.step(tiny, model.controls()).any()))
    thread.start()
    thread.join()
    assert modes == [False]


def test_two_models_of_one_bundle_keep_their_own_states(tmp_path: Path) -> None:
    bundle = make_network_bundle(tmp_path / "m", "spectral")
    one, two = load_model(bundle), load_model(bundle)
    x, other = noise_signal(50 * one.hop), noise_signal(50 * one.hop, seed=5)
    wanted = one.step(x, one.controls())
    one.reset()
    parts = []
    for start in range(0, x.size, one.hop):
        parts.append(one.step(x[start : start + one.hop], one.controls()))
        two.step(other[start : start + one.hop], two.controls(1))
    assert np.abs(np.concatenate(parts) - wanted).max() < 1e-5


def wrong_hop(_: GraphBuilder) -> bytes:
    """A latent decoder whose output is one sample short."""
    graph = GraphBuilder()
    for name, shape in (("styled", ("frames", 4)), ("style", (1, 8)), ("amount", (1, 1))):
        graph.input(name, shape)
    wave = graph.reshape(graph.input("wave", ("128*frames", 1)), 1, -1)
    graph.output("audio", graph.slice(wave, 0, -1, 1), (1, "samples"))
    return graph.bytes()


def test_a_graph_of_a_wrong_shape_is_refused_with_its_file_and_the_reason(tmp_path: Path) -> None:
    bundle = rewritten(make_identity_bundle(tmp_path / "m", "latent"), decoder=wrong_hop(GraphBuilder()))
    for prefer in ("native", "python"):
        with pytest.raises(BundleError, match=r"decoder\.onnx does not run .*shape.*export the bundle again"):
            load_model(bundle, prefer=prefer)


def test_bytes_that_are_no_graph_are_refused_with_their_file(tmp_path: Path) -> None:
    bundle: Bundle = rewritten(make_identity_bundle(tmp_path / "m", "latent"), encoder=b"no graph at all")
    for prefer in ("native", "python"):
        with pytest.raises(BundleError, match=r"encoder\.onnx: ONNX Runtime refuses the graph"):
            load_model(bundle, prefer=prefer)


def test_cuda_that_is_not_there_is_one_error_with_the_remedy(tmp_path: Path) -> None:
    bundle = make_identity_bundle(tmp_path / "m", "latent")
    with pytest.raises(MissingPartError, match=r"C library.*'cpu'"):
        load_model(bundle, device="cuda", prefer="python")
    try:
        model = load_model(bundle, device="cuda")
    except MissingPartError as error:
        assert "rtstyle[cuda]" in str(error) and "'cpu'" in str(error) and "\n" not in str(error)
    else:  # a machine with CUDA
        x = noise_signal(8 * model.hop)
        assert np.abs(model.step(x, model.controls()) - x).max() < 1e-4


@pytest.mark.parametrize("wrong", [{"device": "tpu"}, {"prefer": "rust"}, {"max_frames": 0}, {"threads": 0}])
def test_arguments_out_of_range_are_refused(wrong: dict[str, object], tmp_path: Path) -> None:
    bundle = make_identity_bundle(tmp_path / "m", "latent")
    with pytest.raises(ValueError, match=next(iter(wrong))):
        load_model(bundle, **wrong)  # type: ignore[arg-type]


def test_a_length_that_is_no_multiple_of_the_hop_is_refused(tmp_path: Path) -> None:
    model = load_model(make_identity_bundle(tmp_path / "m", "latent"))
    with pytest.raises(ValueError, match="129 samples"):
        model.step(np.zeros(129, dtype=np.float32), model.controls())


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_turn_plays_what_the_first_has_played(kind: str, tmp_path: Path) -> None:
    bundle = make_identity_bundle(tmp_path / "m", kind, style_gains=(0.5, 2.0))
    once, twice = load_model(bundle), load_model(in_two_turns(bundle))
    x = np.sin(0.05 * np.arange(200 * once.hop)).astype(np.float32)
    settled = slice(100 * once.hop, None)
    for style in (0, 1):
        made = once.step(x, once.controls(style))
        once.reset()
        by_hand = once.step(made, once.controls(style))
        once.reset()
        played = twice.step(x, twice.controls(style))
        twice.reset()
        assert np.abs(played - by_hand)[settled].max() < 1e-4 * np.abs(by_hand).max()


@pytest.mark.parametrize("kind", KINDS)
def test_a_line_is_combed_as_far_as_the_amount_goes(kind: str, tmp_path: Path) -> None:
    model = load_model(make_identity_bundle(tmp_path / "m", kind))
    hop, line = model.hop, 0.2 * np.sin(0.05 * np.arange(48_000, dtype=np.float32))
    line = line[: line.size // hop * hop]
    hiss = 0.03 * noise_signal(line.size)
    late = model.step(line + hiss, model.controls(0, 0.0))

    def taken_out(amount: float) -> float:
        model.reset()
        out = late - model.step(line + hiss, model.controls(0, amount))
        return float(np.square(out[out.size // 2 :]).mean() / np.square(hiss).mean())

    assert taken_out(0.0) == 0.0
    assert 0.01 < taken_out(0.3) < 0.3 * taken_out(1.0) < 0.3


def test_a_note_after_a_rest_begins_with_the_gains_of_the_one_before(tmp_path: Path) -> None:
    model = load_model(make_network_bundle(tmp_path / "m", "spectral"))
    line = 0.2 * np.sin(0.05 * np.arange(200 * model.hop, dtype=np.float32))
    hiss = 0.002 * noise_signal(200 * model.hop)

    def gains_after(x: np.ndarray) -> np.ndarray:
        model.step(x, model.controls())
        return model._memory.arrays[at.GLIDE].copy()

    gains_after(line)
    begun = gains_after(hiss[: 20 * model.hop])  # a window holds the note for a while
    assert np.array_equal(gains_after(hiss), begun)
    model.reset()
    assert not np.array_equal(gains_after(hiss), gains_after(hiss))  # alone it is no rest


def test_a_rest_at_amount_0_is_as_it_was_played(tmp_path: Path) -> None:
    model = load_model(make_identity_bundle(tmp_path / "m", "spectral", style_gains=(0.25, 0.25)))
    hop, size = model.hop, 200 * model.hop
    model.step(0.2 * np.sin(0.05 * np.arange(size, dtype=np.float32)), model.controls(0, 1.0))
    hiss = 0.002 * noise_signal(size)
    played = model.step(hiss, model.controls(0, 0.0))
    late = size // 2
    assert np.abs(played[late:] - hiss[late - hop : -hop]).max() < 1e-3 * np.abs(hiss).max()


def test_turns_share_their_graphs(tmp_path: Path) -> None:
    model = load_model(in_two_turns(make_network_bundle(tmp_path / "m", "spectral")))
    first, second = ([int(session.table[HANDLE]) for session in turn.sessions] for turn in model.turns)
    assert first == second
    assert 0 not in first


def test_what_was_loaded_of_a_model_that_does_not_load_is_freed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = make_network_bundle(tmp_path / "m", "spectral")
    closed: list[NativeGraph] = []
    monkeypatch.setattr(NativeGraph, "close", lambda graph: closed.append(graph))
    with pytest.raises(BundleError):
        load_model(rewritten(bundle, decoder=b"no graph"))
    assert len(closed) == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("amount", [0.0, 0.3, 0.75, 1.0])
def test_what_two_turns_leave_of_the_player_is_what_the_amount_leaves(kind: str, amount: float, tmp_path: Path) -> None:
    bundle = make_identity_bundle(tmp_path / "m", kind, style_gains=(0.0, 2.0))
    model = load_model(in_two_turns(bundle))
    x = np.sin(0.05 * np.arange(200 * model.hop)).astype(np.float32)
    played = model.step(x, model.controls(0, amount))[100 * model.hop :]
    assert np.std(played) == pytest.approx((1.0 - amount) * np.std(x), abs=1e-3)


def test_gains_glide_to_a_new_style_at_once_in_a_line_and_slowly_in_a_chord(tmp_path: Path) -> None:
    model = load_model(make_identity_bundle(tmp_path / "m", "spectral", style_gains=(0.5, 2.0)))
    second = model.sample_rate // model.hop * model.hop
    time = np.arange(4 * second) / model.sample_rate
    middle = slice(second // 20, second // 10)  # 50 to 100 ms after the new style

    def way_gone(pitches: tuple[float, ...]) -> float:
        tones = sum(0.1 * np.sin(2 * np.pi * pitch * time) for pitch in pitches).astype(np.float32)
        model.reset()
        model.step(tones[: 3 * second], model.controls(0))
        before, after = (gain * tones[3 * second :] for gain in (0.5, 2.0))
        late = slice(model.latency, None)
        played = model.step(tones[3 * second :], model.controls(1))[late][middle]
        return float(np.std(played - before[middle]) / np.std(after[middle] - before[middle]))

    assert way_gone((220.0,)) > 0.98
    assert 0.05 < way_gone((220.0, 277.2, 339.3)) < 0.4


@pytest.mark.parametrize("kind", KINDS)
def test_many_notes_at_a_time_are_played_once_and_as_late_as_a_line(kind: str, tmp_path: Path) -> None:
    delay = 107 if kind == "latent" else 0  # the spectral one has that of its windows
    bundle = make_identity_bundle(tmp_path / "m", kind, style_gains=(0.5, 2.0), delay=delay)
    once, twice = load_model(bundle), load_model(in_two_turns(bundle))
    time = np.arange(3 * once.sample_rate // once.hop * once.hop) / once.sample_rate
    chord = sum(0.1 * np.sin(2 * np.pi * pitch * time) for pitch in (220.0, 277.2, 339.3)).astype(np.float32)
    settled = slice(time.size // 2, None)
    for style in (0, 1):
        played = twice.step(chord, twice.controls(style))[settled]
        heard = np.roll(once.step(chord, once.controls(style)), once.latency)[settled]
        assert np.abs(played - heard).max() < 1e-6
        once.reset()
        twice.reset()


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_lets_every_turn_begin_afresh_and_counts_once(kind: str, tmp_path: Path) -> None:
    model = load_model(in_two_turns(make_identity_bundle(tmp_path / "m", kind, fail_above=0.5)))
    x = noise_signal(5 * model.hop)
    code, first = run(model, x, model.controls(amount=0.5))
    assert code == OK
    code, y = run(model, x, model.controls(amount=0.9))
    assert code == ERROR_SESSION and not y.any()
    code, again = run(model, x, model.controls(amount=0.5))
    assert code == OK and np.array_equal(again, first)
    assert model.failures == 1
    model.close()
    assert run(model, x)[0] == ERROR_CLOSED


@pytest.mark.parametrize("kind", KINDS)
def test_no_two_turns_draw_the_same_noise_or_the_same_walks(kind: str, tmp_path: Path) -> None:
    model = load_model(in_two_turns(make_network_bundle(tmp_path / "m", kind)))
    following = (ctypes.c_int64 * at.SLOTS).from_address(int(model.table[at.NEXT]))
    seeds = [(ctypes.c_uint64 * 2).from_address(int(table[at.SEED]))[:] for table in (model.table, following)]
    assert len({*seeds[0], *seeds[1]}) == 4
