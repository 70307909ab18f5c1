"""Who does what, when: groups of points that have much in common, on pieces of the test set, in several processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path

from .. import processes
from ..errors import HwqatError
from ..folders import tidy
from ..passes import Target
from ..progress import bar
from ..runs import load_card
from ..sim.models.cycles import compile_model
from ..sim.models.golden import BLOCK
from . import worker
from .cost import COSTS
from .journal import Journal
from .points import Point
from .worker import Answer, Task, Worker

#: Points evaluated side by side; images of a piece at most (fewer where that is golden's own block).
GROUP, MOST_IMAGES = 8, 250


def run_sweep(
    source: str,
    points: list[Point],
    out: str | Path,
    *,
    limit: int | None = None,
    jobs: int | None = None,
    target: Target = Target(),
    data_dir: str | None = None,
    progress: bool = True,
    show: Callable[[dict], None] = lambda row: None,
) -> dict:
    """Evaluate points of a RUN; finished work is kept in ``out``, where an interrupted sweep goes on.

    Args:
        limit: test images at most; jobs: processes (default: the cores). show: called with each finished point's row.

    Returns:
        {net, data, target, images, points: [row, ...]} with the rows in the order of ``points``.
    """
    jobs = jobs or os.cpu_count() or 1
    here = Worker(source, data_dir, target, graphs=GROUP)
    images = len(here.labels[:limit])
    step = min(MOST_IMAGES, max(1, BLOCK // largest_tensor(here, points)))
    tidy(out)
    journal = Journal(out, fingerprint(source), step)
    pieces = [(start, min(start + step, images)) for start in range(0, images, step)]
    plain_target = repr(target)

    def row(point: Point) -> dict:
        counts = [journal.counts.get((point.key, *piece)) for piece in pieces]
        done = not point_left(point)
        cost = journal.costs.get((point.key, plain_target), {})
        accuracy = 100.0 * (sum(counts) / images) if done and None not in counts else None
        return {
            **point.plain(),
            "accuracy": accuracy,
            **{key: cost.get(key) for key in (*COSTS, "weight_bits", "saturated")},
            "error": journal.errors.get(point.key),
        }

    def point_left(point: Point) -> bool:
        if point.key in journal.errors:
            return False
        return (point.key, plain_target) not in journal.costs or any(
            (point.key, *piece) not in journal.counts for piece in pieces
        )

    try:
        waiting = [point for point in points if point_left(point)]
        for point in points:
            if point not in waiting:
                show(row(point))
        tasks = list(_tasks(waiting, pieces, journal, plain_target))
        work = sum(len(task.points) * (task.stop - task.start) for task in tasks)
        with ExitStack() as stack:
            answers = stack.enter_context(_answers(tasks, jobs, here, (source, data_dir, target)))
            shown = stack.enter_context(bar(work, "img", show=progress))
            for answer in answers:
                _note(journal, answer, plain_target)
                shown.update(len(answer.task.points) * (answer.task.stop - answer.task.start))
                finished = [point for point in answer.task.points if point in waiting and not point_left(point)]
                for point in finished:
                    waiting.remove(point)
                    with nullcontext() if shown.disable else shown.external_write_mode():
                        show(row(point))
        journal.settle()
        card = load_card(source)
        return {
            "net": card.net,
            "data": card.data,
            "target": target.device,
            "images": images,
            "points": [row(p) for p in points],
        }
    finally:
        journal.close()


def largest_tensor(worker: Worker, points: list[Point]) -> int:
    """Integers of one frame's largest tensor, by the first point that can be lowered (1 if none can)."""
    for point in points:
        with suppress(HwqatError):
            return max(node.out.size for node in worker.graph(point)[0].nodes)
    return 1


def fingerprint(source: str | Path) -> str:
    """Names a trained network: all that its RUN holds."""
    return load_card(source).digest


def _tasks(waiting: list[Point], pieces, journal: Journal, target: str) -> Iterator[Task]:
    """Neighbours in a group share most: the same bits and modes, widths from wide to narrow."""
    order = sorted(
        waiting,
        key=lambda p: (
            p.layer or "",
            p.weights or 0,
            p.acts or 0,
            p.power_of_two,
            str(p.int_bits),
            p.const_rounding,
            p.overflow,
            p.rounding,
            -p.rescale,
            p.acc_overflow or "",
            -(p.acc_bits or 99),
        ),
    )
    for i in range(0, len(order), GROUP):
        group = order[i : i + GROUP]
        for number, (start, stop) in enumerate(pieces):
            costs = tuple(p for p in group if number == 0 and (p.key, target) not in journal.costs)
            points = tuple(p for p in group if (p.key, start, stop) not in journal.counts or p in costs)
            if points:
                yield Task(points, start, stop, costs)


@contextmanager
def _answers(tasks: list[Task], jobs: int, here: Worker, arguments: tuple) -> Iterator[Iterator[Answer]]:
    """Answers as they come, from this process or from several."""
    if jobs == 1 or len(tasks) < 2:
        yield map(here.answer, tasks)
        return
    compile_model()
    processes.pooled()
    pool = ProcessPoolExecutor(min(jobs, len(tasks)), multiprocessing.get_context("spawn"), worker.start, arguments)
    try:
        with _interrupts_ignored():
            futures = [pool.submit(worker.work, task) for task in tasks]
        yield (future.result() for future in as_completed(futures))
    except BrokenProcessPool:
        raise HwqatError(
            "a process of the sweep died, perhaps for want of memory; start the sweep again with fewer --jobs, it goes on"
        ) from None
    except BaseException:
        for process in multiprocessing.active_children():  # what they are at is not in the journal; why wait for it
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Processes that begin within never hear an interrupt, not even while they import: it is the parent's business."""
    if threading.current_thread() is not threading.main_thread():  # Python lets no other set what signals do
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _note(journal: Journal, answer: Answer, target: str) -> None:
    task = answer.task
    for point, why in answer.errors.items():
        if point.key not in journal.errors:
            journal.add(point=point.key, error=why)
    for point, cost in answer.costs.items():
        journal.add(point=point.key, target=target, cost=cost)
    for point, correct in answer.correct.items():
        if (point.key, task.start, task.stop) not in journal.counts:
            journal.add(**{"point": point.key, "from": task.start, "to": task.stop, "correct": correct})
