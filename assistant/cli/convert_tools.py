"""``assistant convert compare``, ``super-weights``, ``imatrix``, ``inspect``, ``draft``, ``lora`` and ``merge``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from assistant.cli.convert_display import ConvertDisplay
from assistant.cli.writing import print_json
from models.errors import UsageError, UserError
from models.gguf_header import split_parts
from models.pull import size_text
from models.store import Store

if TYPE_CHECKING:
    from convert.measuring.quality import Quality
    from convert.measuring.speed import Speed

_FILE = click.Path(path_type=Path)
_MODEL = "MODEL is the name of an installed model, or the path of a GGUF file."


@click.command(short_help="Measure what files have lost against the first.", epilog=_MODEL)
@click.argument("models", nargs=-1, required=True, metavar="REFERENCE MODEL…")
@click.option("--text", type=_FILE, help="The text that is read; without it a built-in one.")
@click.option("--chunks", type=click.IntRange(1, 100_000), default=20, show_default=True, help="Of 512 tokens.")
@click.option("--no-speed", is_flag=True, help="Do not measure the speed.")
@click.option("--chart", type=_FILE, metavar="FILE.png", help="Draw the chart there too.")
@click.option("--threads", type=click.IntRange(1, 512), help="Of the CPU.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def compare(
    models: tuple[str, ...],
    text: Path | None,
    chunks: int,
    no_speed: bool,
    chart: Path | None,
    threads: int | None,
    as_json: bool,
) -> None:
    """Measure what files have lost against the first, which should be the unquantized model.

    KL divergence says how far the probabilities of the next token are from the reference's (0: not at all), same top
    how often both find the same token the likeliest.
    """
    from convert.calibration import evaluation_text
    from convert.measuring import quality, speed
    from convert.measuring.chart import Point, draw, print_chart
    from convert.texts import read_text

    if len(models) < 2:
        raise UsageError("There is nothing to compare it with.", "Name the reference, then one file or more.")
    _check_free(chart)
    if chart and chart.suffix != ".png":
        raise UsageError(f"{chart.name} is no name for a picture: it has to end in .png.", "Choose another name.")
    store = Store()
    reference, *candidates = (store.resolve(name).path for name in models)
    read = read_text(text) if text else evaluation_text()
    with ConvertDisplay() as display:
        display.step("quality")
        found = quality.compare(
            reference, candidates, read, chunks=chunks, threads=threads, on_progress=display.progress
        )
        speeds: dict[Path, Speed] = {}
        for path in () if no_speed else (reference, *candidates):
            display.step(f"speed of {path.name}")
            speeds[path] = speed.measure(path, threads=threads, on_progress=display.progress)
    rows = [{**asdict(one), "model": str(one.model)} for one in found]
    for row, one in zip(rows, found, strict=True):
        row |= asdict(speeds[one.model]) if speeds else {}
    if as_json:
        print_json(rows)
    else:
        _print_comparison(reference, found, speeds)
    points = [
        Point(one.model.stem, one.size, one.kl_mean, speeds[one.model].decode if speeds else None) for one in found
    ]
    if not as_json:
        print_chart(points)
    if chart:
        draw(points, chart, title=f"Against {reference.stem}")
        click.echo(f"The chart is in {chart}.", err=True)


def _print_comparison(reference: Path, found: Sequence[Quality], speeds: dict[Path, Speed]) -> None:
    def speed_of(path: Path) -> list[str]:
        return [f"{speeds[path].prefill:.0f}", f"{speeds[path].decode:.1f}"] if path in speeds else ["", ""]

    first = found[0]
    size = sum(part.stat().st_size for part in split_parts(reference))
    rows = [["", "size", "KL mean", "median", "99 %", "same top", "perplexity", "ratio", "reads", "writes"]]
    rows.append([reference.name, size_text(size), *[""] * 4, f"{first.reference_perplexity:.3f}", ""])
    rows[-1] += speed_of(reference)
    for one in found:
        kl = [f"{one.kl_mean:.4f} ± {one.kl_error:.4f}", f"{one.kl_median:.4f}", f"{one.kl_99:.3f}"]
        figures = [f"{one.same_top:.1%}", f"{one.perplexity:.3f}", f"{one.ratio:.4f}"]
        rows.append([one.model.name, size_text(one.size), *kl, *figures, *speed_of(one.model)])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for name, *cells in rows:
        line = [name.ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
        click.echo("  ".join(line).rstrip())
    click.echo(f"{first.tokens:,} tokens scored, in {first.chunks} chunks. Speeds are tokens a second.")


@click.command("super-weights", short_help="Find the weights with huge activations.", epilog=_MODEL)
@click.argument("model")
@click.option("--threshold", type=float, default=50.0, show_default=True, help="What activations must exceed.")
@click.option("--prompt", metavar="TEXT", help="What the model reads.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def super_weights(model: str, threshold: float, prompt: str | None, as_json: bool) -> None:
    """Find the few weights that carry a model's huge activations (arXiv 2411.07191)."""
    from convert import super_weights as search

    path = Store().resolve(model).path
    with ConvertDisplay() as display:
        display.step("super weights")
        found = search.find(path, threshold=threshold, prompt=prompt or search.PROMPT, on_progress=display.progress)
    if as_json:
        print_json([one.json() for one in found])
        return
    for one in found:
        click.echo(
            f"{one.tensor}[{one.row}, {one.column}] = {one.weight:.4g}, input {one.input_activation:.1f}, "
            f"output {one.output_activation:.1f}"
        )
    if not found:
        click.echo(f"None: nowhere do an input and an output of ffn_down both exceed {threshold:g}.", err=True)


