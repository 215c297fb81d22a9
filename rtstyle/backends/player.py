"""An engine that plays on a device: prepared for it, kept up when the device changes, dies or comes back."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from rtstyle.backends.backend import AudioFormat, Backend, BackendState
from rtstyle.engine.engine import Engine
from rtstyle.errors import DeviceError, MissingPartError

RETRY_SECONDS: Final = 1.0
_FIRST_BLOCK_SECONDS: Final = 2.0
_RESTLESS_CHANGES: Final = 4  # so many other blocks within the time below: the device has no constant one
_RESTLESS_SECONDS: Final = 4.0


@dataclass(frozen=True)
class PlayerState:
    """What the audio connection is doing. `device`: "running", "lost" or "closed"."""

    device: str
    reason: str
    sample_rate: int
    block: int  # 0: changing
    driver: str
    driver_reason: str
    xruns: int
    callbacks: int
    reconnects: int
    freewheeling: bool


class Player:
    """Owns the meeting of one engine and one backend. `[control]`, one thread at a time; `wake` is set from any.

    pick_driver: (sample_rate, block) -> driver and the reason for it. tell: takes one sentence for the player, in any
    thread.

    A device that changes its block, or comes back with another rate, gets the engine prepared anew: meanwhile the
    direct input is heard, see `backends.callbacks`. A device that is lost is looked for every second; all that the
    engine knows stays.
    """

    def __init__(
        self,
        engine: Engine,
        backend: Backend,
        *,
        pick_driver: Callable[[int, int], tuple[str, str]],
        tell: Callable[[str], None],
    ) -> None:
        self.engine = engine
        self.backend = backend
        self.wake = threading.Event()
        self._pick_driver = pick_driver
        self._tell = tell
        self._driver_reason = ""
        self._prepared: tuple[int, int] = (0, -1)  # sample rate, block
        self._reported = -1
        self._changes: deque[float] = deque(maxlen=_RESTLESS_CHANGES)
        self._lost_reason = ""
        self._refusal = ""
        self._retry_at = 0.0
        self._reconnects = 0
        self._running = False
        backend.notify = self._on_notify

    def open(self) -> AudioFormat:
        """Find the device. Raises `DeviceError` or `MissingPartError`."""
        return self.backend.open()

    def prepare(self) -> None:
        """Prepare the engine for the device as it was opened, where its block is known by then."""
        found = self.backend.format
        if found.block:
            self._prepare(found.sample_rate, found.block)

    def start(self) -> None:
        """Let the device call. Returns once the engine plays; before, the direct input is heard."""
        link = self.backend.link
        self._running = True
        if self._prepared[1] >= 0:
            link.release()
            self.backend.start()
            self._report()
            return
        self.backend.start()
        until = time.monotonic() + _FIRST_BLOCK_SECONDS
        while link.counters().callbacks < 3 and time.monotonic() < until:
            time.sleep(0.002)
        found = self.backend.format
        if not found.block:
            raise DeviceError(f"{self.backend.label} does not ask for audio: is another program using it?")
        self._prepare(found.sample_rate, found.block)
        link.release()
        self._report()

    def poll(self) -> None:
        """See what the device did and follow it. Call it often, and at once when `wake` is set."""
        self.wake.clear()
        if not self._running:
            return
        if self._lost_reason:
            self._look_for_device()
            return
        if self.backend.poll() is BackendState.LOST:
            self._lost_reason = self.backend.reason or "the audio device has gone"
            self._tell(f"{self._lost_reason}; all settings are kept, it is looked for every second")
            self.backend.close()
            self._retry_at = time.monotonic() + RETRY_SECONDS
            return
        self._follow_clock()
        changed = self.backend.link.changed_block
        if changed:
            self._follow_block(changed)
        self._report()

    def restart_engine(self, change: Callable[[], None] | None = None) -> bool:
        """Empty the engine's memory, and `change` something that no callback may see half done. False: too busy."""
        link = self.backend.link
        if not link.hold():
            self._tell("the model does not return from a block: nothing can be changed until it does")
            return False
        if change is not None:
            change()
        self.engine.reset()
        link.release()
        return True

    def change_driver(self) -> None:
        """Ask `pick_driver` again and prepare for what it says."""
        if self._prepared[1] >= 0 and self._prepare(*self._prepared):
            self.backend.link.release()
            self._report()

    def state(self) -> PlayerState:
        """What is going on. `[any]`"""
        found = self.backend.format
        device = "lost" if self._lost_reason else "running" if self._running else "closed"
        return PlayerState(
            device=device,
            reason=self._lost_reason,
            sample_rate=self._prepared[0] or found.sample_rate,
            block=max(self._prepared[1], 0),
            driver=self.engine.driver,
            driver_reason=self._driver_reason,
            xruns=self.backend.xruns,
            callbacks=self.backend.link.counters().callbacks,
            reconnects=self._reconnects,
            freewheeling=self.backend.freewheeling,
        )

    def close(self) -> None:
        """Let go of the device; never waits for one that hangs."""
        if self._running:
            self._running = False
            self.backend.link.hold(0.25)
        self.backend.close()
        self.engine.stop_worker()

    def _on_notify(self) -> None:
        # In the server's own thread, before the first freewheeling cycle: from here on time does not matter.
        if self._prepared[1] >= 0:
            self._follow_clock()
        self.wake.set()

    def _follow_clock(self) -> None:
        self.engine.set_patient(self.backend.freewheeling)
        self.backend.link.set_patient(self.backend.freewheeling)

    def _prepare(self, sample_rate: int, block: int) -> bool:
        link = self.backend.link
        if not link.hold():
            self._tell("the model does not return from a block: the change of block is followed once it does")
            return False
        driver, self._driver_reason = self._pick_driver(sample_rate, block)
        engine = self.engine
        engine.prepare(sample_rate=sample_rate, block=block, channels=link.channels, driver=driver)
        self._follow_clock()
        engine.start_worker()
        link.attach(
            engine.function,
            engine.table,
            block=block,
            latency=engine.latency().total,
            sample_rate=sample_rate,
            keep=engine,
        )
        self._prepared = (sample_rate, block)
        return True

    def _follow_block(self, block: int) -> None:
        now = time.monotonic()
        self._changes.append(now)
        restless = len(self._changes) == _RESTLESS_CHANGES and now - self._changes[0] < _RESTLESS_SECONDS
        if restless and self.backend.kind != "jack":
            block = 0
            self._changes.clear()
        if self._prepare(self._prepared[0], block):
            self.backend.link.release()
            self._report()
            self._tell(
                f"the device now asks for {block or 'changing numbers of'} frames; "
                f"latency of the chain: {self.engine.latency().total} samples"
            )

    def _look_for_device(self) -> None:
        now = time.monotonic()
        if now < self._retry_at:
            return
        self._retry_at = now + RETRY_SECONDS
        try:
            found = self.backend.open()
            # Where the block is not known yet the last one is assumed: the first callback corrects it.
            self._prepare(found.sample_rate, found.block or max(self._prepared[1], 0))
            self.backend.start()
        except (DeviceError, MissingPartError) as error:
            self.backend.close()
            self._retry_at = time.monotonic() + RETRY_SECONDS
            if str(error) != self._refusal:  # what to do about it, but not every second
                self._refusal = str(error)
                self._tell(self._refusal)
            return
        self.backend.link.release()
        self._reconnects += 1
        self._reported = -1
        self._report()
        self._tell(f"{self.backend.label} is back: playing on at {found.sample_rate} Hz")
        self._lost_reason = self._refusal = ""

    def _report(self) -> None:
        """Tell the device the chain's delay, where it has changed (a new model may be slower)."""
        total = self.engine.latency().total
        if total != self._reported:
            self._reported = total
            self.backend.set_latency(total)
