"""FIFO depths: the least that keep the rate and cannot lock up, found with the cycle model.

1. A loop of C++ reads and writes in bursts: a window writes a frame's last rows while it reads nothing, and reads
   the next one's first while it writes nothing. The network runs with FIFOs that never fill; what each one holds
   at most evens such bursts out. (In RTL, windows read and write independently: such FIFOs are there only if the
   network misses the rate without.)
2. At each join the branches meet that left a fork. The shorter one must wait for the longer one, in a
   FIFO. The region between fork and join runs alone in the model, with inputs always there and outputs
   always free; the least depths with which it reaches the plan's rate are found by bisection. What a region
   cannot do alone it cannot do in the network, so these are lower bounds.
3. The whole network runs in the model. If it misses the rate, the branches' FIFOs grow together, a tenth at
   a time, until it does not. Asked to be ``tight``, they then shrink one by one to the least; that takes a run
   of the whole network for each step (a minute for MobileNetV2).
4. The depths for both back ends together, rounded up, run once more: a deeper FIFO elsewhere may be a memory,
   whose output is a cycle later, and take from a branch what it had just enough of.

A pipeline holds beats, too: as many as its latency, which for C++ is the compiler's to choose. Rates are found with a
long one; but nothing may lock up with the shortest, whose loops hold the beats of one trip (as C-simulation does).

A network whose frames are too long for that (224x224 images on few DSPs) gets depths that are enough by counting what
the branches hold (`hwqat.passes.bounds`): somewhat more, in seconds. Asked to be ``tight``, it is simulated all the same.

Both styles of the model are asked (`hwqat.sim.models.cycles`), since one plan drives both back ends. ``min_depth``
is what the SystemVerilog needs; ``depth`` is enough for both, rounded up to what a memory holds.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from ..errors import HwqatError
from ..sim.models.cycles import UNBOUNDED, Model
from .bounds import bound_depths, count_bursts
from .network import DECOUPLES, Network, Stream
from .regions import Region, find_regions, with_depths

#: Steps in which the FIFOs that even out bursts shrink together.
PARTS = 8
#: Trips of all stages in one run of the model, above which depths are counted and not searched: seconds.
MOST_TRIPS = 200_000_000
#: Likewise in the runs of all regions, of which each has about RUNS: where regions lie in regions, they are the most.
MOST_OF_REGIONS, RUNS = 6_000_000_000, 16
#: Frames that tell whether depths may be enough: the second one is late if any is, mostly.
FEW = 2
#: Steps of a tenth by which branches' FIFOs grow before it is asked whether any depths keep the rate.
LIKELY = 8


def size_streams(network: Network, tight: bool = False) -> Network:
    """The network with the depth of every stream; ``tight``: no branch's ``min_depth`` could be one less."""
    network = with_depths(network, {s.name: (2, 2, DECOUPLES) for s in network.streams})
    cycles = network.cycles
    if not tight and _frames(cycles) * sum(stage.cycles for stage in network.stages) > MOST_TRIPS:
        return count_streams(network)
    regions = find_regions(network)
    inside = sum(stage.cycles for region in regions for stage in region.network.stages)
    if not tight and RUNS * _frames(cycles) * inside > MOST_OF_REGIONS:
        return count_streams(network)
    models = {style: Model(network, style) for style in _styles(network)}
    with ThreadPoolExecutor(len(models)) as pool:  # the model is C++, during which Python lets others run
        search = lambda style: _least_of(models[style], regions, cycles, tight and style == "rtl")  # noqa: E731
        least = dict(zip(models, pool.map(search, models)))
    joins = {stream.name: region for region in regions for stream in _waits(region)}
    depths = _merge(network, cycles, models, least, [*joins])
    reasons = {}
    for stream in network.streams:
        need = {style: max(2, found.get(stream.name, 2)) for style, found in least.items()}
        rtl = need["rtl"]
        if depths[stream.name] == 2:
            continue
        why = _why(joins[stream.name], need) if stream.name in joins else _why_burst(network, stream)
        reasons[stream.name] = depths[stream.name], rtl, why
    return with_depths(network, reasons)


def count_streams(network: Network) -> Network:
    """Depths that are enough by counting, whatever the cycles of a frame: somewhat more, at once."""
    network = with_depths(network, {s.name: (2, 2, DECOUPLES) for s in network.streams})
    return _bounded(network, count_bursts(network, network.cycles) if network.bursts else {})


def leaner(network: Network) -> Network | None:
    """Depths by counting that keep the rate as well as those that were searched, or None.

    The search lets branches' FIFOs grow together; where bursts ask for more of one of them, counting may take less.
    """
    counted = count_streams(network)
    if counted.streams == network.streams:  # they were counted
        return None
    cycles = network.cycles
    rates = (Model(counted, style).keeps(cycles, _frames(cycles), {}) for style in _styles(network))
    return counted if all(rates) and _shortest(counted).run(1).deadlock is None else None


def _styles(network: Network) -> tuple[str, ...]:
    """The back ends that must keep the rate; C++ that need not must not lock up, all the same (`_merge`)."""
    return ("rtl", "hls") if network.bursts else ("rtl",)


