"""Words of the command line and the rules of parameters: every refusal states the rule, then the word."""

import re
from typing import Any

import pytest

from budgetnet import arguments, scenario
from budgetnet.errors import BudgetnetError
from budgetnet.networks import Candidate
from budgetnet.parameters import Parameter, Value
from budgetnet.plan import measure

NETWORK = "mobilenet-fcn"


def refusal(*words: str, network: str = NETWORK) -> str:
    with pytest.raises(BudgetnetError) as caught:
        arguments.candidate(network, words)
    return str(caught.value)


# --- words -> candidate


def test_defaults_for_what_is_left_out() -> None:
    assert arguments.candidate(NETWORK, []) == Candidate.of(NETWORK, {})


def test_words_become_values_of_the_declared_kind_in_the_declared_order() -> None:
    words = ["classifier_depth=64", "final_endpoint=Conv2d_5_pointwise", "depth_multiplier=1"]
    made = arguments.candidate(NETWORK, words).parameters
    assert made["depth_multiplier"] == 1.0
    assert isinstance(made["depth_multiplier"], float)
    assert (made["classifier_depth"], made["final_endpoint"]) == (64, "Conv2d_5_pointwise")
    assert list(made) == list(arguments.candidate(NETWORK, []).parameters)


def test_equal_numbers_written_differently_are_one_candidate() -> None:
    written = ["0.5", ".5", "5e-1", "+0.50"]
    assert len({arguments.candidate(NETWORK, [f"depth_multiplier={text}"]) for text in written}) == 1


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["0.5"], "parameters must be given as NAME=VALUE, but got '0.5'"),
        ([""], "parameters must be given as NAME=VALUE, but got ''"),
        (["a\nb"], "parameters must be given as NAME=VALUE, but got 'a\\nb'"),
        (
            ["depth_multiplier=1", "depth_multiplier=1"],
            "depth_multiplier: must be given once, but got it again as 'depth_multiplier=1'",
        ),
        (
            ["depthmultiplier=1"],
            "mobilenet-fcn has no parameter 'depthmultiplier'; did you mean 'depth_multiplier'?",
        ),
        (["depth_multiplier=wide"], "depth_multiplier: must be a number, but got 'wide'"),
        (["depth_multiplier="], "depth_multiplier: must be a number, but got ''"),
        (["depth_multiplier=0"], "depth_multiplier: must be greater than 0, but got '0'"),
        (["depth_multiplier=-0.5"], "depth_multiplier: must be greater than 0, but got '-0.5'"),
        (["depth_multiplier=nan"], "depth_multiplier: must be a finite number, but got 'nan'"),
        (["depth_multiplier=1e999"], "depth_multiplier: must be a finite number, but got '1e999'"),
        (["depth_multiplier=65"], "depth_multiplier: must be 64 or less, but got '65'"),
        (["depth_multiplier=0.5=1"], "depth_multiplier: must be a number, but got '0.5=1'"),
        (["depth_multiplier=0,5"], "depth_multiplier: must be a number, but got '0,5'"),
        (["output_stride=12"], "output_stride: must be one of 8, 16, 32, but got '12'"),
        (["output_stride=16.0"], "output_stride: must be a whole number, but got '16.0'"),
        (["classifier_kernel=3.0"], "classifier_kernel: must be a whole number, but got '3.0'"),
        (["classifier_kernel=0"], "classifier_kernel: must be 1 or more, but got '0'"),
        (["classifier_kernel=256"], "classifier_kernel: must be 255 or less, but got '256'"),
        (["classifier_kernel=1_0"], "classifier_kernel: must be a whole number, but got '1_0'"),
        (["classifier_kernel=\uff17"], "classifier_kernel: must be a whole number, but got '\\uff17'"),
    ],
)
def test_refused_words(words: list[str], expected: str) -> None:
    assert refusal(*words) == expected


