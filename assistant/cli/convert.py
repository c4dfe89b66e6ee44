"""``assistant convert``: a published checkpoint becomes a quantized, measured model of the store."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click_default_group import DefaultGroup

from assistant.cli import convert_tools
from assistant.cli.convert_display import ConvertDisplay
from models.errors import Cancelled, UsageError
from models.pull import size_text
from models.store import Store

if TYPE_CHECKING:
    from convert.pipeline import Plan

_FILE = click.Path(path_type=Path)
_HINT_GO_ON = "What was finished is kept: the same command goes on from there. To drop it: assistant convert clean"
_HINT_GO_ON_BESIDE = "What was finished is kept beside the output, in .{}.convert: the same command goes on from there."


@click.group(
    cls=DefaultGroup, default="run", default_if_no_args=False, short_help="Make a quantized model of a checkpoint."
)
def convert() -> None:
    """Make a quantized model of a checkpoint: assistant convert FOLDER

    Without the name of a command it is `run`. docs/convert.md explains what it does and what its numbers mean.
    """


def _recipe_flags(command: Callable[..., None]) -> Callable[..., None]:
    """What becomes of the weights, how it is measured, and where it goes."""
    flags = [
        click.option("--quant", metavar="TYPE", help="Q4_K_M (the default), Q8_0 … Q2_K, IQ4_XS …, F16, BF16, F32."),
        click.option(
            "--for",
            "backend",
            type=click.Choice(["cpu", "cuda", "metal", "this-machine"]),
            help="Choose the type for it; this-machine measures six here, which takes minutes.",
        ),
        click.option("--target-size", metavar="SIZE", help="The best that is not larger: 3.2GB."),
        click.option("--recipe", type=_FILE, help="A TOML file that says the type of every tensor."),
        click.option("--dry-run", is_flag=True, help="Print the type of every tensor and the size, and stop."),
        click.option("--imatrix", type=_FILE, help="Use this importance matrix."),
        click.option("--calibration", type=_FILE, metavar="TEXT", help="Compute the importance matrix from this text."),
        click.option(
            "--importance/--no-importance",
            default=None,
            help="Compute one; by default under 5.6 bits a weight. Without it all is done in half the time.",
        ),
        click.option(
            "--protect-super-weights/--no-protect-super-weights",
            "protect",
            default=None,
            help="Give tensors with super weights a larger type; by default under 5 bits a weight.",
        ),
        click.option("--measure/--no-measure", default=True, help="Measure quality and speed (default)."),
        click.option("--text", type=_FILE, help="Measure the quality on this text."),
        click.option("--draft", metavar="MODEL", help="Its draft model; `none`: do not look for one."),
        click.option("--name", help="Its name in the store."),
        click.option("-o", "--output", type=_FILE, metavar="FILE", help="Write it there instead of the store."),
        click.option("--keep-intermediate", is_flag=True, help="Keep the unquantized GGUF and the importance matrix."),
        click.option("--threads", type=click.IntRange(1, 512), help="Of the CPU."),
        click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object."),
    ]
    for flag in reversed(flags):
        command = flag(command)
    return command


@convert.command(short_help="Convert, quantize, measure and install a checkpoint.")
@click.argument("source", metavar="SOURCE")
@_recipe_flags
@click.option("--pre", metavar="NAME", help="The pre-tokenizer, where it is not recognised.")
@click.option("--revision", help="Branch, tag or commit of a repository of the hub.")
@click.option("--split-size", metavar="SIZE", help="Write parts of this size (F32, F16, BF16).")
def run(source: str, **flags: Any) -> None:
    """Convert, quantize, measure and install SOURCE: a checkpoint's folder, or org/name of the Hugging Face hub.

    A run that was stopped goes on where it was. Exit codes: 0 done, 1 failed, 2 usage, 3 the checkpoint cannot be
    used, 5 needs the network, 6 a file of the hub is not what it should be, 130 stopped by Ctrl+C.
    """
    _run(source, flags)


@convert.command(short_help="Quantize a GGUF file anew.")
@click.argument("file", metavar="FILE.gguf")
@_recipe_flags
def requantize(file: str, **flags: Any) -> None:
    """Quantize a GGUF file, or a model of the store, anew.

    Best from F16, BF16 or F32. What a quantized file has lost stays lost.
    """
    _run(str(Store().resolve(file).path), {**flags, "requantize": True})


def _run(source: str, flags: dict[str, Any]) -> None:
    from assistant.settings import bytes_of
    from convert.options import Options
    from convert.pipeline import Pipeline

    as_json, dry_run = flags.pop("as_json"), flags.pop("dry_run")
    for size in ("target_size", "split_size"):
        if flags.get(size) is not None:
            try:
                flags[size] = bytes_of(flags[size])
            except ValueError as error:
                raise UsageError(f"“{flags[size]}” is not a size.", "Write it like 3.2GB or 700MB.") from error
    with ConvertDisplay() as display:
        pipeline = Pipeline(source, Options(**flags), store=Store(), display=display)
        if dry_run:
            plan = pipeline.plan()
        else:
            try:
                report = pipeline.run()
            except KeyboardInterrupt:
                output = flags["output"]
                hint = _HINT_GO_ON_BESIDE.format(output.name) if output else _HINT_GO_ON
                raise Cancelled("The conversion was stopped.", hint) from None
    if dry_run:
        _print_plan(plan, as_json)
        return
    if as_json:
        _print_json(report.to_json())
        return
    from convert.report import lines

    for line in lines(report):
        click.echo(line)
    if report.name:
        click.echo(f"Chat with it: assistant chat -m {report.name}", err=True)


def _print_plan(plan: Plan, as_json: bool) -> None:
    if as_json:
        _print_json(plan.to_json())
        return
    chosen = plan.recipe
    wanted = {one.tensor: one.wanted for one in chosen.fallbacks} if chosen else {}
    for tensor in plan.header.tensors:
        kind = chosen.types[tensor.name] if chosen else tensor.type
        shape = " × ".join(str(length) for length in tensor.shape)
        note = f" (not {wanted[tensor.name]}: rows of {tensor.shape[0]})" if tensor.name in wanted else ""
        click.echo(f"{tensor.name:36} {shape:>16}  {kind}{note}")
    click.echo(f"steps: {', '.join(plan.steps)}")
    if chosen:
        click.echo(f"size: {size_text(chosen.size)}, {chosen.bits_per_weight:.2f} bits a weight ({chosen.name})")
    elif "quantize" in plan.steps:
        click.echo("size: the types are chosen when some were measured")
    else:
        click.echo(f"size: {size_text(plan.header.size)}")
    click.echo(f"disk that is needed meanwhile: {size_text(plan.disk)}")
    for note in plan.notes:
        click.echo(f"left out: {note}")
    if "super weights" in plan.steps:
        click.echo("Tensors with super weights will get a larger type; they are found by running the model.")


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


@convert.command(short_help="Remove what stopped conversions have left.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def clean(yes: bool) -> None:
    """Remove what conversions that were not finished have left in the store."""
    from convert.pipeline import unfinished

    found = unfinished(Store())
    if not found:
        click.echo("Nothing is left.", err=True)
        return
    for work in found:
        click.echo(f"{work.folder.name}: {size_text(work.size)}", err=True)
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError("Removing what is left needs a yes.", "Add -y.")
        click.confirm("Remove what is left of them?", abort=True, err=True)
    for work in found:
        with work:
            work.remove()
    click.echo("Removed.", err=True)


for _tool in (
    convert_tools.compare,
    convert_tools.super_weights,
    convert_tools.imatrix,
    convert_tools.inspect,
    convert_tools.draft,
    convert_tools.lora,
    convert_tools.merge,
):
    convert.add_command(_tool)
