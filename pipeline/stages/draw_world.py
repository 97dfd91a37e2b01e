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


def main(argv: list[str] | None = None) -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--mirror", type=Path, required=True, help="folder to write: host/path")
    args = arguments.parse_args(argv)
    counts = draw_world(load_params(args.params).draw_world, args.mirror)
    write_summary(args.summary, counts)


if __name__ == "__main__":
    run(main)