@click.command(short_help="Compute the importance matrix of a model.", epilog=_MODEL)
@click.argument("model")
@click.option("-o", "--output", type=_FILE, required=True, metavar="FILE.gguf", help="Where to write it.")
@click.option("--text", type=_FILE, help="The text that is read; without it the built-in English and Russian one.")
@click.option("--chunks", type=click.IntRange(1, 100_000), help="Of 512 tokens at the most; without it the whole text.")
@click.option("--threads", type=click.IntRange(1, 512), help="Of the CPU.")
def imatrix(model: str, output: Path, text: Path | None, chunks: int | None, threads: int | None) -> None:
    """Compute the importance matrix of a model, in llama.cpp's GGUF format."""
    from convert import imatrix as importance
    from convert.calibration import calibration_text
    from convert.texts import read_text

    _check_free(output)
    path = Store().resolve(model).path
    read = read_text(text) if text else calibration_text()
    with ConvertDisplay() as display:
        display.step("imatrix")
        found = importance.collect(
            path,
            read,
            chunks=chunks,
            threads=threads,
            dataset=text.name if text else "built-in",
            on_progress=display.progress,
        )
        found.write(output)
        display.note(f"{output}: {len(found.entries)} tensors, {found.chunks} chunks of {found.chunk_size} tokens")


@click.command(
    short_help="Say what a file or a checkpoint is.",
    epilog="PATH is a GGUF file, the folder of a checkpoint, or the name of an installed model.",
)
@click.argument("path")
@click.option("--tensors", is_flag=True, help="List every tensor.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, metadata and tensors included.")
def inspect(path: str, tensors: bool, as_json: bool) -> None:
    """Say what a model file or a checkpoint is, without loading it."""
    from convert.inspection import inspect as look

    place = Path(path).expanduser()
    found = look(place if place.exists() else Store().resolve(path).path)
    if as_json:
        print_json(found)
        return
    for key, value in found.items():
        if key == "types":
            click.echo("types: " + ", ".join(f"{kind} {one['tensors']}×" for kind, one in value.items()))
        elif key not in ("metadata", "tensors") and value not in (None, ""):
            text = size_text(value) if key == "size" else f"{value:,}" if type(value) is int else value
            text = "yes" if value is True else "no" if value is False else text
            click.echo(f"{key.replace('_', ' ')}: {text}")
    if tensors:
        width = max((len(tensor["name"]) for tensor in found["tensors"]), default=0)
        for tensor in found["tensors"]:
            shape = " × ".join(map(str, tensor["shape"]))
            click.echo(f"{tensor['name']:{width}}  {tensor['type']:7} {shape}")


