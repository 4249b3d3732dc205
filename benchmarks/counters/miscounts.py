"""Which layers a counter gets wrong, and by what factor. Every verdict is measured; none is written down here."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from budgetnet import ops
from budgetnet.build import build
from budgetnet.count import Layer, count
from budgetnet.graph import GraphBuilder, module_path
from counters import layer_cases
from counters.layer_cases import CALLS, KINDS, Call, Case
from counters.peers import Counter, attempt
from counters.subjects import PUBLISHED, built, graph_of, made
from counters.text import factor, table

Devices = Mapping[Counter, str]
"""The counters that can be used, each with the device that it is timed on."""

DEVICE = "cpu"
"""Right or wrong is judged here: on the meta device torch computes some operators from others, and whoever listens to
those counts them as well."""


def print_totals(devices: Devices) -> None:
    """Everyone's total for the published candidate, against ours in their unit."""
    ours = count(graph_of(PUBLISHED)).total
    print(f"\n3. The published candidate ({PUBLISHED[0].label}, 7 classes, 320 x 480)\n")
    print(f"ours: {ours.macs:,} MACs; {ours.ops:,} operations (2 per MAC, 1 per bias)\n")
    rows, notes = [], []
    for counter, device in devices.items():
        expected = ours.macs if counter.per_mac == 1 else ours.ops
        total, failed = attempt(lambda counter=counter: counter.total(*built(PUBLISHED, DEVICE)))
        timed, _ = attempt(lambda counter=counter, device=device: counter.total(*built(PUBLISHED, device)))
        result = ("failed", failed) if total is None else (f"{total:,.0f}", f"{100 * (total / expected - 1):+,.3f} %")
        rows.append((counter.name, f"{counter.per_mac} {counter.unit}", f"{expected:,}", *result))
        if timed != total:
            notes.append(f"{counter.name}: {timed} on the {device} device")
    table(("counter", "a MAC is", "expected", "its total", "off by"), rows)
    print("\nThe same on the device of the timing." if not notes else "\n" + "\n".join(notes))


# ---- the published candidate, layer by layer


MISCOUNTED, ADDED = "Miscounted", "Added, where ours is nothing"
OMITTED = "Left out, where a total of operations has it"
OUTSIDE = "In the total and in no layer"
FAILED = "Failed"


def print_layers(devices: Devices) -> None:
    """Every kind of layer of the published candidate as each counter sees it, and all that puts its total off."""
    kinds: dict[str, list[Layer]] = {}
    for layer in count(graph_of(PUBLISHED)).layers:
        if not isinstance(layer.node.op, ops.Input):
            kinds.setdefault(kind_of(layer), []).append(layer)
    print("\nIts layers by kind: their figure over ours; where ours is nothing, what they add\n")
    rows = []
    notes: dict[str, list[str]] = {MISCOUNTED: [], ADDED: [], OMITTED: [], OUTSIDE: [], FAILED: []}
    for counter in devices:
        if counter.layers is None:
            rows.append((counter.name, *("no figures" for _ in kinds)))
            continue
        found, failed = attempt(lambda counter=counter: counter.layers(*built(PUBLISHED, DEVICE)))
        if found is None:
            rows.append((counter.name, *("failed" for _ in kinds)))
            notes[FAILED].append(f"{counter.name}: {failed}")
            continue
        pairs = {kind: compared(counter, layers, found) for kind, layers in kinds.items()}
        rows.append((counter.name, *(cell(kind, both) for kind, both in pairs.items())))
        for heading, line in deviations(counter, kinds, pairs):
            notes[heading].append(f"{counter.name}: {line}")
    table(("counter", *(f"{len(layers)} {kind}" for kind, layers in kinds.items())), rows)
    for heading, lines in notes.items():
        if lines or heading not in (OUTSIDE, FAILED):
            print(f"\n{heading}:", *(lines or ["none"]), sep="\n  ")