def test_unknown_name_without_a_near_one_lists_the_known_ones() -> None:
    known = ", ".join(arguments.candidate(NETWORK, []).parameters)
    assert refusal("=5").startswith(f"mobilenet-fcn has no parameter ''; known: {known}")


def test_unknown_choice_lists_the_choices() -> None:
    message = refusal("final_endpoint=Conv2d_14")
    assert message.startswith("final_endpoint: must be one of Conv2d_0, Conv2d_1_pointwise, ")
    assert message.endswith("Conv2d_13_pointwise, but got 'Conv2d_14'")


@pytest.mark.parametrize("network", ["mobilenet_fcn", "mobilenetfcn", "MobileNet-FCN"])
def test_unknown_network_is_told_with_the_nearest(network: str) -> None:
    message = refusal(network=network)
    assert message == (f"network must be one of the known ones, but got {network!r}; did you mean 'mobilenet-fcn'?")


def test_endless_word_is_shortened_and_no_number_is_too_long() -> None:
    message = refusal("classifier_kernel=" + "9" * 5000)
    assert message.startswith("classifier_kernel: must be ")
    assert len(message) < 150


# --- size


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("320x480", (320, 480)),
        ("32X32", (32, 32)),
        (" 33 x 8192 ", (33, 8192)),
        ("00320x480", (320, 480)),
    ],
)
def test_size(word: str, expected: tuple[int, int]) -> None:
    assert arguments.size(word) == expected


@pytest.mark.parametrize(
    "word",
    [
        "",
        "320",
        "320x",
        "x480",
        "320x480x3",
        "320*480",
        "-320x480",
        "320.5x480",
        "3e2x480",
        "1234567x480",
        "\uff13\uff12\uff10x480",
    ],
)
def test_size_that_is_none(word: str) -> None:
    with pytest.raises(BudgetnetError, match=r"^--size: must be HEIGHTxWIDTH, such as 320x480, but got '"):
        arguments.size(word)


@pytest.mark.parametrize("word", ["31x480", "320x0", "320x8193", "999999x480"])
def test_size_out_of_bounds(word: str) -> None:
    with pytest.raises(BudgetnetError, match=f"^--size: sides must be 32 to 8192, but got '{word}'$"):
        arguments.size(word)


# --- parameters


def parameter(kind: type[int] | type[float] | type[str], default: Value, **rules: object) -> Parameter:
    declared: Any = {"space": (default,), "help": "", "part": "stem", **rules}
    return Parameter(name="p", kind=kind, default=default, **declared)


WHOLE = parameter(int, 3, minimum=1, maximum=9)
WIDTH = parameter(float, 1.0, above=0, maximum=2)
CHOICE = parameter(str, "a", choices=("a", "b"))
FACTOR = parameter(int, 2, choices=(2, 4))


@pytest.mark.parametrize(
    ("declared", "value", "rule"),
    [
        (WHOLE, 1, None),
        (WHOLE, 9, None),
        (WHOLE, 0, "must be 1 or more"),
        (WHOLE, 10, "must be 9 or less"),
        (WHOLE, 10**400, "must be 9 or less"),
        (WHOLE, 3.0, "must be a whole number"),
        (WHOLE, "3", "must be a whole number"),
        (WHOLE, True, "must be a whole number"),
        (WHOLE, None, "must be a whole number"),
        (WIDTH, 1, None),
        (WIDTH, 5e-324, None),
        (WIDTH, 2.0, None),
        (WIDTH, 0, "must be greater than 0"),
        (WIDTH, -0.0, "must be greater than 0"),
        (WIDTH, 2.0001, "must be 2 or less"),
        (WIDTH, float("nan"), "must be a finite number"),
        (WIDTH, float("inf"), "must be a finite number"),
        (WIDTH, False, "must be a number"),
        (WIDTH, [1.0], "must be a number"),
        (CHOICE, "b", None),
        (CHOICE, "B", "must be one of a, b"),
        (CHOICE, 1, "must be a text"),
        (FACTOR, 4, None),
        (FACTOR, 3, "must be one of 2, 4"),
        (FACTOR, True, "must be a whole number"),
        (FACTOR, "4", "must be a whole number"),
    ],
)
def test_rules_of_a_parameter(declared: Parameter, value: object, rule: str | None) -> None:
    assert declared.check(value) == rule


