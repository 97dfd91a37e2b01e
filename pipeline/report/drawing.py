"""Draw keyframes with boxes: ground truth dashed white, right detections green, others orange."""

import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

from pipeline.report.gallery import Keyframe, Person

Floats = npt.NDArray[np.float64]

RIGHT, WRONG, TRUE, SHADE, DARK = "#22c55e", "#fb923c", "#ffffff", "#000000", "#0b1220"
TILE_PX = 640  # longer side of a drawn keyframe
ROW_TILES = 3
GAP_PX = 12
DOTS_PER_INCH = 100


def draw_keyframe(keyframe: Keyframe) -> bytes:
    """One keyframe as JPEG; its people carry numbers, for a list beside it."""
    height, width = keyframe.image.shape[:2]
    scale = TILE_PX / max(height, width) / DOTS_PER_INCH
    figure = Figure(figsize=(width * scale, height * scale))
    FigureCanvasAgg(figure)
    texts = [str(number) for number in range(1, len(keyframe.found) + 1)]
    _draw(figure.add_axes((0, 0, 1, 1)), keyframe, texts, font_size=12)
    image = io.BytesIO()
    figure.savefig(image, format="jpeg", dpi=DOTS_PER_INCH, pil_kwargs={"quality": 88})
    return image.getvalue()


def draw_row(keyframes: Sequence[Keyframe]) -> bytes:
    """The first keyframes side by side as PNG, with the names of the actions at the people."""
    shown = keyframes[:ROW_TILES]
    # All tiles share one height; a tile is as wide as its image asks for.
    ratios = [keyframe.image.shape[1] / keyframe.image.shape[0] for keyframe in shown]
    height = int(TILE_PX * 3 / 4)
    widths = [round(height * ratio) for ratio in ratios]
    total = sum(widths) + GAP_PX * (len(shown) - 1)
    figure = Figure(figsize=(total / DOTS_PER_INCH, height / DOTS_PER_INCH))
    FigureCanvasAgg(figure)
    left = 0
    for keyframe, width in zip(shown, widths, strict=True):
        axes = figure.add_axes((left / total, 0, width / total, 1))
        _draw(axes, keyframe, [_names(person) for person in keyframe.found], font_size=15)
        left += width + GAP_PX
    image = io.BytesIO()
    unsigned = {"Software": None}
    figure.savefig(image, format="png", dpi=DOTS_PER_INCH, transparent=True, metadata=unsigned)
    return image.getvalue()


def _names(person: Person) -> str:
    return "\n".join(action.name for action in person.actions)


def _draw(axes: Axes, keyframe: Keyframe, texts: Sequence[str], font_size: float) -> None:
    height, width = keyframe.image.shape[:2]
    axes.imshow(keyframe.image, interpolation="lanczos", extent=(0, width, height, 0))
    axes.set(xlim=(0, width), ylim=(height, 0), aspect="auto")
    axes.axis("off")
    size = np.array([width, height, width, height])
    for box, _ in keyframe.ground_truth:
        _rectangle(axes, box * size, TRUE, 1.5, "--")
    taken: list[Bbox] = []
    for person, text in zip(keyframe.found, texts, strict=True):
        colour = RIGHT if person.is_right else WRONG
        _rectangle(axes, person.box * size, colour, 2.5, "-")
        taken.append(_label(axes, person.box * size, text, colour, font_size, taken))


def _rectangle(axes: Axes, box: Floats, colour: str, width: float, style: str) -> None:
    x1, y1, x2, y2 = box
    # A dark line below keeps a bright one visible on bright walls.
    for edge, thickness, alpha in ((SHADE, width + 2, 0.3), (colour, width, 1.0)):
        frame = Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor=edge, alpha=alpha)
        frame.set(linewidth=thickness, linestyle=style)
        axes.add_patch(frame)


def _label(
    axes: Axes, box: Floats, text: str, colour: str, font_size: float, taken: Sequence[Bbox]
) -> Bbox:
    """Write beside the box where it is inside the image and free; return that position."""
    x1, y1, _, y2 = box
    corners = [(y1, 4, "bottom"), (y2, -4, "top"), (y1, -5, "top"), (y2, 5, "bottom")]
    whole = axes.get_window_extent()
    best: tuple[float, Annotation, Bbox] | None = None
    for y, rise, side in corners:
        label = axes.annotate(
            text,
            (max(x1, 0), y),
            xytext=(4, rise),
            textcoords="offset points",
            verticalalignment=side,
            fontsize=font_size,
            fontweight="bold",
            color=DARK,
            linespacing=1.2,
            parse_math=False,
            bbox={"boxstyle": "round,pad=0.25", "facecolor": colour, "edgecolor": "none"},
        )
        extent = _keep_inside(label, whole)
        cost = _overflow(extent, whole) + sum(_overlap(extent, other) for other in taken)
        if best is not None and cost >= best[0]:
            label.remove()
            continue
        if best is not None:
            best[1].remove()
        best = (cost, label, extent)
    assert best is not None
    return best[2]


def _keep_inside(label: Annotation, whole: Bbox) -> Bbox:
    """Move a label that leaves the image at its right; returns what it covers."""
    extent = label.get_window_extent().padded(4)
    too_far = max(0.0, extent.x1 - whole.x1)
    x, y = label.xyann
    label.xyann = (x - too_far * 72 / DOTS_PER_INCH, y)
    return label.get_window_extent().padded(4)


def _overlap(a: Bbox, b: Bbox) -> float:
    shared = Bbox.intersection(a, b)
    return 0.0 if shared is None else float(shared.width * shared.height)


def _overflow(extent: Bbox, whole: Bbox) -> float:
    """Return area of a label outside the image; weighs more than hiding another label."""
    inside = _overlap(extent, whole)
    return 10 * (float(extent.width * extent.height) - inside)
