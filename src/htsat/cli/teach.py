"""`htsat teach`: let a model hear what training will hear, and write its answers down."""

from __future__ import annotations

import sys
from pathlib import Path

from tqdm import tqdm

from htsat.checkpoints import load_model
from htsat.checkpoints.resolve import resolve
from htsat.cli.learning import (
    LearningParser,
    as_options,
    experiment_of,
    read_presets,
    unasked_presets,
    watcher,
    with_files,
    with_underscores,
)
from htsat.cli.terminal import say
from htsat.data.dataset import TrainingClips
from htsat.engines.choose import DeviceName
from htsat.engines.torch_engine import TorchEngine
from htsat.errors import ConfigError, DataError, did_you_mean
from htsat.files import sha256
from htsat.labels import LabelSet
from htsat.recognition.crops import crop_logits
from htsat.scores import FloatArray, Task
from htsat.training.split import open_split, read_split, resolve_task, training_clips
from htsat.training.start import start_network
from htsat.training.teaching.answers import Questions
from htsat.training.teaching.asking import Pace, write_answers
from htsat.training.teaching.teachers import Heard, Teacher, function_teacher, is_function
from htsat.training.teaching.writer import AnswerPlan, AnswerWriter

_DESCRIPTION = """Let a model, or the mean of several, hear the clips as training will draw them, and write
its answers to the folder ANSWERS. A training run with the same data, seed and augmentation learns from them
with --teaching.answers ANSWERS. After an interruption the same command goes on."""
_EPILOG = "example: htsat teach --teacher big.safetensors --data recordings/ -o answers/ --passes 10"
_TOP_K = 20


def main(argv: list[str]) -> int:
    """Run the command."""
    parser, words = _parser(), with_underscores(argv)
    asked = parser.parse_args(with_files(words))
    presets = () if asked.data is None else unasked_presets(asked.data, words)
    args = parser.instantiate(parser.parse_args([*as_options(read_presets(presets)), *with_files(words)]))
    experiment = experiment_of(args)
    if args.passes < 1 or args.batch_size < 1:
        raise ConfigError(f"--passes and --batch-size must be positive, got {args.passes}, {args.batch_size}")
    split = read_split(experiment)
    labels, experiment = split.train.labels, resolve_task(experiment, split.train)
    teachers = tuple(
        _teacher(name, labels, experiment.resolved_task, experiment.device) for name in args.teacher
    )
    network = start_network(experiment, labels).config
    opened = open_split(split._replace(valid=None), experiment, network, watcher(1).reading)
    questions = Questions.of(experiment, labels, opened.train.sounds, network.clip_samples)
    top_k = min(_TOP_K, len(labels)) if args.top_k is None else args.top_k
    n_frames = network.n_frames if args.frames else None
    plan = AnswerPlan(questions, teachers, args.passes, top_k, n_frames)
    clips = training_clips(experiment, opened, labels, network)
    _write(args.output, plan, clips, Pace(args.batch_size, experiment.n_workers))
    print(args.output)
    return 0


def _parser() -> LearningParser:
    parser = LearningParser("teach", _DESCRIPTION, _EPILOG)
    parser.add_argument(
        "--teacher",
        action="append",
        required=True,
        metavar="M",
        help="name, model file, hf://owner/repo, or module:function of Python; "
        "several times: the mean of their probabilities",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="ANSWERS", help="folder to write to"
    )
    parser.add_argument(
        "--passes", type=int, default=10, metavar="N", help="epochs with answers of their own (default: 10)"
    )
    parser.add_argument(
        "--top_k",
        type=int | None,
        metavar="K",
        help=f"logits that are kept of each answer (default: {_TOP_K}, or all of fewer classes)",
    )
    parser.add_argument(
        "--frames",
        action="store_true",
        help="keep logits for the frames of the student too, of the K classes that are loudest in any frame",
    )
    parser.add_argument(
        "--batch_size", type=int, default=8, metavar="N", help="clips heard together (default: 8)"
    )
    parser.add_settings()
    return parser


def _teacher(name: str, labels: LabelSet, task: Task, device: DeviceName) -> Teacher:
    return function_teacher(name, labels) if is_function(name) else _model_teacher(name, labels, task, device)


def _model_teacher(name: str, labels: LabelSet, task: Task, device: DeviceName) -> Teacher:
    """One of our models, which must know all classes; those that it knows besides are left out."""
    path = resolve(name)
    model = load_model(path)
    known = model.card.labels
    for label in labels:
        if label not in known:
            raise DataError(f"teacher {name!r} has no class {label!r}{did_you_mean(label, known)}")
    if model.card.task != task:
        raise DataError(f"teacher {name!r} is {model.card.task}, the student is to be {task} (--task)")
    engine = TorchEngine(model, name, device)
    order = [known.index(label) for label in labels]

    def hear(waveforms: FloatArray, sample_rate: int) -> Heard:
        heard = crop_logits(engine, waveforms, sample_rate)
        return Heard(heard.clips[:, order], heard.frames[..., order], heard.grid.boundaries_s)

    return Teacher(name, sha256(path), hear)


def _write(folder: Path, plan: AnswerPlan, clips: TrainingClips, pace: Pace) -> None:
    broken: set[str] = set()
    n_answers = plan.sizes.n_answers
    with (
        AnswerWriter(folder, plan) as writer,
        tqdm(total=n_answers, initial=writer.n_done, unit="clip", disable=not sys.stderr.isatty()) as bar,
    ):
        if plan.n_frames is not None:
            size_mb = plan.sizes.n_bytes / 1e6
            say(f"{folder}: {n_answers} answers with {plan.n_frames} frames each are {size_mb:.1f} MB")
        for answered in write_answers(writer, clips, plan.teachers, pace):
            for reason in set(answered.broken) - broken:
                say(f"left out: {reason}")
            broken.update(answered.broken)
            bar.update(answered.n_crops)
