"""Tables and bars as HTML that every section of the page shares."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape


def html_table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of texts that scrolls sideways on its own; the first column names the row."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in heads)
    body = "".join(
        f'<tr><th scope="row">{escape(first)}</th>'
        + "".join(f"<td>{escape(text)}</td>" for text in rest)
        + "</tr>"
        for first, *rest in rows
    )
    # A region that scrolls has to be reachable by keyboard, and needs a name then.
    return (
        f'<div class="scroll" role="region" aria-label="{escape(caption)}" tabindex="0">'
        f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


@dataclass(frozen=True)
class Bar:
    """A named share of 0 to 1, or None; `mark` is another one to compare it with."""

    name: str
    value: float | None
    note: str
    mark: float | None = None


def html_bars(bars: Iterable[Bar]) -> str:
    """A list of bars; the numbers stand beside them as text."""
    return f'<ul class="bars">{"".join(_bar(bar) for bar in bars)}</ul>'


def _bar(bar: Bar) -> str:
    width = 0.0 if bar.value is None else 100 * bar.value
    text = "–" if bar.value is None else f"{width:.1f} %"
    mark = (
        "" if bar.mark is None else f'<span class="mark" style="left:{100 * bar.mark:.1f}%"></span>'
    )
    return (
        f'<li><span>{escape(bar.name)}</span><span class="track" aria-hidden="true">'
        f'<span class="fill" style="width:{width:.1f}%"></span>{mark}</span>'
        f'<span class="value">{text} <span class="soft">({escape(bar.note)})</span></span></li>'
    )
