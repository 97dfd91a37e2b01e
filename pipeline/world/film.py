"""A whole video: the place, the people in it, and its frames at any second."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from pipeline.world.actors import Actor, action_ids, box_at, draw_actor, is_resting
from pipeline.world.figure import Box, Image
from pipeline.world.motions import LISTEN, WATCH_TV
from pipeline.world.scenes import Scene, add_noise, draw_background, draw_tv, noise_fields


@dataclass(frozen=True)
class Film:
    """Everything that one video shows.

    Attributes:
        video_id: 11 characters, as on YouTube.
        container: "mkv", "mp4" or "webm".
        rate: frames a second.
        seconds: length.
        tv_on: (start, end) seconds during which the television runs.
    """

    video_id: str
    container: str
    rate: Fraction
    seconds: float
    scene: Scene
    actors: tuple[Actor, ...]
    tv_on: tuple[tuple[float, float], ...]

    @property
    def num_frames(self) -> int:
        return int(self.seconds * self.rate)

    def shown(self, t: float) -> float:
        """The time of the frame that is on screen at second `t`."""
        number = int(Fraction(t).limit_denominator(100_000) * self.rate)
        return float(min(number, self.num_frames - 1) / self.rate)

    def tv_runs(self, t: float) -> bool:
        return any(start <= t < end for start, end in self.tv_on)

    def draw(self, t: float, background: Image) -> Image:
        """The frame at second `t` without camera noise: [H, W, 3] RGB."""
        image = background.copy()
        if self.scene.tv is not None and self.tv_runs(t):
            draw_tv(image, self.scene.tv, t)
        for actor in self.actors:
            draw_actor(image, actor, t)
        return image

    def frames(self) -> Iterator[Image]:
        """All frames in order: [H, W, 3] RGB."""
        background, noise = draw_background(self.scene), noise_fields(self.scene)
        for number in range(self.num_frames):
            image = self.draw(float(number / self.rate), background)
            # 5 steps through 8 fields: no visible period, and the same at every run.
            yield add_noise(image, noise[number * 5 % len(noise)])

    def people(self, t: float) -> list[tuple[Actor, Box, list[int]]]:
        """Who is seen at second `t`: actor, box in pixels, action ids in rising order.

        Labels are the actions on at `t`; boxes are those of the frame on screen then.
        """
        talks = {
            actor.person_id
            for actor in self.actors
            if t < actor.leaves and actor.doing(t).arms == "talk"
        }
        seen = []
        for actor in self.actors:
            box = box_at(actor, self.shown(t), self.scene.width, self.scene.height)
            if box is None:
                continue
            ids = action_ids(actor, t)
            if is_resting(actor, t):
                ids += [WATCH_TV] if self.tv_runs(t) else []
                ids += [LISTEN] if talks - {actor.person_id} else []
            seen.append((actor, box, sorted(ids)))
        return seen
