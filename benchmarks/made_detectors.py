"""Pairs of made-up detectors, hits already known: for the statistics of mAP, not for its matching.

Videos are drawn independently from one population, as if a dataset had been collected anew. Within
a video everything hangs together: some actions fill one video and are absent from the next, and a
video is easy or hard, for both detectors alike and for each in its own way.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.evaluation.annotated_keyframes import Bools, Floats, Ints
from pipeline.evaluation.matching import Matches


@dataclass(frozen=True)
class Population:
    """What the videos are like.  C actions  V videos"""

    num_actions: int = 12
    most_boxes: float = 8.0  # ground truth boxes per video of the most common action
    rarest: float = 0.1  # those of the rarest action, as a share of it
    evenness: float = 0.5  # how evenly an action spreads over the videos; small: in few of them
    video_effect: float = 1.0  # how differently an action shows from video to video
    gain: float = 0.2  # what the second detector adds to the score of a true box, on average
    false_boxes: float = 12.0  # false detections per action and video
    found: float = 0.85  # share of the ground truth boxes that are detected at all

    def draw(self, num_videos: int, seed: int) -> tuple[Matches, Matches]:
        """Two detectors on the same newly drawn videos."""
        random = np.random.default_rng(seed)
        # What an action is like does not change with the videos.
        gains = self.gain * np.random.default_rng(0).uniform(-0.5, 2.5, self.num_actions)
        mean = np.geomspace(self.most_boxes, self.most_boxes * self.rarest, self.num_actions)
        shape = (self.num_actions, num_videos)
        share = random.gamma(self.evenness, 1 / self.evenness, shape)
        ground_truth_CV = random.poisson(mean[:, None] * share)
        parts = [
            self._one_action(action, ground_truth_CV[action], gains[action], random)
            for action in range(self.num_actions)
        ]
        video, hit, first, second = (np.concatenate(column) for column in zip(*parts, strict=True))
        action = np.repeat(np.arange(self.num_actions), [len(part[0]) for part in parts])
        return (
            _ranked(ground_truth_CV, action, video, first, hit),
            _ranked(ground_truth_CV, action, video, second, hit),
        )

    def _one_action(
        self, action: int, ground_truth_V: Ints, gain: float, random: np.random.Generator
    ) -> tuple[Ints, Bools, Floats, Floats]:
        num_videos = len(ground_truth_V)
        shown_V = random.normal(0, self.video_effect, num_videos)
        taken_V = random.normal(0, self.video_effect / 2, num_videos)
        true = np.repeat(np.arange(num_videos), random.binomial(ground_truth_V, self.found))
        false = np.repeat(np.arange(num_videos), random.poisson(self.false_boxes, num_videos))
        clutter_V = random.normal(0, 0.7, num_videos)
        hit = np.repeat([True, False], [len(true), len(false)])
        video = np.concatenate([true, false])
        alike = random.normal(0, 1, len(video))
        alike += np.concatenate([1.5 + shown_V[true], clutter_V[false]])
        better = np.concatenate([gain + taken_V[true], np.zeros(len(false))])
        own = random.normal(0, 0.6, (2, len(video)))
        return video, hit, alike + own[0], alike + better + own[1]


def _ranked(ground_truth_CV: Ints, action: Ints, video: Ints, score: Floats, hit: Bools) -> Matches:
    order = np.lexsort((-score, action))
    return Matches(
        action_ids=np.arange(1, len(ground_truth_CV) + 1),
        video_ids=np.arange(ground_truth_CV.shape[1]).astype(object),
        num_ground_truth=ground_truth_CV,
        action=action[order],
        video=video[order],
        score=score[order],
        hit=hit[order],
        counts={},
    )
