"""Draw the synthetic demo world as a mirror of the real servers: videos, archives, annotations."""

from pathlib import Path

from pipeline.atomic import written_folder
from pipeline.command import parser, run
from pipeline.params import load_params
from pipeline.sections import DrawWorld
from pipeline.summaries import write_summary
from pipeline.world.mirror import draw_mirror


def draw_world(section: DrawWorld, mirror: Path) -> dict[str, int]:
    """Draw the world of `section.seed` into the folder `mirror` (host/path); return counts."""
    with written_folder(mirror) as folder:
        return draw_mirror(section, folder)


def leave_note(mirror: Path, dataset: str) -> dict[str, int]:
    """Real data needs no mirror; the folder says so, and the stages after it stay the same."""
    with written_folder(mirror) as folder:
        (folder / "README").write_text(f"{dataset} comes from its own sources; nothing is drawn.\n")
    return {"files": 0}


def main(argv: list[str] | None = None) -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--mirror", type=Path, required=True, help="folder to write: host/path")
    args = arguments.parse_args(argv)
    params = load_params(args.params)
    if params.data.synthetic:
        counts = draw_world(params.draw_world, args.mirror)
    else:
        counts = leave_note(args.mirror, params.dataset)
    write_summary(args.summary, counts)


if __name__ == "__main__":
    run(main)
