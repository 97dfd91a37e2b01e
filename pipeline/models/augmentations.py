"""What training changes about a clip at random, by names in params.yaml, in the order listed there.

Some change which part of the frame is seen (a `Crop`, chosen by a worker before anything is
resampled), others change colours (on the device that trains, for a whole batch at once). A new
augmentation is its class and a line in `AUGMENTATIONS`.

B clips  T frames  H, W pixels
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, NamedTuple, Self

from pydantic import Field, model_validator

from pipeline.core.section import Extension

if TYPE_CHECKING:  # settings are read without torch and NumPy
    from numpy.random import Generator
    from torch import Tensor

Pixels = Annotated[int, Field(gt=0, le=100_000)]
Strength = Annotated[float, Field(ge=0, lt=1)]
COLOURS = 2  # purpose of a random generator
GREY = (0.299, 0.587, 0.114)  # luma of R, G, B (ITU-R BT.601), as torchvision's jitter weighs them


class Crop(NamedTuple):
    """The part of a resized frame that the network sees, in pixels."""

    width: int  # of the whole frame after resizing
    height: int
    left: int  # upper left corner of the crop
    top: int
    crop_width: int
    crop_height: int
    flip: bool  # whether left and right are swapped after cropping


class Augmentation(Extension):
    """A change of the crop, of the colours, or of both; the default changes nothing.

    Attributes:
        num_drawn: random numbers of one clip that `colour` needs.
    """

    num_drawn: ClassVar[int] = 0

    def crop(self, crop: Crop, generator: "Generator") -> Crop:
        """Return another part of the frame.

        Args:
            crop: chosen so far; the stored frame at its own size to begin with.
            generator: draws what is random, in the order of the list.
        """
        return crop

    def draw(self, generator: "Generator") -> Sequence[float]:
        """Return the `num_drawn` random numbers of one clip."""
        return ()

    def colour(self, clips_BTCHW: "Tensor", drawn_BN: "Tensor") -> "Tensor":
        """Return other grey levels, 0 to 255 in float32.

        Args:
            clips_BTCHW: [B, T, 3, H, W] in the same unit.
            drawn_BN: [B, N] what `draw` returned for each clip.
        """
        return clips_BTCHW


class Scale(Augmentation):
    """Resize the frame, its shorter side at random (mmaction2's RandomRescale)."""

    label: ClassVar[str] = "scale"
    short_side_px: Annotated[
        tuple[Pixels, Pixels],
        Field(strict=False, description="Lowest and highest shorter side, both included"),
    ]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        low, high = self.short_side_px
        if low > high:
            raise ValueError(f"short_side_px {[low, high]}, expected [low, high]")
        return self

    def crop(self, crop: Crop, generator: "Generator") -> Crop:
        low, high = self.short_side_px
        side = int(generator.integers(low, high + 1))
        return whole_frame((crop.width, crop.height), side)


class RandomCrop(Augmentation):
    """Keep a square somewhere in the frame."""

    label: ClassVar[str] = "random crop"
    side_px: Annotated[Pixels, Field(description="Side of the square")]

    def crop(self, crop: Crop, generator: "Generator") -> Crop:
        # As in the original, the last possible position is never drawn.
        left = int(generator.integers(0, max(crop.width - self.side_px, 1)))
        top = int(generator.integers(0, max(crop.height - self.side_px, 1)))
        return crop._replace(left=left, top=top, crop_width=self.side_px, crop_height=self.side_px)


class CentreCrop(Augmentation):
    """Keep the square in the middle of the frame: the crop without its randomness."""

    label: ClassVar[str] = "centre crop"
    side_px: Annotated[Pixels, Field(description="Side of the square")]

    def crop(self, crop: Crop, generator: "Generator") -> Crop:
        left, top = (crop.width - self.side_px) // 2, (crop.height - self.side_px) // 2
        return crop._replace(left=left, top=top, crop_width=self.side_px, crop_height=self.side_px)


class Flip(Augmentation):
    """Swap left and right."""

    label: ClassVar[str] = "flip"
    probability: Annotated[float, Field(ge=0, le=1, description="Of a swap")] = 0.5

    def crop(self, crop: Crop, generator: "Generator") -> Crop:
        return crop._replace(flip=crop.flip != bool(generator.random() < self.probability))


class ColourJitter(Augmentation):
    """Change brightness, contrast and saturation of a clip, all its frames alike.

    A strength s draws a factor between 1 - s and 1 + s.

    Source: torchvision's ColorJitter, in its order of the list, without hue.
    """

    label: ClassVar[str] = "colour jitter"
    num_drawn: ClassVar[int] = 3
    brightness: Annotated[Strength, Field(description="Strength; 0 changes nothing")] = 0.0
    contrast: Annotated[Strength, Field(description="Strength, around the clip's mean grey")] = 0.0
    saturation: Annotated[Strength, Field(description="Strength, around each pixel's grey")] = 0.0

    def draw(self, generator: "Generator") -> Sequence[float]:
        strengths = (self.brightness, self.contrast, self.saturation)
        return [generator.uniform(1 - each, 1 + each) for each in strengths]

    def colour(self, clips_BTCHW: "Tensor", drawn_BN: "Tensor") -> "Tensor":
        brightness, contrast, saturation = drawn_BN.T[:, :, None, None, None, None]
        clips = (clips_BTCHW * brightness).clamp(0, 255)
        means = _grey(clips).mean(dim=(1, 2, 3, 4), keepdim=True)
        clips = (means + (clips - means) * contrast).clamp(0, 255)
        grey = _grey(clips)
        coloured: Tensor = grey + (clips - grey) * saturation
        return coloured.clamp(0, 255)


AUGMENTATIONS: Mapping[str, type[Augmentation]] = {
    "scale": Scale,
    "random_crop": RandomCrop,
    "centre_crop": CentreCrop,
    "flip": Flip,
    "colour_jitter": ColourJitter,
}
SQUARES = (RandomCrop, CentreCrop)  # which give all clips of a batch one size


def crop_side(augmentations: Sequence[Augmentation]) -> int:
    """Return the side in pixels of what the network sees in training."""
    return next(each.side_px for each in augmentations if isinstance(each, SQUARES))


def scale_crop_flip(short_side_px: tuple[int, int], side_px: int) -> list[Augmentation]:
    """Return the augmentations of the published study, which params.yaml has, too."""
    return [Scale(short_side_px=short_side_px), RandomCrop(side_px=side_px), Flip()]


def check_order(augmentations: Sequence[Augmentation]) -> None:
    """Refuse a list of which no batch could be made.

    Raises:
        ValueError: it does not begin with `scale`, has not exactly one square crop, or a crop that
            is larger than the smallest frame.
    """
    names = [each.label for each in augmentations]
    squares = [each for each in augmentations if isinstance(each, SQUARES)]
    scales = [each for each in augmentations if isinstance(each, Scale)]
    if not (augmentations and scales == [augmentations[0]] and len(squares) == 1):
        raise ValueError(
            f"augmentations: found {names}, expected scale first and one of random_crop and "
            "centre_crop after it, each once: all clips of a batch have one size"
        )
    low, side = scales[0].short_side_px[0], squares[0].side_px
    if side > low:
        raise ValueError(
            f"augmentations: found a crop of {side} px in frames of {low} px, expected it to fit"
        )


def resized(width: int, height: int, short_side: int) -> tuple[int, int]:
    """Return width and height when the shorter side is `short_side`; halves are rounded up."""
    scale = short_side / min(width, height)
    return int(width * scale + 0.5), int(height * scale + 0.5)


def whole_frame(size: tuple[int, int], short_side: int) -> Crop:
    """Return the crop that keeps everything; `size` is the stored width and height."""
    width, height = resized(*size, short_side)
    return Crop(width, height, 0, 0, width, height, flip=False)


def augmented_crop(
    size: tuple[int, int], augmentations: Sequence[Augmentation], generator: "Generator"
) -> Crop:
    """Return the crop that augmentations choose of a frame.

    Args:
        size: stored width and height.
        augmentations: in their order.
        generator: draws what is random.
    """
    crop = Crop(*size, 0, 0, *size, flip=False)
    for each in augmentations:
        crop = each.crop(crop, generator)
    return crop


def drawn_colours(augmentations: Sequence[Augmentation], generator: "Generator") -> list[float]:
    """Return the numbers that `recolour` needs of one clip."""
    return [number for each in augmentations for number in each.draw(generator)]


def recolour(
    clips_BTCHW: "Tensor", augmentations: Sequence[Augmentation], drawn_BN: "Tensor"
) -> "Tensor":
    """Return clips with their colours changed.

    Args:
        clips_BTCHW: [B, T, 3, H, W] grey levels 0 to 255, float32.
        augmentations: in their order.
        drawn_BN: [B, N] of each clip, from `drawn_colours`.
    """
    first = 0
    for each in augmentations:
        stop = first + each.num_drawn
        if each.num_drawn:
            clips_BTCHW = each.colour(clips_BTCHW, drawn_BN[:, first:stop])
        first = stop
    return clips_BTCHW


def _grey(clips_BTCHW: "Tensor") -> "Tensor":
    red, green, blue = (
        weight * clips_BTCHW[:, :, channel : channel + 1] for channel, weight in enumerate(GREY)
    )
    return red + green + blue