@pytest.mark.parametrize(
    ("declared", "text", "value"),
    [(WHOLE, "7", 7), (WHOLE, " 7 ", 7), (WIDTH, "1", 1.0), (WIDTH, "1e-3", 0.001), (CHOICE, "b", "b")],
)
def test_parameter_from_a_word(declared: Parameter, text: str, value: Value) -> None:
    read = declared.parse(text)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("declared", "text", "rule"),
    [
        (WHOLE, "", "must be a whole number"),
        (WHOLE, "0x7", "must be a whole number"),
        (WHOLE, "10", "must be 9 or less"),
        (WIDTH, "1_0", "must be a number"),
        (WIDTH, "inf", "must be a finite number"),
        (CHOICE, " b", "must be one of a, b"),
        (FACTOR, "3", "must be one of 2, 4"),
        (FACTOR, "b", "must be a whole number"),
    ],
)
def test_parameter_refuses_a_word(declared: Parameter, text: str, rule: str) -> None:
    with pytest.raises(ValueError, match=f"^{rule}$"):
        declared.parse(text)


LIMITS: dict[str, Any] = {"minimum": 1, "maximum": 9}


@pytest.mark.parametrize(
    ("kind", "default", "rules", "message"),
    [
        (int, 3, {"maximum": 9}, "minimum or above must be given, one of them, but got neither"),
        (int, 3, {**LIMITS, "above": 0}, "minimum or above must be given, one of them, but got both"),
        (int, 3, {"minimum": 1}, "maximum must be given, but got none"),
        (float, 3.0, {"above": 0}, "maximum must be given, but got none"),
        (int, 3, {**LIMITS, "step": 0}, "step must be greater than 0, but got 0"),
        (float, 3.0, {**LIMITS, "step": -0.5}, "step must be greater than 0, but got -0.5"),
        (int, 3, {**LIMITS, "step": 0.5}, "step must be a whole number, but got 0.5"),
        (int, 3, {**LIMITS, "minimum": 0.5}, "minimum must be a whole number, but got 0.5"),
        (float, 3.0, {**LIMITS, "maximum": float("inf")}, "maximum must be a finite number, but got inf"),
        (float, 3.0, {**LIMITS, "minimum": 10.0}, "maximum must be 10 or more, the first value, but got 9"),
        (float, 0.1, {"above": 0, "maximum": 0.5}, "maximum must be 1 or more, the first value, but got 0.5"),
        (int, 0, LIMITS, "default must be 1 or more, but got 0"),
        (int, 3.0, LIMITS, "default must be a whole number, but got 3.0"),
        (int, 3, {**LIMITS, "space": (3, 10)}, "space must be 9 or less, but got 10"),
        (int, 3, {**LIMITS, "space": ()}, "space must hold one value or more, but got none"),
        (str, "a", {}, "choices must hold one text or more, but got none"),
        (str, "a", {"choices": ("b", "c")}, "default must be one of b, c, but got 'a'"),
        (int, 2, {"choices": (2, "4")}, "choices must be a whole number, but got '4'"),
        (int, 2, {"choices": (2, 4), "minimum": 2}, "minimum must be left out where there are choices, but got 2"),
        (int, 3, {"choices": (2, 4)}, "default must be one of 2, 4, but got 3"),
    ],
)
def test_declaration_that_breaks_a_rule(kind: Any, default: Value, rules: dict[str, Any], message: str) -> None:
    """Whoever writes a head is told when the file is read, not by a plan that cannot be made."""
    with pytest.raises(ValueError, match=f"^{re.escape(f'p: {message}')}$"):
        parameter(kind, default, **rules)


