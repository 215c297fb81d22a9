"""The checks behind `rtstyle doctor`: each looks at one part of the machine; none changes anything."""

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rtstyle.cli.output import native_stderr_hidden
from rtstyle.errors import RtstyleError

State = Literal["ok", "note", "problem"]


@dataclass(frozen=True)
class Finding:
    """One line of the report: `problem` keeps rtstyle from playing at all, `note` is worth knowing."""

    topic: str
    state: State
    text: str
    remedy: str = ""
    details: dict[str, Any] = field(default_factory=dict)


def check_python() -> list[Finding]:
    """Interpreter, system, processor. `[control]`"""
    version = platform.python_version()
    system = f"{platform.system()} {platform.release()} on {platform.machine()}"
    details = {"python": version, "system": system, "cores": os.cpu_count(), "processor": processor()}
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        return [
            Finding("python", "problem", f"Python {version} is not supported.", "Install Python 3.11 or 3.12.", details)
        ]
    text = f"Python {version}, {system}, {os.cpu_count()} cores ({processor()})"
    found = [Finding("python", "ok", text, "", details)]
    if (os.cpu_count() or 1) < 2:
        found.append(
            Finding("python", "note", "One core: audio and everything else share it.", "Prefer --driver safe.")
        )
    return found


def processor() -> str:
    """The processor's name as the system gives it. `[control]`"""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def check_inference() -> list[Finding]:
    """Which ONNX Runtime is installed, whether its C library is there, and whether CUDA is. `[control]`"""
    flavours = {name: _version(name) for name in ("onnxruntime", "onnxruntime-gpu")}
    installed = [f"{name} {version}" for name, version in flavours.items() if version]
    if not installed:
        return [Finding("inference", "problem", "ONNX Runtime is not installed.", "pip install rtstyle")]
    if len(installed) == 2:
        return [
            Finding(
                "inference",
                "problem",
                f"{installed[0]} and {installed[1]} overwrite each other's files.",
                "pip uninstall -y onnxruntime onnxruntime-gpu; pip install --no-deps onnxruntime-gpu",
            )
        ]
    import onnxruntime

    from rtstyle.runtime import ort_api

    providers = list(onnxruntime.get_available_providers())
    details: dict[str, Any] = {"package": installed[0], "providers": providers}
    library = ort_api.find_library()
    details["native_library"] = str(library) if library else None
    if library:
        found = [Finding("inference", "ok", f"{installed[0]}; called natively through {library.name}", "", details)]
    else:
        found = [
            Finding(
                "inference",
                "note",
                f"{installed[0]}, but without its C library: models run through Python and may glitch under load.",
                "Install the official wheel: pip install --force-reinstall onnxruntime",
                details,
            )
        ]
    if "CUDAExecutionProvider" in providers:
        found.append(
            Finding("inference", "ok", "Built with CUDA: `--device cuda` works where CUDA and cuDNN are installed.")
        )
    return found


def check_kernels() -> list[Finding]:
    """Compiler versions, and where compiled kernels are kept. `[control]`"""
    versions = {name: _version(name) for name in ("numba", "llvmlite", "rocket-fft", "numpy")}
    missing = [name for name, version in versions.items() if version is None]
    if missing:
        return [Finding("kernels", "problem", f"Not installed: {', '.join(missing)}.", "pip install rtstyle")]
    import rtstyle

    chosen = os.environ.get("NUMBA_CACHE_DIR")
    folder = Path(chosen) if chosen else Path(rtstyle.__file__).parent
    writable = os.access(folder if folder.exists() else folder.parent, os.W_OK)
    kept = sum(1 for _ in folder.rglob("*.nbi")) if folder.exists() else 0
    details = {**versions, "cache": str(folder), "writable": writable, "kept": kept}
    text = ", ".join(f"{name} {version}" for name, version in versions.items())
    if not writable and not chosen:
        where = "beside your user cache, since the package's folder is read-only"
    else:
        where = f"in {folder}" if writable else "nowhere"
    if chosen and not writable:
        return [
            Finding(
                "kernels",
                "note",
                f"{text}; NUMBA_CACHE_DIR={chosen} is not writable: every start compiles anew.",
                "Unset NUMBA_CACHE_DIR or make the folder writable.",
                details,
            )
        ]
    state = f"{kept} compiled kernels kept {where}"
    if not kept:
        state = f"no kernels compiled yet (to be kept {where}): the first start takes longer"
    return [Finding("kernels", "ok", f"{text}; {state}", "", details)]


def check_portaudio() -> list[Finding]:
    """PortAudio, its host APIs and devices. `[control]`"""
    from rtstyle.backends.devices import import_sounddevice, list_devices

    os.environ.setdefault("JACK_NO_START_SERVER", "1")
    try:
        with native_stderr_hidden():
            sounddevice = import_sounddevice()
            hosts = [host["name"] for host in sounddevice.query_hostapis()]
            devices = list_devices()
    except RtstyleError as error:
        return [Finding("audio", "problem", f"PortAudio cannot be used: {error}.", "apt-get install -y libportaudio2")]
    version = sounddevice.get_portaudio_version()[1].split(",")[0]
    details = {"version": version, "host_apis": hosts, "devices": [device.label for device in devices]}
    text = f"{version}; host APIs {', '.join(hosts) or 'none'}; {len(devices)} devices"
    if not any(device.inputs for device in devices) or not any(device.outputs for device in devices):
        return [
            Finding(
                "audio",
                "note",
                f"{text}: nothing to play live through PortAudio.",
                "Connect an interface or start a JACK or PipeWire server; files can be rendered without.",
                details,
            )
        ]
    return [Finding("audio", "ok", text, "", details)]


