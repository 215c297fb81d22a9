"""`rtstyle doctor`: what this machine has, what it lacks, and how to get it."""

from typing import Annotated, Any

from cyclopts import Parameter

#: Set-up lines for playing through another program, by the cable's name: (systems, lines).
CABLES: dict[str, tuple[str, tuple[str, ...]]] = {
    "BlackHole": (
        "macOS",
        (
            "brew install blackhole-2ch    (then log out and in)",
            "In the DAW: output of the track to BlackHole 2ch; a second track records what rtstyle plays.",
            "rtstyle live --input 'BlackHole 2ch' --output 'your interface'",
        ),
    ),
    "VB-CABLE": (
        "Windows, macOS",
        (
            "Install VB-CABLE from vb-audio.com/Cable and restart; set 48 kHz in its control panel.",
            "In the DAW: output of the track to CABLE Input.",
            "rtstyle live --input 'CABLE Output' --output 'your interface'",
        ),
    ),
    "PipeWire": (
        "Linux",
        (
            "sudo apt-get install -y pipewire-jack wireplumber",
            "PIPEWIRE_LATENCY=128/48000 pw-jack rtstyle live --backend jack",
            "Connect with qpwgraph, or: pw-link 'REAPER:out1' rtstyle:in_1 && pw-link rtstyle:out_1 'REAPER:in1'",
        ),
    ),
    "JACK": (
        "Linux, macOS, Windows",
        (
            "jackd -R -d alsa -d hw:0 -r 48000 -p 128 -n 2 &",
            "rtstyle live --backend jack",
            "jack_connect ardour:track/audio_out_1 rtstyle:in_1 && jack_connect rtstyle:out_1 ardour:track/audio_in_1",
        ),
    ),
}

_MARKS = {"ok": "ok     ", "note": "note   ", "problem": "PROBLEM"}


def doctor(*, json: Annotated[bool, Parameter(negative="")] = False) -> int:
    """Check this machine and say what to do about what is missing.

    Exit code 1 when something keeps rtstyle from playing at all, else 0.

    Parameters
    ----------
    json
        Print the findings as JSON.
    """
    from rtstyle.cli.diagnosis import CHECKS
    from rtstyle.cli.output import emit_json

    findings = [finding for check in CHECKS for finding in check()]
    problems = sum(finding.state == "problem" for finding in findings)
    if json:
        entries: list[dict[str, Any]] = [
            {"topic": f.topic, "state": f.state, "text": f.text, "remedy": f.remedy, "details": f.details}
            for f in findings
        ]
        cables = {name: {"systems": systems, "lines": list(lines)} for name, (systems, lines) in CABLES.items()}
        emit_json({"findings": entries, "problems": problems, "cables": cables})
        return 1 if problems else 0
    for finding in findings:
        print(f"{_MARKS[finding.state]} {finding.topic:<10} {finding.text}")
        if finding.remedy:
            print(f"{'':19}-> {finding.remedy}")
    print("\nTo play through another program, a virtual cable carries the sound:")
    for name, (systems, lines) in CABLES.items():
        print(f"  {name} ({systems})")
        for line in lines:
            print(f"    {line}")
    notes = sum(finding.state == "note" for finding in findings)
    print(f"\n{problems} problems, {notes} notes." if problems or notes else "\nEverything is in place.")
    return 1 if problems else 0