def deviations(
    counter: Counter, kinds: Mapping[str, Sequence[Layer]], pairs: Mapping[str, Sequence[tuple[int, float]]]
) -> Iterator[tuple[str, str]]:
    """All that puts a counter's total off, each with the heading that it belongs under."""
    for kind, both in pairs.items():
        ours, theirs = (sum(column) for column in zip(*both, strict=True))
        wrong = [layer.name for layer, (a, b) in zip(kinds[kind], both, strict=True) if a and a != b]
        if not ours and theirs:
            yield ADDED, f"{kind} {theirs:+,.0f}"
        elif cell(kind, both) == LEFT_OUT:
            if counter.per_mac != 1:
                yield OMITTED, f"{kind} {-ours:+,.0f}"
        elif wrong:
            names = f"all {len(wrong)}" if len(wrong) == len(both) > 2 else ", ".join(wrong)
            yield MISCOUNTED, f"{kind} {cell(kind, both)}: {names}"
    total, _ = attempt(lambda: counter.total(*built(PUBLISHED, DEVICE)))
    rest = 0 if total is None else total - sum(theirs for both in pairs.values() for _, theirs in both)
    if rest:
        yield OUTSIDE, f"{rest:+,.0f}"


LEFT_OUT = "left out"
"""Biases may be: whoever counts MACs need not count them. Not so multiply-accumulates."""


def kind_of(layer: Layer) -> str:
    """The operator's name, and `depthwise` for convolutions in groups."""
    op = layer.node.op
    return "depthwise" if isinstance(op, ops.Conv2d) and op.groups > 1 else layer.op


def compared(counter: Counter, layers: Sequence[Layer], found: Mapping[str, float]) -> list[tuple[int, float]]:
    """Our figure in the counter's unit, and its own, of each layer."""
    return [
        (counter.per_mac * layer.cost.macs + layer.cost.bias_adds, found.get(module_path(layer.name), 0))
        for layer in layers
    ]


def cell(kind: str, both: Sequence[tuple[int, float]]) -> str:
    """What a counter makes of one kind of layer."""
    added = sum(theirs for _, theirs in both)
    if not any(ours for ours, _ in both):
        return f"+{added:,.0f}" if added else "-"
    if kind == "BiasAdd" and not added:
        return LEFT_OUT
    factors = [theirs / ours for ours, theirs in both]
    low, high = factor(min(factors)), factor(max(factors))
    return low if low == high else f"{low} to {high}"


# ---- single layers


AXES = ("stride", "groups", "widening", "dilation", "batch")


def print_single_layers(devices: Devices) -> None:
    """Ours and everyone else's figures of single layers against the enumerated truth."""
    print("\n4. Single layers: stride 1, 2, 8, 32 x groups 1, 4, 16 (depthwise) x 1 or 2 times the channels x dilation")
    print("   1, 2 (convolutions) x batch 1, 2 x with and without bias, on 16 x 7 x 9 maps; `own layer` is a plain")
    print("   nn.Conv2d or nn.ConvTranspose2d, `functional` a call of nn.functional, `built` what budgetnet builds\n")
    truths = {case: layer_cases.enumerated_macs(case) for kind in KINDS for case in layer_cases.cases(kind)}
    ours = {case: count(layer_cases.graph(case)).total.macs * case.batch for case in truths}
    right = sum(ours[case] == truth for case, truth in truths.items())
    print(f"ours\n  MACs equal to the enumerated ones in {right} of {len(truths)}")
    for counter in devices:
        verdicts: dict[str, list[str]] = {}
        for kind in KINDS:
            own = {case: truth for case, truth in truths.items() if case.kind == kind}
            for call in CALLS:
                for text in judge(counter, call, own):
                    verdicts.setdefault(text, []).append(f"{kind}, {call}")
        print(counter.name)
        for text, where in sorted(verdicts.items()):
            print(f"  {text}  [{'everywhere' if len(where) == len(CALLS) * len(KINDS) else '; '.join(where)}]")


def judge(counter: Counter, call: Call, truths: Mapping[Case, int]) -> Iterator[str]:
    """What a counter makes of one kind of layer called in one way: multiply-accumulates, then biases."""
    figures: dict[Case, float] = {}
    failed: dict[str, int] = {}
    for case in truths:
        shape = (case.batch, layer_cases.CHANNELS, layer_cases.HEIGHT, layer_cases.WIDTH)
        module, images = made(lambda case=case: layer_cases.module(case, call), shape, DEVICE)
        found, text = attempt(lambda module=module, images=images: counter.total(module, images))
        if found is None:
            failed[text] = failed.get(text, 0) + 1
        else:
            figures[case] = found
    for text, times in failed.items():
        yield f"failed in {times} of {len(truths)}: {text}"
    plain = {axes(case): found for case, found in figures.items() if not case.bias}
    yield "MACs " + explain(
        {case: found / (counter.per_mac * truths[case]) for case, found in figures.items() if not case.bias}
    )
    yield "biases " + explain(
        {
            case: (found - plain[axes(case)]) / (count(layer_cases.graph(case)).total.bias_adds * case.batch)
            for case, found in figures.items()
            if case.bias and axes(case) in plain
        }
    )


