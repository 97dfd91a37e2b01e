"""Draw the synthetic dataset as a mirror of the real servers: videos, archives, annotations."""

from pathlib import Path

from pipeline.core.atomic import written_folder
from pipeline.core.command import parser, run
from pipeline.core.summaries import write_summary


def leave_note(mirror: Path, dataset: str) -> dict[str, int]:
    """Real data needs no mirror; the folder says so, and the stages after it stay the same."""
    with written_folder(mirror) as folder:
        (folder / "README").write_text(f"{dataset} comes from its own sources; nothing is drawn.\n")
    return {"files": 0}


def main(argv: list[str] | None = None) -> None:
    """Draw the world into the folder `--mirror`, which stands for host/path."""
    arguments = parser(__doc__)
    arguments.add_argument("--mirror", type=Path, required=True, help="folder to write: host/path")
    args = arguments.parse_args(argv)
    from pipeline.settings.params import load_params

    params = load_params(args.params)
    if params.data.synthetic:
        from pipeline.demo.mirror import draw_mirror

        with written_folder(args.mirror) as folder:
            counts = draw_mirror(params.draw_world, folder)
    else:
        counts = leave_note(args.mirror, params.dataset)
    write_summary(args.summary, counts)


if __name__ == "__main__":
    run(main)
