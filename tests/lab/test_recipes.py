"""The recipes of the shipped bundles: each makes a bundle that plays, with the styles that it says."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from rtstyle.bundle import load_bundle
from rtstyle.lab.recipe import cook
from rtstyle.selftest import self_test

ROOT = Path(__file__).parents[2]
RECIPES = sorted((ROOT / "export").glob("*.py"))


def read(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: file.stem)
def test_a_recipe_makes_the_styles_that_its_shipped_bundle_has(file: Path, tmp_path: Path) -> None:
    recipe = read(file).RECIPE
    tiny = cook(recipe, tmp_path / recipe.name, corpus=None, checkpoint=None, work=tmp_path, tiny=True)
    shipped = load_bundle(ROOT / "models" / recipe.name)
    assert [style.id for style in tiny.manifest.styles] == [style.id for style in shipped.manifest.styles]
    assert (tiny.kind, shipped.manifest.recipe) == (shipped.kind, f"export/{file.name}")
    assert set(recipe.left_out) <= set(recipe.styles)
    outcome = self_test(tiny)
    assert outcome is not None and outcome.passed
    assert len(file.read_text().splitlines()) < 60