@click.command(short_help="Give a model a draft model.")
@click.argument("target", metavar="MODEL")
@click.option("--from", "source", type=_FILE, help="Make it of this small sibling: a GGUF file, or a checkpoint.")
@click.option("--use", metavar="DRAFT", help="Take this model of the store.")
@click.option("--quant", metavar="TYPE", help="The type of what is made; without it the one that is read fastest.")
@click.option("--name", help="Its name in the store.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def draft(
    target: str, source: Path | None, use: str | None, quant: str | None, name: str | None, as_json: bool
) -> None:
    """Give an installed MODEL a draft model: a small one of the same vocabulary, that guesses ahead.

    Without --from and --use, the best one of the store or of the catalogue. `assistant bench -m MODEL` says what it
    gains. Exit code 1: there is none.
    """
    from convert import draft as drafts

    if sum(given is not None for given in (source, use)) > 1:
        raise UsageError("--from and --use contradict each other.", "Leave one of them out.")
    if source is None and (quant or name):
        raise UsageError("--quant and --name say how a draft is made.", "Say of what: --from FILE")
    store = Store()
    model = store.resolve(target)
    if source is not None:
        if not source.exists():
            raise UsageError(f"There is no {source}.", "Look at the path.")
        with ConvertDisplay() as display:
            display.step("draft")
            kind = (quant or drafts.DEFAULT).upper()
            made = drafts.install_draft(model, source, store, type=kind, name=name, on_progress=display.progress)
        partner = drafts.Partner(made.name, made.size, made)
    elif use is not None:
        chosen = store.resolve(use)
        store.set_draft(model.name, chosen.name)
        partner = drafts.Partner(chosen.name, chosen.size, chosen)
    else:
        found = drafts.partner(model, store)
        if found is None:
            raise UserError(
                f"Nobody in the store or the catalogue can draft for {model.name}.",
                f"Make one of a small sibling: assistant convert draft {target} --from FILE",
            )
        partner = found
        if partner.installed and model.manifest:
            store.set_draft(model.name, partner.name)
    if as_json:
        facts = {"model": model.name, "draft": partner.name, "size": partner.size}
        print_json(facts | {"installed": partner.installed is not None})
    elif partner.installed:
        click.echo(f"{partner.name} ({size_text(partner.size)}) drafts for {model.name}.")
    else:
        click.echo(f"{partner.name} ({size_text(partner.size)}) can: assistant models pull {partner.name}")


@click.command(short_help="Convert a PEFT adapter to GGUF.")
@click.argument("adapter", type=_FILE)
@click.option("--base", required=True, metavar="MODEL", help="The model it was trained on: name, file or folder.")
@click.option("-o", "--output", type=_FILE, required=True, metavar="FILE.gguf", help="Where to write it.")
@click.option("--dtype", type=click.Choice(["f16", "f32"]), default="f16", show_default=True, help="Of its numbers.")
def lora(adapter: Path, base: str, output: Path, dtype: Any) -> None:
    """Convert a PEFT adapter's folder to GGUF, for `assistant ask --lora FILE`."""
    from convert.adapters.lora import convert_adapter

    place = Path(base).expanduser()
    model = place if place.is_dir() else Store().resolve(base).path
    with ConvertDisplay() as display:
        display.step("adapter")
        convert_adapter(adapter, model, output, dtype, display.progress)
        display.note(f"{output} is written: {size_text(output.stat().st_size)}.")


@click.command(short_help="Merge a PEFT adapter into its checkpoint.")
@click.argument("checkpoint", type=_FILE)
@click.argument("adapter", type=_FILE)
@click.option("-o", "--output", type=_FILE, required=True, metavar="FILE.gguf", help="Where to write it.")
@click.option("--quant", type=click.Choice(["F32", "F16", "BF16"]), help="Without it, as the checkpoint is.")
@click.option("--pre", metavar="NAME", help="The pre-tokenizer, where it is not recognised.")
def merge(checkpoint: Path, adapter: Path, output: Path, quant: str | None, pre: str | None) -> None:
    """Merge a PEFT adapter into its checkpoint, as an unquantized GGUF file.

    To quantize and install that: assistant convert FILE.gguf
    """
    from convert import architectures, write
    from convert.adapters.merge import merge as merged
    from convert.checkpoint import Checkpoint

    with ConvertDisplay() as display:
        display.step("merge")
        architecture = architectures.find(merged(Checkpoint.open(checkpoint), adapter))
        dtype: Any = quant.lower() if quant else "auto"
        write.write_gguf(architecture, output, dtype=dtype, pre=pre, on_progress=display.progress)
        display.note(f"{output} is written: {size_text(output.stat().st_size)}.")


def _check_free(path: Path | None) -> None:
    """Before minutes of work, not after."""
    if path and path.exists():
        raise UsageError(f"{path} exists already.", "Choose another name, or remove it first.")
    if path and not path.absolute().parent.is_dir():
        raise UsageError(f"There is no folder {path.absolute().parent}.", "Make it first.")