def _least_of(model: Model, regions: tuple[Region, ...], cycles: int, tight: bool) -> dict[str, int]:
    """The least depths for one back end: steps 1 to 3."""
    bursts = _bursts(model, regions, cycles) if model.style == "rtl" or model.network.bursts else {}
    depths = dict(bursts)
    waits: list[str] = []
    kept: dict[bytes, list[int]] = {}
    for region in regions:
        found = _solve(region, model.style, cycles, depths, kept)
        depths.update(found)
        waits += found
    _settle(model, cycles, depths, waits, tight)
    _shrink(model, cycles, depths, bursts)
    return depths


def _bounded(network: Network, bursts: dict[str, int]) -> Network:
    """Depths that are enough by counting (`hwqat.passes.bounds`), for frames that are too long to be run many times."""
    reasons = {}
    for name, depth in bound_depths(network, bursts).items():
        if depth == bursts.get(name):  # which RTL, whose windows read and write independently, can do without
            reasons[name] = round_up(depth), 2, _why_burst(network, network.stream(name))
        else:
            reasons[name] = round_up(depth), depth, "as much of a frame as the other branch holds"
    return with_depths(network, reasons)


def _shortest(network: Network) -> Model:
    """The C++ whose pipelines hold least."""
    return Model(network, "hls", latency=1)


