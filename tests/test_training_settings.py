"""Recipes and settings of a training: what is refused, and what goes before what."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from budgetnet import training_recipes, yaml_model
from budgetnet.errors import BudgetnetError, did_you_mean, shorten
from budgetnet.scenario import Scenario, load
from budgetnet.training_settings import Training

SCENARIO = {"name": "t", "cameras": 1, "fps": 10, "budget_gops": 10, "classes": 7, "input": {"height": 64, "width": 96}}


def faults(**given) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        Training.model_validate(given)
    return [str(fault) for fault in yaml_model.faults_of(caught.value, Training)]


@pytest.mark.parametrize("name", training_recipes.names())
def test_every_recipe_is_a_training(name):
    made = Training.model_validate({"recipe": name})
    given = training_recipes.load(name)
    assert made.recipe == name
    assert {key: made.model_dump(mode="json")[key] for key in given} == given


def test_the_lab_recipe_is_the_published_one_and_the_default():
    lab = Training.model_validate({"recipe": "lab"})
    assert lab == Training()
    published = {"optimizer": "adam", "learning_rate": 0.001, "schedule": "constant", "batch_size": 16}
    published |= {"weight_decay": 1e-6, "loss": "cross_entropy", "class_weights": "none"}
    assert {key: getattr(lab, key) for key in published} == published
    assert (lab.flip, lab.largest_scale, lab.photometric, lab.averaging) == (False, 1.0, 0.0, 0.0)


def test_what_is_said_beside_a_recipe_goes_first(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("epochs: 3\nloss: 0.5*lovasz+cross_entropy\ncrop: 0.5\n")
    made = Training.model_validate({"recipe": str(path), "epochs": 4})
    assert (made.epochs, made.loss, made.crop) == (4, "0.5 * lovasz + cross_entropy", 0.5)


def test_a_scenario_with_another_recipe_keeps_nothing_of_its_training():
    scenario = Scenario.model_validate({**SCENARIO, "training": {"epochs": 3, "flip": True}})
    assert scenario.changed(training={"epochs": 5}).training == Training(epochs=5, flip=True)
    assert scenario.changed(training={"recipe": "lab", "batch_size": 2}).training == Training(batch_size=2)


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({"recipe": "labb"}, "recipe: must be a known recipe or the path of one, but got 'labb'; did you mean 'lab'?"),
        ({"recipe": "none/there.yaml"}, "recipe: must be a recipe file without errors, but got 'none/there.yaml'"),
        ({"recipe": ""}, "recipe: must be a known recipe or the path of one, but got ''"),
        ({"optimizer": "adagrad"}, "optimizer: must be 'adam', 'adamw' or 'sgd', but got 'adagrad'"),
        ({"schedule": "linear"}, "schedule: must be 'constant', 'poly', 'cosine', 'one-cycle' or 'plateau'"),
        ({"averaging": 1.0}, "averaging: must be less than 1, but got 1"),
        ({"loss": "cross_entropi"}, "loss: must name known losses, and 'cross_entropi' is none"),
        ({"stem": "a\nb"}, "stem: must be a text on one line, and not empty"),
        ({"crop": 0.05}, "crop: must be 0.1 or more, but got 0.05"),
        ({"parts": 0}, "parts: must be 1 or more, but got 0"),
    ],
)
def test_broken_rules_are_told_with_the_field_and_the_value(given, rule):
    told = faults(**given)
    assert len(told) == 1
    assert told[0].startswith(rule)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("- 1\n", "must be a mapping of fields, but got a list"),
        ("recipe: lab\n", "must not name another recipe"),
        ("epochs: [1\n", "recipe.yaml:2"),
    ],
)
def test_a_recipe_file_with_errors_is_refused_with_the_reason(tmp_path, text, rule):
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(BudgetnetError, match=rule):
        training_recipes.load(str(path))
    assert faults(recipe=str(path))[0].startswith("recipe: must be a recipe file without errors")


def test_faults_of_a_recipe_are_told_with_their_lines(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("loss: iou\nepochs: 0\nrate: 3\n")
    assert faults(recipe=str(path)) == [
        f"recipe: must be a recipe file without errors, but got {shorten(str(path))} ({path}:{line}: {rule})"
        for line, rule in [
            (2, "epochs: must be 1 or more, but got 0"),
            (3, f"rate: unknown field{did_you_mean('rate', list(Training.model_fields))}"),
        ]
    ]


def test_an_unknown_recipe_is_refused_with_the_known_ones():
    with pytest.raises(BudgetnetError, match=r"recipe: must be one of lab.*, or a path, but got 'x'"):
        training_recipes.load("x")


def test_a_scenario_file_may_name_a_recipe(tmp_path: Path):
    path = tmp_path / "s.yaml"
    lines = [f"{key}: {value}" for key, value in SCENARIO.items() if key != "input"]
    path.write_text("\n".join([*lines, "input: {height: 64, width: 96}", "training: {recipe: lab, epochs: 2}"]) + "\n")
    assert load(str(path)).training == Training(epochs=2)


@pytest.mark.parametrize(
    ("crop", "size", "expected"),
    [
        (1.0, (97, 131), (97, 131)),
        (0.8, (360, 480), (288, 384)),
        (0.8, (320, 480), (256, 384)),
        (0.5, (1024, 2048), (512, 1024)),
        (0.1, (64, 96), (32, 32)),
        (0.99, (33, 40), (32, 32)),
    ],
)
def test_crops_are_whole_cells(crop, size, expected):
    assert Training(crop=crop).cropped(*size) == expected