def test_rule_in_words() -> None:
    assert WHOLE.rule == "a whole number from 1 to 9"
    assert WIDTH.rule == "a number above 0 to 2"
    assert CHOICE.rule == "one of a, b"
    assert FACTOR.rule == "one of 2, 4"


def test_numeric_is_what_has_limits_instead_of_choices() -> None:
    assert [declared.numeric for declared in (WHOLE, WIDTH, CHOICE, FACTOR)] == [True, True, False, False]


def test_normal_form_makes_equal_numbers_one() -> None:
    assert isinstance(WIDTH.normal(1), float)
    assert isinstance(WHOLE.normal(1), int)
    assert CHOICE.normal("a") == "a"


# --- choices of a scenario's networks

OWN = {
    "cameras": [{"name": "front", "network": "mobilenet-fcn"}, {"name": "side"}],
}


def test_choice_by_words_and_by_label() -> None:
    asked = scenario.load("parking")
    (by_words,) = arguments.choice(asked, "depth_multiplier=0.5, classifier_depth=256")
    assert by_words == Candidate.of("mobilenet-fcn", {"depth_multiplier": 0.5, "classifier_depth": 256})
    assert arguments.choice(asked, by_words.label) == [by_words]


def test_choice_of_several_networks() -> None:
    asked = scenario.load("parking").changed(**OWN)
    shared, front = arguments.choice(asked, "front: depth_multiplier=1; shared: classifier_kernel=3")
    assert (shared.parameters["classifier_kernel"], front.parameters["depth_multiplier"]) == (3, 1.0)


def test_label_names_its_candidate_to_the_last_digit() -> None:
    asked = scenario.load("parking")
    for width, text in ((0.1234567, "0.1234567"), (1.0, "1"), (1e-5, "1e-05"), (0.1 + 0.2, "0.30000000000000004")):
        made = Candidate.of("mobilenet-fcn", {"depth_multiplier": width})
        assert made.label.startswith(f"{text} / ")
        assert arguments.choice(asked, made.label) == [made]


def test_label_names_some_parameters_only_where_they_are_not_the_default() -> None:
    asked = scenario.load("parking")
    usual = Candidate.of("mobilenet-fcn", {"depth_multiplier": 0.5})
    assert usual.label == "0.5 / Conv2d_13_pointwise / fcn / 7 / 1024"
    assert usual.parameters["output_stride"] == 32
    finer = Candidate.of("mobilenet-fcn", {"depth_multiplier": 0.5, "output_stride": 16})
    assert finer.label == f"{usual.label} / output_stride=16"
    assert arguments.choice(asked, finer.label) == [finer]
    assert arguments.choice(asked, "depth_multiplier=0.5 output_stride=16") == [finer]
    assert arguments.choice(asked, f"{usual.label}/output_stride=32") == [usual]


def test_label_of_several_networks_is_read_as_plans_print_it() -> None:
    names = ["front", "front 2", "0.5 / left", "a=b, c"]
    groups = [{"name": name, "network": "mobilenet-fcn"} for name in names]
    asked = scenario.load("parking").changed(cameras=[*groups, {"name": "side"}])
    chosen = [Candidate.of("mobilenet-fcn", {"depth_multiplier": (1 + place) / 7}) for place in range(5)]
    label = measure(asked, *chosen).label
    assert "; front 2 0." in label
    assert arguments.choice(asked, label) == chosen
    assert arguments.choice(asked, "; ".join(reversed(label.split("; ")))) == chosen
    assert arguments.choice(asked, label.replace("front 2 0", "front 2: 0")) == chosen
    assert arguments.choice(asked, label.replace(" / Conv2d", "/Conv2d")) == chosen