def axes(case: Case, names: Sequence[str] = AXES) -> tuple[int, ...]:
    """The case's values on some axes."""
    return tuple(getattr(case, name) for name in names)


def explain(factors: Mapping[Case, float]) -> str:
    """Which cases are wrong and by what factor, by as few of the axes as settle it."""
    if not factors:
        return "unknown"
    words = {case: factor(value) for case, value in factors.items()}
    kinds = set(words.values())
    if len(kinds) == 1:
        return {"right": "right", "0x": "not counted"}.get(word := kinds.pop(), f"{word} in all")
    wrong = [value for case, value in factors.items() if words[case] != "right"]
    names, by_place = deciding(words)
    groups: dict[str, list[str]] = {}
    for place, word in by_place.items():
        groups.setdefault(word, []).append(" ".join(f"{n} {v}" for n, v in zip(names, place, strict=True)))
    share = f"wrong in {len(wrong)} of {len(words)}"
    if len(groups) > 6 or len(names) > 2:
        return f"{share}: {factor(min(wrong))} to {factor(max(wrong))}, by {', '.join(names)}"
    return f"{share}: " + "; ".join(f"{w}: {', '.join(places)}" for w, places in groups.items() if w != "right")


def deciding(words: Mapping[Case, str]) -> tuple[tuple[str, ...], dict[tuple[int, ...], str]]:
    """The fewest axes whose values settle the word, and the word at each place on them."""
    for number in range(len(AXES)):
        for names in combinations(AXES, number):
            by_place: dict[tuple[int, ...], str] = {}
            if all(by_place.setdefault(axes(case, names), word) == word for case, word in words.items()):
                return names, by_place
    return AXES, {axes(case): word for case, word in words.items()}


# ---- operators without multiply-accumulates


WITHOUT_MACS: Mapping[str, tuple[ops.Operator, tuple[str, ...]]] = {
    "batch norm": (ops.BatchNorm2d(), ("map",)),
    "ReLU6": (ops.Activation(kind="relu6"), ("map",)),
    "max pooling": (ops.MaxPool2d(kernel=2, stride=2), ("map",)),
    "bilinear resize": (ops.Resize(), ("map", "input")),
    "crop": (ops.Crop(), ("map", "input")),
    "sum": (ops.Add(), ("map", "map")),
    "concatenation": (ops.Concat(), ("map", "map")),
}
"""Each comes after one convolution, `map`, 18 x 18 for images of 16 x 16: some counters fail where no weight is."""


def print_without_macs(devices: Devices) -> None:
    """What everyone counts for operators where we count nothing, per element that comes out."""
    print("\n5. Where we count nothing: what they count, per element that comes out\n")
    rows = []
    for counter in devices:
        cells = []
        for op, inputs in WITHOUT_MACS.values():
            found, failed = attempt(lambda c=counter, op=op, inputs=inputs: per_element(c, op, inputs))
            cells.append(failed.partition(":")[0] if found is None else f"{found:.3g}")
        rows.append((counter.name, *cells))
    table(("counter", *WITHOUT_MACS), rows)


def per_element(counter: Counter, op: ops.Operator, inputs: tuple[str, ...]) -> float:
    """What an operator adds to the count of the convolution before it, per element of its output."""
    g = GraphBuilder()
    g.image(height=16, width=16, channels=8)
    g.add("map", ops.Conv2d(channels=8, kernel=1, padding=1), "input")
    without = g.finish()
    g.add("operator", op, *inputs)
    shape = g.shape("operator")
    totals = [
        counter.total(*made(lambda graph=graph: build(graph), (1, 8, 16, 16), DEVICE))
        for graph in (without, g.finish())
    ]
    return (totals[1] - totals[0]) / (shape.channels * shape.height * shape.width)