def _merge(
    network: Network, cycles: int, models: dict[str, Model], least: dict[str, dict[str, int]], waits: list[str]
) -> dict[str, int]:
    """One depth for each stream that is enough for both back ends, and what a memory holds.

    It ends. Depths only grow, and a branch's no further than a tenth (and what a memory holds) beyond all beats of a
    run: there its FIFO never fills, as if it had no end, which keeps the rate (`_settle`) and cannot lock up.
    """
    beats = {stream.name: stream.beats for stream in network.streams}
    held = lambda name, depth: min(round_up(depth), max(beats[name], depth))  # noqa: E731
    depths = {name: held(name, max(2, *(found.get(name, 2) for found in least.values()))) for name in beats}
    before: dict[str, int] = {}
    shortest = _shortest(network)
    while depths != before:
        before = dict(depths)
        for model in models.values():
            _settle(model, cycles, depths, waits, tight=False)
        while waits and (stuck := shortest.run(1, depths=depths).deadlock):
            if all(depths[name] >= beats[name] for name in waits):  # one frame never fills any of them
                raise HwqatError(f"no depths of the branches' FIFOs keep the C++ from locking up: {stuck}")
            depths |= {name: depths[name] + -(-depths[name] // 10) for name in waits}
        depths = {name: held(name, depth) for name, depth in depths.items()}
    return depths


def _frames(cycles: int) -> int:
    """Frames of a run: more where a frame is short, since several are then in flight and may disturb each other."""
    return 3 + min(13, 8192 // cycles)


def round_up(depth: int) -> int:
    """What a memory for ``depth`` beats holds: a power of two up to 64, then multiples of 64."""
    return 1 << (depth - 1).bit_length() if depth <= 64 else -(-depth // 64) * 64


def _bursts(model: Model, regions: tuple[Region, ...], cycles: int) -> dict[str, int]:
    """Depths with which no stage ever waits for room, but for the streams in which a join's branches wait.

    None for RTL that keeps the rate without.
    """
    network = model.network
    waits = {stream.name for region in regions for stream in _waits(region)}
    if model.style == "rtl":
        shallow = {s.name: UNBOUNDED if s.name in waits else 2 for s in network.streams}
        if model.keeps(cycles, _frames(cycles), shallow):
            return {}
    ports = {port.name for port in (*network.inputs, *network.outputs)}  # what is outside may wait
    inside = [s for s in network.streams if not {s.source, s.sink} & ports]
    # unhurried, or the stages in front of the slowest would run ahead and pile up frames between them
    free = model.run(_frames(cycles), depths={s.name: UNBOUNDED for s in network.streams}, pace=cycles)
    return {s.name: free.most[s.name] + 1 for s in inside if s.name not in waits and free.most[s.name] > 2}


def _shrink(model: Model, cycles: int, depths: dict[str, int], bursts: dict[str, int]) -> None:
    """Take from the FIFOs that even out bursts, together and in PARTS steps, what the rate does not need."""
    if not bursts:
        return
    frames = _frames(cycles)
    target = max(cycles, model.run(frames, depths=depths).slowest)

    def shrunk(part):
        return depths | {name: max(2, depth * part // PARTS) for name, depth in bursts.items()}

    few, whole = (lambda part, n=n: model.keeps(target, n, shrunk(part)) for n in (FEW, frames))
    most = PARTS - 1
    if not (few(most) and whole(most)):  # mostly all is needed
        return
    depths.update(shrunk(0 if few(0) and whole(0) else _least_of_both(0, most, few, whole)))


def _waits(region: Region) -> list[Stream]:
    """The stream in which each branch of a region waits."""
    return [min(branch, key=lambda s: s.elements.width * s.beats) for branch in region.branches]


def _solve(
    region: Region, style: str, cycles: int, fixed: dict[str, int], kept: dict[bytes, list[int]]
) -> dict[str, int]:
    """The least depths of the streams in which the region's branches wait; ``kept``: those of equal regions."""
    waits = _waits(region)
    names = [stream.name for stream in waits]
    model = Model(region.network, style)
    known = {name: depth for name, depth in fixed.items() if name in model.streams}
    signature = model.signature(known | {name: -1 - i for i, name in enumerate(names)})
    if signature not in kept:
        kept[signature] = _search(model, waits, cycles, known, 1 if style == "rtl" else 16)
    return dict(zip(names, kept[signature]))


def _search(model: Model, waits: list[Stream], cycles: int, known: dict[str, int], part: int) -> list[int]:
    frames = _frames(cycles)
    free = model.run(frames, depths=known | {s.name: UNBOUNDED for s in waits})
    target = max(cycles, free.slowest)
    limit = free.fill + (frames + 1) * target  # longer only if it misses the target
    least = {s.name: max(known.get(s.name, 2), free.most[s.name] + 1) for s in waits}
    shortest = _shortest(model.network) if model.style == "hls" else None
    if shortest:
        free = shortest.run(1, depths=known | {s.name: UNBOUNDED for s in waits})
        least = {name: max(depth, free.most[name] + 1) for name, depth in least.items()}
    for stream in sorted(waits, key=lambda s: least[s.name] * s.elements.width):

        def enough(depth, name=stream.name):
            depths = known | least | {name: depth}
            keeps = model.keeps(target, frames, depths, limit)
            return keeps and not (shortest and shortest.run(1, depths=depths).deadlock)

        least[stream.name] = _least(known.get(stream.name, 2), least[stream.name], enough, part)
    return [least[s.name] for s in waits]


def _settle(model: Model, cycles: int, depths: dict[str, int], waits: list[str], tight: bool) -> None:
    """Grow the branches' depths until the whole network keeps its rate; if ``tight``, then shrink each again."""
    frames = _frames(cycles)
    if not waits or model.keeps(cycles, frames, depths):  # the plan's rate: no depths could do better
        return
    steps = [depths]  # each a tenth deeper

    def grown(step):
        while len(steps) <= step:
            steps.append(steps[-1] | {name: steps[-1][name] + -(-steps[-1][name] // 10) for name in waits})
        return steps[step]

    target, low, high = cycles, 0, 1  # the first step that is enough lies above `low`
    enough = lambda trial: _keeps(model, target, frames, trial)  # noqa: E731
    while high <= LIKELY and not enough(grown(high)):
        low, high = high, 2 * high
    endless = lambda step: False  # noqa: E731
    if high > LIKELY:  # which rate is there at all?
        free = model.run(frames, depths=depths | dict.fromkeys(waits, UNBOUNDED))
        endless = lambda step: all(grown(step)[name] > free.most[name] for name in waits)  # noqa: E731
        if free.slowest > cycles:
            target, low, high = free.slowest, 0, 1
            if enough(depths):
                return
        while not (endless(high) or enough(grown(high))):
            low, high = high, 2 * high
    few = lambda step: endless(step) or model.keeps(target, FEW, grown(step))  # noqa: E731
    whole = lambda step: endless(step) or model.keeps(target, frames, grown(step))  # noqa: E731
    found = dict(grown(_least_of_both(low, high, few, whole)))
    for name in waits if tight else ():
        if found[name] > depths[name]:
            found[name] = _least(depths[name], found[name], lambda depth, name=name: enough(found | {name: depth}))
    depths.update(found)


def _keeps(model: Model, cycles: int, frames: int, depths: dict[str, int]) -> bool:
    """As `Model.keeps`: a few frames tell of most depths that they are not enough."""
    return model.keeps(cycles, FEW, depths) and model.keeps(cycles, frames, depths)


def _least_of_both(low: int, high: int, few, whole) -> int:
    """`_least_above` of ``whole``, asked where ``few``, which costs less, does not say no."""
    found = _least_above(low, high, few)
    return found if found == high or whole(found) else _least_above(found, high, whole)


def _least(low: int, high: int, enough, part: int = 1) -> int:
    """The least number in ``low..high`` that is enough (``high`` is), or, with ``part`` > 1, one near above it."""
    return low if enough(low) else _least_above(low, high, enough, part)


def _least_above(low: int, high: int, enough, part: int = 1) -> int:
    """Likewise, where ``low`` is known not to be enough."""
    while high - low > max(1, high // part if part > 1 else 1):
        middle = (low + high) // 2
        if enough(middle):
            high = middle
        else:
            low = middle
    return high


def _why(region: Region, need: dict[str, int]) -> str:
    enough = f"{need['rtl']} beats in RTL" + (f" and {need['hls']} in C++" if "hls" in need else "")
    return f"waits for the other branch of {region.join.name}: {enough} keep the rate"


def _why_burst(network: Network, stream: Stream) -> str:
    stage = network.stage(stream.sink)
    return stage.backlog.why if stage.backlog else f"evens out the bursts of {stream.source} for {stage.name}"