@pytest.mark.parametrize(
    ("fields", "words", "rule"),
    [
        ({}, "", "--candidate: must name parameters as NAME=VALUE, or be a label, but got ''"),
        ({}, " , ,", "--candidate: must name parameters as NAME=VALUE, or be a label, but got ' , ,'"),
        (
            OWN,
            "front: ; shared: depth_multiplier=1",
            "--candidate: front: must name parameters as NAME=VALUE, or be a label, but got ''",
        ),
        (
            OWN,
            "front depth_multiplier=1; shared: depth_multiplier=1",
            "--candidate: must be shared: NAME=VALUE ...; front: NAME=VALUE ..., but got "
            "'front depth_multiplier=1; shared: depth_multiplier=1'",
        ),
        ({}, "depth_multiplier", "parameters must be given as NAME=VALUE, but got 'depth_multiplier'"),
        ({}, "depth_multipler=1", "mobilenet-fcn has no parameter 'depth_multipler'; did you mean 'depth_multiplier'?"),
        (
            {},
            "0.5 / fcn",
            "--candidate: must be depth_multiplier / final_endpoint / head, but got '0.5 / fcn'",
        ),
        (
            {},
            "1 / Conv2d_0 / fcn / 3 / 8 / output_stride=4",
            "output_stride: must be one of 8, 16, 32, but got '4'",
        ),
        (
            {},
            "1 / Conv2d_0 / fcn / 3 / 8 / depth_multiplier=1",
            "depth_multiplier: must be given once, but got it again as 'depth_multiplier=1'",
        ),
        (
            {},
            "1 / Conv2d_0 / fcn / 3 / 8 / 16",
            "--candidate: must be depth_multiplier / final_endpoint / head / classifier_kernel / classifier_depth, "
            "but got '1 / Conv2d_0 / fcn / 3 / 8 / 16'",
        ),
        ({}, "x / Conv2d_0 / fcn / 3 / 8", "depth_multiplier: must be a number, but got 'x'"),
        (
            OWN,
            "depth_multiplier=1",
            "--candidate: must be shared: NAME=VALUE ...; front: NAME=VALUE ..., but got 'depth_multiplier=1'",
        ),
        (OWN, "front: depth_multiplier=1", "--candidate: must name every network, but got none for shared"),
    ],
)
def test_choice_that_cannot_be_read(fields: dict[str, Any], words: str, rule: str) -> None:
    with pytest.raises(BudgetnetError) as caught:
        arguments.choice(scenario.load("parking").changed(**fields), words)
    assert str(caught.value) == rule


@pytest.mark.parametrize(
    ("words", "network", "parameters"),
    [
        ("depth_multiplier=0.5", NETWORK, {"depth_multiplier": 0.5}),
        ("mobilenet-fcn", NETWORK, {}),
        ("mobilenet-fcn depth_multiplier=0.5,classifier_depth=8", NETWORK,
         {"depth_multiplier": 0.5, "classifier_depth": 8}),
        ("0.5 / Conv2d_0 / fcn / 3 / 8", NETWORK, {"depth_multiplier": 0.5, "final_endpoint": "Conv2d_0",
                                                  "classifier_kernel": 3, "classifier_depth": 8}),
        ("unet", "unet", {}),
        ("unet 8 / 2", "unet", {"base_width": 8, "depth": 2}),
        ("vgg-fcn 1 / fcn8s / form=compact", "vgg-fcn", {"form": "compact"}),
        ("enet 0.5", "enet", {"depth_multiplier": 0.5}),
    ],
)  # fmt: skip
def test_a_network_by_its_family_and_parameters(words: str, network: str, parameters: dict[str, Value]) -> None:
    assert arguments.named(words) == Candidate.of(network, parameters)


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        ("unett 8", "network must be one of the known ones, but got 'unett'; did you mean 'unet'?"),
        ("unet 8 / 2 / 3", "unet: must be base_width / depth, but got '8 / 2 / 3'"),
        ("/", "candidate: must be depth_multiplier / final_endpoint / head, but got '/'"),
    ],
)
def test_a_network_that_cannot_be_read(words: str, rule: str) -> None:
    with pytest.raises(BudgetnetError) as caught:
        arguments.named(words)
    assert str(caught.value) == rule
