"""The README's commands exist, its tables name what exists, and its figures are those of the results file."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from benchmarks import readme
from rtstyle.cli.app import COMMANDS, build_app

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def commands() -> list[str]:
    """Every command line that begins with `rtstyle`, in fenced blocks and in inline code."""
    fenced = [line for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) for line in block.splitlines()]
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", README, flags=re.DOTALL))
    found = []
    for line in fenced + inline:
        words = line.partition("#")[0]
        for part in re.split(r"&&|;", words):
            text = re.sub(r"^(\s*\w+=\S+)*\s*(pw-jack )?", "", part).strip().removesuffix("&").strip()
            if re.match(r"rtstyle( [a-z-]|$)", text) and not text.startswith("rtstyle/"):
                found.append(text)
    return sorted(set(found))


@pytest.mark.parametrize("line", commands())
def test_every_command_of_the_readme_is_understood(line: str) -> None:
    words = shlex.split(line)[1:]
    app = build_app()
    if words and not words[-1].startswith("--help"):
        app.parse_args(words, exit_on_error=False, print_error=False)


def test_the_readme_shows_the_commands_a_player_needs() -> None:
    named = {line.split()[1] for line in commands() if len(line.split()) > 1}
    assert {"play", "doctor", "devices", "models", "live", "render", "midi", "latency", "bench"} <= named
    assert named - {name for name, _, _ in COMMANDS} <= {"--install-completion"}


def test_every_folder_of_the_tree_is_there() -> None:
    table = README.split("## What lies where")[1].split("##")[0]
    inside = False
    for indent, name in re.findall(r"\| (&nbsp;&nbsp;)?`([\w./]+)` \|", table):
        place = ROOT / "rtstyle" / name if indent else ROOT / name
        assert place.exists(), place
        inside = inside or bool(indent)
    assert inside
    listed = set(re.findall(r"`(\w+)/`", table))
    folders = {path.name for path in (ROOT / "rtstyle").iterdir() if path.is_dir() and (path / "__init__.py").is_file()}
    assert folders <= listed


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if "://" not in target:
            assert (ROOT / target).exists(), target


def test_the_tables_are_those_of_the_results_and_the_bundles() -> None:
    assert readme.fill(README) == README, "python -m benchmarks.readme"


def test_a_short_run_does_not_replace_a_long_one() -> None:
    def line(seconds: float, figure: int) -> dict[str, Any]:
        return {"benchmark": "b", "conditions": {"seconds": seconds, "block": 64}, "figures": {"x": figure}}

    found = readme.newest([line(600, 1), line(5, 2)], "b", "block")
    assert [entry["figures"]["x"] for entry in found] == [1]
    found = readme.newest([line(5, 1), line(60, 2), line(600, 3)], "b", "block")
    assert [entry["figures"]["x"] for entry in found] == [3]
