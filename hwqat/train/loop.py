"""`fit`: the training loop, for float networks and QAT modules alike.

Data order, augmentation and schedule depend only on the seed, the epoch and the step, so a run that is interrupted
and started again ends with the same bits on CPU (with the same number of threads). What is reported is the final
epoch, never the best; the test set is looked at once, at the very end. Under `torchrun`, several processes train one
model (hwqat.train.parallel).
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hwqat import runs
from hwqat.data import Dataset, Split, from_loaders
from hwqat.decode import convert
from hwqat.errors import HwqatError
from hwqat.folders import tidy
from hwqat.nn import QatModel, QuantConv2d, QuantLinear
from hwqat.progress import bar, line_above
from hwqat.quant import kernels
from hwqat.runs import Run
from hwqat.runs.contents import load_contents
from hwqat.runs.save import digest_of, filled, save_run
from hwqat.train import board, checkpoint, statistics
from hwqat.train.config import TrainConfig
from hwqat.train.evaluate import count_right, logits_of
from hwqat.train.feed import Feed, StreamFeed
from hwqat.train.folder import Result, finished, require_free, require_same, write_log
from hwqat.train.freezing import Freezing
from hwqat.train.gradients import quantised_gradients
from hwqat.train.memory import keep_pages
from hwqat.train.optim import build_optimizer, rate, set_rate
from hwqat.train.oscillation import Oscillation
from hwqat.train.own import name_of
from hwqat.train.parallel import World
from hwqat.train.strided import quick_gradients

log = logging.getLogger(__name__)
#: What training makes small: of the outputs and the labels of a batch.
Loss = Callable[[Any, Tensor], Tensor]


def fit(
    model: nn.Module,
    dataset: Dataset | Sequence,
    config: TrainConfig,
    out: str | Path | None = None,
    *,
    run: Run | None = None,
    teacher: nn.Module | None = None,
    loss: Loss | None = None,
    device: str | torch.device | None = None,
    progress: bool = True,
) -> Result:
    """Train `model` in place and leave it in eval().

    Args:
        dataset: or DataLoaders, (train, test) or (train, valid, test): `hwqat.data.from_loaders` says how they are read.
        out: RUN folder. If it holds an unfinished run, training goes on from there; if a finished one, its weights are
            loaded and its result returned. Either must have been begun with the same net, data, scheme and config.
        run: net, net_kwargs and command for run.json (its other fields are filled in here); None: the network is called
            what its class is.
        teacher: for distillation, needed exactly if config.distill > 0.
        loss: instead of cross entropy, ``loss(outputs, labels)``: what the network gives for a batch, in float32 (a tuple,
            where it has several outputs), and int64 (N,); a scalar. Of several outputs the first says the class.
        device: default cuda if there is one, else cpu.
        progress: a bar and a line per epoch on stderr.

    Started by `torchrun`, every process calls this with the same arguments and shares each batch of config.batch
    images; gradients are those of the whole batch, rank 0 alone writes `out`, and all return the same result.
    """
    if (teacher is not None) != (config.distill > 0):
        raise HwqatError(f"distillation needs a teacher and distill above 0 together; distill is {config.distill}")
    if loss is not None and (teacher is not None or config.label_smoothing):
        raise HwqatError("distill and label_smoothing are of the built-in loss; leave them out where loss is your own")
    if not isinstance(dataset, Dataset):
        dataset = from_loaders(dataset)
    if run is None:
        run = Run(name_of(model), dataset.name, {}, seed=0, epochs_done=0, command="hwqat.fit() in Python")
    run = dataclasses.replace(run, config=config.to_dict(), seed=config.seed, epochs_done=0, accuracy={})
    folder = Path(out) if out is not None else None
    if config.start_size and isinstance(model, QatModel):
        raise HwqatError("images grow (start_size) in float training only; leave start_size out of [train]")
    if folder is not None:
        run = dataclasses.replace(filled(run, model, dataset), begun=digest_of(model, dataset))
    if config.tensorboard:
        board.require(folder)
    world = World.join()
    if folder is not None and (done := world.ask_first(lambda: finished(folder, run))) is not None:
        contents = load_contents(folder)
        runs.load_weights(model, contents.state, folder / runs.MODEL)
        model.eval()
        if contents.integers:
            model.keep(contents.integers, contents.coded)
        return done
    if config.use_validation and dataset.stream is not None:
        raise HwqatError(
            "use_validation adds images in memory to the training images; a DataLoader of yours has its own"
        )
    if config.use_validation:
        dataset = dataset.with_validation_in_training()
    if dataset.stream is None and min(config.batch, len(dataset.train)) < world.size:
        raise HwqatError(f"{world.size} processes cannot share a batch of {config.batch}; start fewer, or raise batch")
    where = torch.device(device) if device is not None else world.device()
    keep_pages()
    with threads_for(dataset, config):
        trainer = _Trainer(model, dataset, config, folder, run, teacher, loss, where, progress and world.first, world)
        with quantised_gradients(model, config.gradient_bits), kernels.fused(config.compile), quick_gradients(model):
            return trainer.run_all()


#: Elements of a batch of images below which a second thread waits more than it works.
SMALL_BATCH = 1 << 16


@contextlib.contextmanager
def threads_for(dataset: Dataset, config: TrainConfig) -> Iterator[None]:
    """One thread for tiny images: on a busy machine, two that meet at every small operator are 50 times slower."""
    before = torch.get_num_threads()
    if config.batch * dataset.train.images[0].numel() < SMALL_BATCH:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass
class _Position:
    """Where training stands. epoch, step: the next to run. The sums are over the steps of this epoch so far."""

    epoch: int = 0
    step: int = 0
    loss: float = 0.0
    correct: int = 0
    seen: int = 0
    seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)


class _Trainer:
    """One run of `fit`: its parts, and its mutable position."""

    def __init__(
        self,
        model: nn.Module,
        dataset: Dataset,
        config: TrainConfig,
        folder: Path | None,
        run: Run,
        teacher: nn.Module | None,
        loss: Loss | None,
        device: torch.device,
        progress: bool,
        world: World,
    ) -> None:
        torch.manual_seed(config.seed)
        self.world = world
        self.config, self.dataset, self.folder, self.run, self.device = config, dataset, folder, run, device
        last = config.channels_last or (config.compile and device.type == "cpu")
        self.memory_format = torch.channels_last if last else torch.contiguous_format
        self.model = model.to(device=device, memory_format=self.memory_format)
        self.own_loss, self.teacher = loss, None
        if teacher is not None:
            self.teacher = teacher.to(device=device, memory_format=self.memory_format).eval()
        self.forward = torch.compile(model) if config.compile and device.type != "cpu" else model
        self.optimizer = build_optimizer(model, config)
        self.layers = {n: m for n, m in model.named_modules() if isinstance(m, (QuantConv2d, QuantLinear))}
        self.oscillation = Oscillation(self.layers, config)
        self.average = {k: v.detach().clone() for k, v in model.state_dict().items()} if config.average else None
        feed = Feed if dataset.stream is None else StreamFeed
        self.feed = feed(dataset, config, device, self.memory_format)
        # The first epoch with frozen batch-norm statistics; one at least, if any are asked for.
        frozen = max(1, round(config.freeze_bn * config.epochs)) if config.freeze_bn else 0
        self.freeze_from = config.epochs - frozen
        self.freezing = Freezing(self.layers, config.freeze_layers, config.epochs * self.feed.steps)
        self.at = _Position()
        self.progress = progress
        self.last_save = time.monotonic()

    # The run ------------------------------------------------------------------------------------------------------

    def run_all(self) -> Result:
        self.resume()
        self.world.from_first_(self.model.state_dict().values())  # all begin alike, whatever they were given
        total = self.config.epochs * self.feed.steps
        logged = self.folder if self.config.tensorboard and self.world.first else None
        with (
            board.opened(logged, self.at.epoch + 1) as self.show,
            bar(total, "step", show=self.progress, done=self.at.epoch * self.feed.steps + self.at.step) as shown,
        ):
            while self.at.epoch < self.config.epochs:
                self.run_epoch(shown)
        return self.finish()

    def run_epoch(self, shown) -> None:
        at = self.at
        self.enter_training_mode()
        begin = time.monotonic() - at.seconds
        for step, index in self.feed.batches(at.epoch, at.step):
            with self.freezing.step(at.epoch * self.feed.steps + step):
                loss, correct = self.train_step(step, index)
            at.step, at.seen = step + 1, at.seen + len(index)
            at.loss, at.correct = at.loss + loss * len(index), at.correct + correct
            at.seconds = time.monotonic() - begin
            shown.update()
            if time.monotonic() - self.last_save > 60 * self.config.checkpoint_minutes:
                self.save()
        valid = float("nan")
        if (at.epoch + 1) % self.config.valid_every == 0 or at.epoch + 1 == self.config.epochs:
            with self.averaged():
                self.refresh()
                valid = self.accuracy(self.dataset.valid)
        row = {
            "epoch": at.epoch + 1,
            "lr": self.optimizer.param_groups[0]["lr"] / self.optimizer.param_groups[0]["factor"],
            "train_loss": at.loss / max(1, at.seen),
            "train_accuracy": 100 * at.correct / max(1, at.seen),
            "valid_accuracy": valid,
            "seconds": time.monotonic() - begin,
        }
        self.at = _Position(epoch=at.epoch + 1, history=[*at.history, row])
        self.save()
        self.show(row)
        if self.progress:
            line_above(
                shown,
                f"epoch {row['epoch']}/{self.config.epochs}  loss {row['train_loss']:.4f}  "
                f"train {row['train_accuracy']:.2f} %  valid {valid:.2f} %  {row['seconds']:.0f} s",
            )

    def train_step(self, step: int, index: Tensor) -> tuple[float, int]:
        """One update on the images of `index`, of which each process takes its share.

        Returns the mean loss and the number classified right, of all.
        """
        config, world = self.config, self.world
        steps = config.epochs * self.feed.steps
        share = rate(self.at.epoch * self.feed.steps + step, steps, round(config.warmup * self.feed.steps))
        set_rate(self.optimizer, config.lr * share)
        mine = world.share(index)
        self.seed_step(step)
        images = self.feed.draw(self.at.epoch, mine)
        labels = self.feed.labels[mine]
        with self.autocast():
            outputs = self.forward(images)
        outputs = outputs.float() if isinstance(outputs, Tensor) else tuple(output.float() for output in outputs)
        loss = self.loss(outputs, labels, images) + self.oscillation.penalty(self.done(step))
        if world.size > 1:
            loss = loss * (len(mine) * world.size / len(index))  # so that the mean over processes is that of the batch
        self.optimizer.zero_grad()
        loss.backward()
        tally = torch.stack([loss.detach(), (logits_of(outputs).argmax(1) == labels).sum() * float(world.size)])
        world.mean_([*self.gradients(), *self.statistics(), tally])
        self.optimizer.step()
        for layer in self.layers.values():
            layer.restrain()
        self.oscillation.see(self.done(step + 1))
        if self.average is not None:
            _average_into(self.average, self.model, config.average)
        value, correct = tally.tolist()
        if value != value:
            raise HwqatError(
                f"the loss became NaN in epoch {self.at.epoch + 1}, step {step + 1}; lower lr (now {config.lr})"
            )
        return value, round(correct)

    def done(self, step: int) -> float:
        """The share of training that is done, `step` steps into this epoch."""
        return (self.at.epoch * self.feed.steps + step) / (self.config.epochs * self.feed.steps)

    def loss(self, logits: Tensor | tuple[Tensor, ...], labels: Tensor, images: Tensor) -> Tensor:
        """The user's own, or cross entropy, mixed with the teacher's softened outputs where distillation is on."""
        if self.own_loss is not None:
            return self.own_loss(logits, labels)
        if not isinstance(logits, Tensor):
            raise HwqatError(f"the network has {len(logits)} outputs; say what to train: hwqat.fit(..., loss=)")
        config = self.config
        hard = F.cross_entropy(logits, labels, label_smoothing=config.label_smoothing)
        if self.teacher is None:
            return hard
        with torch.no_grad(), self.autocast():
            teacher_logits = self.teacher(images)
        temperature = config.distill_temperature
        ours, theirs = (F.log_softmax(x.float() / temperature, 1) for x in (logits, teacher_logits))
        soft = F.kl_div(ours, theirs, reduction="batchmean", log_target=True)
        return (
            1 - config.distill
        ) * hard + config.distill * temperature * temperature * soft  # temperature^2: equal gradients

    def finish(self) -> Result:
        """Final weights into the model, the one look at the test set, and the RUN folder complete."""
        if self.average is not None:
            self.model.load_state_dict(self.average)
        self.refresh()
        self.model.eval()
        result = Result(
            valid_accuracy=self.accuracy(self.dataset.valid),
            test_accuracy=self.accuracy(self.dataset.test),
            history=tuple(self.at.history),
        )
        if self.folder is not None and self.world.first:
            done = dataclasses.replace(
                self.run,
                epochs_done=self.at.epoch,
                accuracy={
                    split: None if math.isnan(percent) else percent
                    for split, percent in (("valid", result.valid_accuracy), ("test", result.test_accuracy))
                },
            )
            write_log(self.folder, self.at.history)
            save_run(self.folder, done, self.model, self.dataset)
            (self.folder / checkpoint.NAME).unlink(missing_ok=True)
        self.world.wait()  # for the folder to be complete, since the caller may read it at once
        return result

    # Its parts ----------------------------------------------------------------------------------------------------

    def accuracy(self, split: Split) -> float:
        """hwqat.train.accuracy of the model, every process on its share of the images."""
        if len(split) == 0:
            return float("nan")
        mine = split.take(self.world.share(torch.arange(len(split))))
        return 100 * self.world.sum(count_right(self.model, mine, self.dataset.grid)) / len(split)

    def seed_step(self, step: int) -> None:
        """Several processes draw each step's randomness (dropout) from its place and their rank.

        Rank 0's checkpoint then is enough to go on with; a single process keeps its generator's state in it.
        """
        if self.world.size > 1:
            place = ((self.config.seed + 1) * 3_000_017 + self.at.epoch) * self.feed.steps + step
            torch.manual_seed(place * self.world.size + self.world.rank)

    def gradients(self) -> list[Tensor]:
        """Those of this step, in the order of the parameters."""
        return [p.grad for p in self.model.parameters() if p.grad is not None]

    def statistics(self) -> list[Tensor]:
        """The running statistics that this step moved."""
        return statistics.running(self.model) if self.at.epoch < self.freeze_from else []

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bfloat16")

    def enter_training_mode(self) -> None:
        """train(); from the freezing epoch on with frozen statistics, re-estimated as that epoch begins."""
        self.model.train()
        if self.at.epoch < self.freeze_from:
            return
        if self.at.epoch == self.freeze_from and self.at.step == 0:
            self.reestimate()
        statistics.freeze(self.model)

    def refresh(self) -> None:
        """Before an evaluation: batch-norm statistics anew, if that is asked for and none are frozen."""
        if self.config.reestimate_bn and not (self.config.freeze_bn and self.at.epoch >= self.freeze_from):
            self.reestimate()

    def reestimate(self) -> None:
        """Batch-norm statistics anew, over the first batches of this epoch, or of the last one at the end."""
        epoch = min(self.at.epoch, self.config.epochs - 1)
        clean = (self.feed.draw(epoch, index) for _, index in self.feed.batches(epoch))
        statistics.reestimate(self.model, (next(clean) for _ in range(min(self.config.bn_batches, self.feed.steps))))
        self.world.from_first_(statistics.running(self.model))  # each saw the same; a GPU may round otherwise

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Within, the model has its averaged weights, if averaging is on."""
        if self.average is None:
            yield
            return
        current = {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}
        self.model.load_state_dict(self.average)
        yield
        self.model.load_state_dict(current)

    # The folder ---------------------------------------------------------------------------------------------------

    def resume(self) -> None:
        if self.folder is None:
            return
        found = self.world.ask_first(self.find_checkpoint)
        if found is None:
            return
        progress, tensors = found
        where, advice = str(self.folder / checkpoint.NAME), "remove it, or train into another folder"
        require_same(self.folder, convert(progress.get("run"), Run, where, advice), self.run)
        at = convert(progress.get("position"), _Position, where, advice)
        checkpoint.restore(self.folder, tensors, self.model, self.optimizer, self.more())
        self.at = at
        self.freezing.apply()
        if self.progress:
            log.info(f"going on in {self.folder} from epoch {self.at.epoch + 1}, step {self.at.step + 1}")

    def find_checkpoint(self) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
        """The folder's checkpoint; if there is none, the folder is made and gets its card."""
        tidy(self.folder)
        require_free(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        found = checkpoint.load_progress(self.folder)
        if found is None:
            runs.save_card(self.folder, self.run)
        return found

    def more(self) -> dict[str, dict[str, Tensor]]:
        """What a checkpoint holds beside model and optimiser."""
        tensors = {"oscillation": self.oscillation.tensors(), "freezing": self.freezing.tensors()}
        return {"average": self.average or {}} | tensors

    def save(self) -> None:
        self.last_save = time.monotonic()
        if self.folder is None or not self.world.first:
            return
        progress = {"run": dataclasses.asdict(self.run), "position": dataclasses.asdict(self.at)}
        checkpoint.save(self.folder, progress, self.model, self.optimizer, self.more())
        write_log(self.folder, self.at.history)
        runs.save_card(self.folder, dataclasses.replace(self.run, epochs_done=self.at.epoch))


def _average_into(average: dict[str, Tensor], model: nn.Module, decay: float) -> None:
    """One step of the exponential average; what is not floating point is copied."""
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                average[name].lerp_(tensor, 1 - decay)
            else:
                average[name].copy_(tensor)
