"""Speed and memory of a training step: our sizes beside `transformers`' AST and CLAP audio encoder.

Usage: python benchmarks/training_speed.py [--batch-size 8] [--rounds 3] [--threads 2] [-o speed.json]

Weights are random, inputs are noise of each network's own length. A step is forward, loss, backward and
AdamW; ours begins with the waveform and so includes its spectrum, theirs begins with features. "from sound"
adds what their extractors (numpy, in the same process) take to make these.

Every contestant is a process, or two that share the batch. In each round all take their turn one after the
other: started, three steps to warm up (the memory of the first two comes from the system page by page),
three that are measured, of which the median counts, ended, because together they do not fit into memory.
Medians of the rounds are told. The others also run as they would by themselves: without the setting by which
our training keeps freed memory. The peak is what a process held at most, less what it held before it had a
network; of two, that of the first.

The loader is measured by itself, in one process: clips cut from 32 kHz FLAC files of the example scene, or
from memory, and changed as in training. Its share is that of a run in which loader and step take turns
(`--n-workers 0`).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import socket
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
import torch
from lightning.fabric import Fabric
from listening_memory import SCENE, processor
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from training_rivals import RIVALS, SECONDS, Rival

from htsat.audio import load_audio
from htsat.data.dataset import ClipMaker, TrainingClips
from htsat.data.sampling import PartSampler
from htsat.network import HTSAT, ModelConfig
from htsat.training.batches import load_parts
from htsat.training.experiment import Experiment, Machines, Optimisation
from htsat.training.parallel import build_fabric, prepare_network, processes
from htsat.training.split import build_sampler, open_split, read_split

N_FILES = 32
N_WARM_UP, N_MEASURED = 3, 3


@dataclass(frozen=True)
class Contestant:
    """A network in training on a device."""

    name: str
    device: str
    precision: str
    n_processes: int
    batch_size: int
    """Over all processes."""
    n_threads: int
    """Of each process."""
    memory: str
    """`kept` by the C library, as in our training runs, or `returned` to the system, as is usual."""


@dataclass(frozen=True)
class Step:
    """What one step took; features that are part of it took nothing beside it."""

    step_s: float
    features_s: float
    peak_mib: float


def take_turn(contestant: Contestant) -> Step:
    """Let the processes of a contestant take a step; the slowest of them counts."""
    port = _free_port()
    workers = [_start(contestant, rank, port) for rank in range(contestant.n_processes)]
    taken: list[Step] = [worker.answer.recv() for worker in workers]
    for worker in workers:
        worker.process.join()
    return replace(taken[0], step_s=max(step.step_s for step in taken))


def result(contestant: Contestant, steps: list[Step]) -> dict[str, Any]:
    """Medians of the steps of a contestant."""
    step_s = statistics.median(step.step_s for step in steps)
    features_s = statistics.median(step.features_s for step in steps)
    n_clips = contestant.batch_size
    return {
        **asdict(contestant),
        "clip_s": SECONDS[contestant.name],
        "clips_per_s": n_clips / step_s,
        "clips_per_s_from_sound": n_clips / (step_s + features_s),
        "peak_mib": max(step.peak_mib for step in steps),
        "steps_s": [step.step_s for step in steps],
    }


class Worker(NamedTuple):
    """A process of a contestant, and where its step will be told."""

    process: BaseProcess
    answer: Connection


def _start(contestant: Contestant, rank: int, port: int) -> Worker:
    """Start a process as `torchrun` would; it takes over the environment of this moment."""
    os.environ |= {
        "TORCHELASTIC_RUN_ID": "benchmark",
        "WORLD_SIZE": str(contestant.n_processes),
        "LOCAL_WORLD_SIZE": str(contestant.n_processes),
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "OMP_NUM_THREADS": str(contestant.n_threads),
    }
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=contest, args=(contestant, there), daemon=True)
    process.start()
    there.close()
    return Worker(process, here)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def contest(contestant: Contestant, answer: Connection) -> None:
    """Be a process of a contestant, and tell what its steps took."""
    torch.set_num_threads(contestant.n_threads)
    experiment = Experiment(
        device=contestant.device,  # type: ignore[arg-type]
        precision=contestant.precision,  # type: ignore[arg-type]
        machines=Machines(n_devices=contestant.n_processes),
        optimisation=Optimisation(batch_size=contestant.batch_size),
    )
    if contestant.memory == "returned":
        processes.keep_freed_memory = lambda: None
    fabric = build_fabric(experiment)
    n_clips = contestant.batch_size // fabric.world_size
    build = RIVALS[contestant.name]()
    before_mib = _peak_mib(fabric.device)
    rival = build()
    if isinstance(rival.network, HTSAT):
        prepare_network(rival.network, experiment, fabric)
    step = _stepper(fabric, rival)
    inputs = rival.inputs(n_clips)
    seconds = [step(inputs.batch) for _ in range(N_WARM_UP + N_MEASURED)]
    step_s = statistics.median(seconds[N_WARM_UP:])
    answer.send(Step(step_s, inputs.features_s, _peak_mib(fabric.device) - before_mib))


def _stepper(fabric: Fabric, rival: Rival) -> Callable[[Tensor], float]:
    """A step of training on a batch, which tells the seconds it took."""
    network = fabric.setup_module(rival.network.train())
    optimizer = fabric.setup_optimizers(torch.optim.AdamW(network.parameters(), lr=1e-5, fused=True))

    def step(batch: Tensor) -> float:
        batch = fabric.to_device(batch)
        fabric.barrier()
        began = time.perf_counter()
        logits = rival.logits(network(batch)).float()
        fabric.backward(binary_cross_entropy_with_logits(logits, torch.rand_like(logits)))
        optimizer.step()
        optimizer.zero_grad()
        if fabric.device.type == "cuda":
            torch.cuda.synchronize(fabric.device)
        return time.perf_counter() - began

    return step


def _peak_mib(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def loader_clips_per_s(size: str, memory_gb: float, folder: Path) -> float:
    """Clips that the loader of a training run makes in a second."""
    machines, optimisation = Machines(memory_gb=memory_gb), Optimisation(batch_size=8)
    experiment = Experiment(data=str(folder), valid_share=0, machines=machines, optimisation=optimisation)
    config, split = ModelConfig.named(size, n_classes=1), read_split(experiment)
    sounds = open_split(split, experiment, config, iter).train.sounds
    maker = ClipMaker(clip_samples=config.clip_samples, augmentation=experiment.augmentation, seed=0)
    clips = TrainingClips(sounds, split.train.labels, maker)
    parts = PartSampler(build_sampler(experiment, sounds.clips, split.train.labels), 8)
    loader = load_parts(clips, parts, n_workers=0)
    began = time.perf_counter()
    return sum(len(batch.waveform) for batch in loader) / (time.perf_counter() - began)


def write_recordings(folder: Path) -> None:
    """Stretches of the scene, 12 s each."""
    scene = load_audio(SCENE, 32_000)
    (folder / "scene").mkdir()
    for number in range(N_FILES):
        stretch = np.roll(scene, -number * 32_000)[: 12 * 32_000]
        soundfile.write(folder / "scene" / f"{number}.flac", stretch, 32_000)


def measure_loader(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each of our sizes and stores; the share beside the step of one process in float32 or bfloat16."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        write_recordings(Path(folder))
        for size in ("nano", "tiny"):
            for store, memory_gb in (("FLAC", 0.0), ("memory", 8.0)):
                made_per_s = loader_clips_per_s(size, memory_gb, Path(folder))
                for result in results:
                    if result["name"] == size and result["n_processes"] == 1:
                        learned_per_s = result["clips_per_s"]
                        share = learned_per_s / (made_per_s + learned_per_s)
                        kind = {name: result[name] for name in ("name", "device", "precision")}
                        rows.append({**kind, "store": store, "clips_per_s": made_per_s, "share": share})
    return rows


def contestants(args: argparse.Namespace) -> list[Contestant]:
    """All that is asked for and can be had here."""
    found = []
    for device in ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]:
        n_most = 2 if device == "cpu" else torch.cuda.device_count()
        for name in args.networks:
            for precision in ("32-true", "bf16-mixed"):
                is_shared = n_most > 1 and name in ("nano", "tiny") and precision == "32-true"
                n_threads = max(1, args.threads)
                kinds = [(1, "kept"), (2, "kept")] if is_shared else [(1, "kept")]
                if device == "cpu" and name in ("AST", "CLAP"):
                    kinds.append((1, "returned"))
                found += [
                    Contestant(name, device, precision, n, args.batch_size, n_threads // n, memory)
                    for n, memory in kinds
                ]
    return found


def show(results: list[dict[str, Any]], loader: list[dict[str, Any]]) -> None:
    print(
        f"{'network':8} {'clip s':>6} {'device':>6} {'precision':>10} {'processes':>9} {'memory':>8} "
        f"{'clips/s':>8} {'from sound':>10} {'peak MiB':>9}"
    )
    for row in results:
        print(
            f"{row['name']:8} {row['clip_s']:6.2f} {row['device']:>6} {row['precision']:>10} "
            f"{row['n_processes']:9d} {row['memory']:>8} {row['clips_per_s']:8.2f} "
            f"{row['clips_per_s_from_sound']:10.2f} {row['peak_mib']:9.0f}"
        )
    print(f"\n{'loader':8} {'from':>6} {'device':>6} {'precision':>10} {'clips/s':>8} {'share':>6}")
    for row in loader:
        print(
            f"{row['name']:8} {row['store']:>6} {row['device']:>6} {row['precision']:>10} "
            f"{row['clips_per_s']:8.1f} {row['share']:6.1%}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", choices=RIVALS, default=list(RIVALS))
    parser.add_argument("--batch-size", type=int, default=8, help="clips in a step, over all processes")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="over all processes")
    parser.add_argument("-o", "--output", type=Path)
    args = parser.parse_args()
    everybody = contestants(args)
    rounds = [[take_turn(contestant) for contestant in everybody] for _ in range(args.rounds)]
    steps = zip(*rounds, strict=True)
    results = [result(contestant, list(taken)) for contestant, taken in zip(everybody, steps, strict=True)]
    torch.set_num_threads(args.threads)
    loader = measure_loader(results)
    show(results, loader)
    if args.output:
        machine = {"processor": processor(), "cores": os.cpu_count(), "torch": torch.__version__}
        content = {"machine": machine, "steps": results, "loader": loader}
        args.output.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main()
