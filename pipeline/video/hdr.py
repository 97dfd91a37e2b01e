"""Show HDR frames in the range of an ordinary screen.

H, W pixels. Only the few sources with PQ or HLG curves come here. The mapping keeps what is
darker than three quarters of paper white (203 cd/m2, ITU-R BT.2408) and rolls brighter light off
towards white, so that people stay visible; it is no colourist's grade.
"""

from functools import cache

import numpy as np
import numpy.typing as npt

_PAPER_WHITE = 203.0  # cd/m2
_PEAK = 1000.0  # cd/m2 that become full white
_KNEE = np.float32(0.75)  # of paper white; darker light stays as it is
_LEVELS = np.arange(65536, dtype=np.float64) / 65535

# Linear light from BT.2020 to BT.709 primaries (ITU-R BT.2087).
_TO_BT709 = np.array(
    [
        [1.660491, -0.587641, -0.072850],
        [-0.124550, 1.132900, -0.008349],
        [-0.018151, -0.100579, 1.118730],
    ],
    dtype=np.float32,
)


def to_standard_range(image: npt.NDArray[np.generic], transfer: str) -> npt.NDArray[np.uint8]:
    """Convert BT.2020 RGB under an HDR curve.

    Args:
        image: [H, W, 3] encoded values, 0..65535, unsigned.
        transfer: "pq" or "hlg".

    Returns: [H, W, 3] BT.709 RGB for an ordinary screen.
    """
    light = _light(transfer)[image] @ _TO_BT709.T  # 1.0 is paper white
    np.clip(light, 0, None, out=light)
    brightest = light.max(axis=-1, keepdims=True)
    light *= _rolled_off(brightest) / np.maximum(brightest, 1e-6)
    # The inverse of an ordinary screen's curve (ITU-R BT.1886).
    encoded = np.clip(light, 0, 1) ** (1 / 2.4) * 255
    rounded: npt.NDArray[np.uint8] = np.rint(encoded).astype(np.uint8)
    return rounded


def _rolled_off(light: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    # Above the knee Reinhard's extended curve: slope 1 at the knee, 1.0 at the peak.
    room = np.float32(1 - _KNEE)
    above, peak = np.maximum(light - _KNEE, 0) / room, (_PEAK / _PAPER_WHITE - _KNEE) / room
    rolled: npt.NDArray[np.float32] = np.minimum(light, _KNEE) + room * above * (
        1 + above / peak**2
    ) / (1 + above)
    return rolled


@cache
def _light(transfer: str) -> npt.NDArray[np.float32]:
    """Return [65536] linear light of each encoded value, in units of paper white."""
    if transfer == "pq":  # SMPTE ST 2084
        root = _LEVELS ** (32 / 2523)
        over, under = np.maximum(root - 3424 / 4096, 0), 2413 / 128 - 2392 / 128 * root
        nits = 10000 * (over / under) ** (8192 / 1305)
    else:  # HLG on a screen of 1000 cd/m2, its system gamma of 1.2 applied per channel
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        scene = np.where(_LEVELS <= 0.5, _LEVELS**2 / 3, (np.exp((_LEVELS - c) / a) + b) / 12)
        nits = 1000 * scene**1.2
    return (nits / _PAPER_WHITE).astype(np.float32)
