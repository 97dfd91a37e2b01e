"""A whole video: its shots, who is seen in them, and its frames at any second."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from pipeline.demo.actors import Actor, action_ids, box_at, draw_actor, is_resting
from pipeline.demo.figure import Box, Image
from pipeline.demo.motions import LISTEN, WATCH_TV
from pipeline.demo.scenes import Scene, add_noise, draw_background, draw_tv, noise_fields


@dataclass(frozen=True)
class Shot:
    """One place and its people, up to a cut.

    Attributes:
        end: second of the video at which the next shot begins.
        tv_on: (start, end) seconds during which the television runs.
    """

    end: float
    scene: Scene
    actors: tuple[Actor, ...]
    tv_on: tuple[tuple[float, float], ...] = ()

    def tv_runs(self, t: float) -> bool:
        return any(start <= t < end for start, end in self.tv_on)

    def draw(self, t: float, background: Image) -> Image:
        """Return the image at second `t` without camera noise: [H, W, 3] RGB."""
        image = background.copy()
        if self.scene.tv is not None and self.tv_runs(t):
            draw_tv(image, self.scene.tv, t)
        for actor in self.actors:
            draw_actor(image, actor, t)
        return image

    def action_ids(self, actor: Actor, t: float) -> list[int]:
        """What `actor` does at second `t`, in rising order; what it sees and hears included."""
        ids = action_ids(actor, t)
        if is_resting(actor, t):
            talks = any(
                other.doing(t).arms == "talk" and t < other.leaves
                for other in self.actors
                if other is not actor
            )
            ids += ([WATCH_TV] if self.tv_runs(t) else []) + ([LISTEN] if talks else [])
        return sorted(ids)


@dataclass(frozen=True)
class Film:
    """Everything that one video shows.

    Attributes:
        video_id: 11 characters, as on YouTube.
        container: "mkv", "mp4" or "webm".
        rate: frames a second.
        seconds: length.
        size: width and height in pixels.
        shots: in order; the last one ends with the film.
    """

    video_id: str
    container: str
    rate: Fraction
    seconds: float
    size: tuple[int, int]
    shots: tuple[Shot, ...]

    @property
    def num_frames(self) -> int:
        return int(self.seconds * self.rate)

    def shot(self, t: float) -> Shot:
        """Return the shot on at second `t`."""
        return next((shot for shot in self.shots if t < shot.end), self.shots[-1])

    def shown(self, t: float) -> float:
        """Return the time of the frame that is on screen at second `t`."""
        number = int(Fraction(t).limit_denominator(100_000) * self.rate)
        return float(min(number, self.num_frames - 1) / self.rate)

    def frames(self) -> Iterator[Image]:
        """Yield all frames in order: [H, W, 3] RGB."""
        current: Shot | None = None
        for number in range(self.num_frames):
            t = float(number / self.rate)
            shot = self.shot(t)
            if shot is not current:
                current = shot
                background, noise = draw_background(shot.scene), noise_fields(shot.scene)
            # 5 steps through 8 fields: no visible period, and the same at every run.
            yield add_noise(shot.draw(t, background), noise[number * 5 % len(noise)])

    def people(self, t: float) -> list[tuple[Actor, Box, list[int]]]:
        """Who is seen at second `t`: actor, box in pixels, action ids in rising order.

        Labels are the actions on at `t`; boxes are those of the frame on screen then.
        """
        shot = self.shot(t)
        boxes = [(actor, box_at(actor, self.shown(t), *self.size)) for actor in shot.actors]
        return [(actor, box, shot.action_ids(actor, t)) for actor, box in boxes if box is not None]