def check_jack() -> list[Finding]:
    """The JACK library and whether a server answers. `[control]`"""
    try:
        import jack
    except OSError:
        return [Finding("jack", "note", "The JACK library is not installed.", "apt-get install -y jackd2")]
    try:
        with native_stderr_hidden():
            client = jack.Client("rtstyle-doctor", no_start_server=True)
    except jack.JackOpenError:
        remedy = (
            "jackd -R -d alsa -r 48000 -p 128 &, or PipeWire's: apt-get install pipewire-jack; pw-jack rtstyle live"
        )
        return [Finding("jack", "note", "No JACK server is running.", remedy, {"server": False})]
    rate, block, realtime = int(client.samplerate), int(client.blocksize), bool(client.realtime)
    client.close()
    details = {"server": True, "sample_rate": rate, "block": block, "realtime": realtime}
    text = f"JACK server: {rate} Hz, {block} frames, {'' if realtime else 'not '}real-time"
    if not realtime:
        return [Finding("jack", "note", text, "Start jackd with -R and allow real-time priority (see below).", details)]
    return [Finding("jack", "ok", text, "", details)]


def check_midi() -> list[Finding]:
    """MIDI library, its systems and the ports they show. `[control]`"""
    if importlib.util.find_spec("rtmidi") is None:
        remedy = "pip install python-rtmidi (ready-made for Python up to 3.12)"
        return [Finding("midi", "note", "python-rtmidi is not installed: no MIDI control.", remedy)]
    systems = midi_systems()
    working = {name: ports for name, ports in systems.items() if ports is not None}
    ports = [port for found in working.values() for port in found]
    details = {"systems": systems}
    if not working:
        text = f"No MIDI system answers ({', '.join(systems) or 'none compiled in'})."
        return [Finding("midi", "note", text, "Load the ALSA sequencer (modprobe snd-seq) or start JACK.", details)]
    listed = ", ".join(ports) if ports else "none connected"
    return [Finding("midi", "ok", f"{', '.join(working)}; inputs: {listed}", "", details)]


def midi_systems() -> dict[str, list[str] | None]:
    """The input ports of every MIDI system that python-rtmidi was built with; None for one that does not answer."""
    import rtmidi

    systems: dict[str, list[str] | None] = {}
    for api in rtmidi.get_compiled_api():
        try:
            with native_stderr_hidden():
                port = rtmidi.MidiIn(api)
                systems[rtmidi.get_api_display_name(api)] = list(port.get_ports())
                port.delete()
        except rtmidi.SystemError:
            systems[rtmidi.get_api_display_name(api)] = None
    return systems


def check_bundles() -> list[Finding]:
    """Every bundle that can be found: does it verify? `[control]`"""
    from rtstyle.bundle import find_bundles, load_bundle

    found: list[Finding] = []
    for path in find_bundles().values():
        try:
            bundle = load_bundle(path, verify=True)
        except RtstyleError as error:
            remedy = "Copy or export the bundle again."
            found.append(Finding("bundles", "note", f"{path.name}: {error}", remedy, {"path": str(path)}))
            continue
        text = f"{bundle.name}: {bundle.kind}, {len(bundle.styles)} styles, hashes agree"
        details = {"path": str(path), "kind": bundle.kind, "styles": len(bundle.styles)}
        found.append(Finding("bundles", "ok", text, "", details))
    if not any(finding.state == "ok" for finding in found):
        remedy = "Install the wheel or the checkout again: it ships bundles."
        found.append(Finding("bundles", "problem", "No bundle to play.", remedy))
    return found


def check_realtime() -> list[Finding]:
    """May this user's audio threads run in real time, and does the processor keep its clock? `[control]`"""
    if platform.system() != "Linux":
        return [Finding("real time", "ok", "The system's audio service runs callbacks with real-time priority.")]
    import resource

    priority = resource.getrlimit(resource.RLIMIT_RTPRIO)[0]
    memory = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    allowed = os.geteuid() == 0 or priority != 0
    details: dict[str, Any] = {"allowed": allowed, "priority": priority, "locked_memory": memory}
    found: list[Finding] = []
    if allowed:
        found.append(Finding("real time", "ok", "Real-time priority is allowed.", "", details))
    else:
        remedy = (
            "As root: printf '@audio - rtprio 95\\n@audio - memlock unlimited\\n' > /etc/security/limits.d/audio.conf; "
            "usermod -aG audio $USER; then log in again."
        )
        text = "This user may not use real-time priority: expect dropouts."
        found.append(Finding("real time", "note", text, remedy, details))
    governor = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    if governor.is_file() and governor.read_text().strip() not in ("performance", "schedutil"):
        name = governor.read_text().strip()
        remedy = "For a set: echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
        found.append(Finding("real time", "note", f"The processor's clock follows the governor {name!r}.", remedy))
    return found


def check_extras() -> list[Finding]:
    """Optional parts. `[control]`"""
    parts = {
        "lab (training, export, evaluation)": ("torch", "pip install 'rtstyle[lab]'"),
        "effects (pyo rack)": ("pyo", "pip install 'rtstyle[effects]'"),
    }
    found = []
    for name, (module, remedy) in parts.items():
        there = importlib.util.find_spec(module) is not None
        text = f"{name}: {'installed' if there else 'not installed'}"
        found.append(Finding("extras", "ok", text, "" if there else remedy, {"part": name, "installed": there}))
    if shutil.which("fluidsynth"):
        found.append(Finding("extras", "ok", "fluidsynth: installed", "", {"part": "fluidsynth", "installed": True}))
    return found


CHECKS: tuple[Callable[[], list[Finding]], ...] = (
    check_python,
    check_inference,
    check_kernels,
    check_portaudio,
    check_jack,
    check_midi,
    check_realtime,
    check_bundles,
    check_extras,
)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
