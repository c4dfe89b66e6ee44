"""What a conversion did: sizes, types, quality, speed, and what each step cost. Plain data, for people and for JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from models.pull import size_text

if TYPE_CHECKING:
    from convert.measuring.quality import Quality
    from convert.measuring.speed import Speed
    from convert.measuring.this_machine import Candidate
    from convert.protection import Protection
    from convert.quantization.recipe import Recipe
    from convert.super_weights import SuperWeight


@dataclass(slots=True)
class Report:
    """Filled in as the steps are done.

    Attributes:
        origin: folder, file, or repository@commit.
        source_type, source_size: of the unquantized GGUF.
        name: in the store; None: it was written elsewhere. files: what was written. size: bytes of them.
        types: type -> (tensors, bytes).
        recipe: None: nothing was quantized.
        calibration: what the importance matrix was computed from.
        reference: what quality was measured against, in words.
        candidates: of ``--for this-machine``. reason: why this type.
        draft: partner for speculative decoding. draft_note: how to get one, or why there is none.
        seconds: that each step took in this run; where an earlier run had done the work, next to nothing.
    """

    origin: str
    architecture: str
    parameters: int
    source_type: str
    source_size: int
    licence: str | None = None
    name: str | None = None
    files: list[str] = field(default_factory=list)
    size: int = 0
    types: dict[str, tuple[int, int]] = field(default_factory=dict)
    recipe: Recipe | None = None
    calibration: str | None = None
    super_weights: list[SuperWeight] | None = None
    protection: Protection | None = None
    quality: Quality | None = None
    reference: str | None = None
    speed: Speed | None = None
    candidates: list[Candidate] = field(default_factory=list)
    reason: str | None = None
    draft: str | None = None
    draft_note: str | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def quantisation(self) -> str:
        return self.recipe.name if self.recipe else self.source_type

    @property
    def bits_per_weight(self) -> float:
        return sum(size for _, size in self.types.values()) * 8 / max(self.parameters, 1)

    def to_json(self) -> dict[str, Any]:
        plain = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "recipe"}
        for key in ("protection", "quality", "speed"):
            plain[key] = plain[key] and asdict(plain[key])
        for key in ("super_weights", "candidates"):
            plain[key] = plain[key] and [asdict(one) for one in plain[key]]
        recipe = self.recipe and self.recipe.as_dict()
        return {**plain, "quantisation": self.quantisation, "bits_per_weight": self.bits_per_weight, "recipe": recipe}


def types_of(tensors: Iterator[tuple[str, int]]) -> dict[str, tuple[int, int]]:
    """(type, bytes) of each tensor -> type: (tensors, bytes), the largest first."""
    count: Counter[str] = Counter()
    size: Counter[str] = Counter()
    for kind, bytes_ in tensors:
        count[kind] += 1
        size[kind] += bytes_
    return {kind: (count[kind], total) for kind, total in size.most_common()}


def lines(report: Report) -> Iterator[str]:
    """The report as text, a line each."""
    what = f"{report.quantisation}, {report.architecture}, {report.parameters:,} parameters"
    yield f"{report.name or report.files[0]}: {what}"
    yield (
        f"  size      {size_text(report.size)}, {report.bits_per_weight:.2f} bits a weight; "
        f"{size_text(report.source_size)} as {report.source_type}"
    )
    mix = ", ".join(f"{kind} {count} × ({size_text(size)})" for kind, (count, size) in report.types.items())
    yield f"  types     {mix}"
    if report.recipe and report.recipe.fallbacks:
        wanted = Counter((one.wanted, one.type) for one in report.recipe.fallbacks)
        fell = ", ".join(f"{count} from {one} to {other}" for (one, other), count in wanted.items())
        yield f"            rows that cannot be divided: {fell}"
    if report.calibration:
        yield f"  imatrix   {report.calibration}"
    if report.super_weights is not None:
        yield f"  super weights: {len(report.super_weights) or 'none found'}"
        for one in report.super_weights:
            yield (
                f"            {one.tensor}[{one.row}, {one.column}] = {one.weight:.3g}, "
                f"in {one.input_activation:.0f}, out {one.output_activation:.0f}"
            )
    if report.protection:
        yield from _protection(report)
    if report.quality:
        yield (
            f"  quality   KL divergence {report.quality.kl_mean:.4f} (median {report.quality.kl_median:.4f}, 99 % "
            f"{report.quality.kl_99:.3f}), same top token {report.quality.same_top:.1%}, perplexity × "
            f"{report.quality.ratio:.3f}, against the {report.reference}"
        )
    if report.speed:
        yield f"  speed     reads {report.speed.prefill:.0f} tokens a second, writes {report.speed.decode:.1f}"
    if report.reason:
        yield f"  chosen    {report.reason}"
    for tried in report.candidates:
        fits = tried.prefill and tried.decode
        speeds = f"reads {tried.prefill:.0f}, writes {tried.decode:.1f}" if fits else "does not fit"
        mark = " ← chosen" if tried.chosen else ""
        yield f"  measured  {tried.type:7} {size_text(tried.size):>8}, error {tried.error:.2e}, {speeds}{mark}"
    if report.draft or report.draft_note:
        yield f"  draft     {report.draft or report.draft_note}"
    if report.licence:
        yield f"  licence   {report.licence}"


def _protection(report: Report) -> Iterator[str]:
    protection = report.protection
    assert protection
    kinds = Counter(protection.raised.values())
    raised = ", ".join(f"{count} from {one} to {other}" for (one, other), count in kinds.items())
    yield f"  protected {raised}: {size_text(max(protection.bytes, 0))} more"
    if report.quality and protection.without is not None:
        bought = f"KL divergence {report.quality.kl_mean:.4f} instead of {protection.without:.4f}"
        if protection.elsewhere is not None:
            bought += f"; the same bytes in other layers give {protection.elsewhere:.4f}"
        yield f"            {bought}"
