import numpy as np
import pytest
import torch

from nopo import show
from nopo.progress import silent
from nopo.render.handover import DEPTH, to_bytes, to_host


def frames(count: int, device: str = "cpu"):
    for number in range(count):
        size = (6, 5, 3) if number < 4 else (3, 2, 4)
        yield torch.full(size, number, dtype=torch.uint8, device=device)


DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("count", [0, 1, 2, 3, 7])
def test_frames_arrive_whole_and_in_order_and_stay_as_they_are(device, count):
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    arrived = list(to_host(frames(count, device)))  # all are kept: none may be a buffer that is filled again
    assert len(arrived) == count
    for number, (frame, expected) in enumerate(zip(arrived, frames(count), strict=True)):
        assert frame.dtype == np.uint8 and np.array_equal(frame, expected.numpy()), number


def test_a_frame_is_asked_for_before_the_last_one_is_handed_out():
    asked = []

    def drawn():
        for number in range(6):
            asked.append(number)
            yield torch.zeros(2, 2, 3, dtype=torch.uint8)

    arriving = to_host(drawn())
    next(arriving)
    assert asked == list(range(DEPTH + 1))
    arriving.close()
    assert asked == list(range(DEPTH + 1))


def test_colours_become_bytes_by_rounding():
    colours = torch.tensor([-0.5, 0.0, 0.25, 0.5, 254.4 / 255, 254.6 / 255, 1.0, 7.0])
    assert to_bytes(colours).tolist() == [0, 0, 64, 128, 254, 255, 255, 255]


def test_a_gpus_frames_are_shown_in_order():
    """The way of a GPU, with frames of the CPU: one worker, which asks for the frames ahead."""
    expected = [frame.numpy() for frame in frames(4)]
    drawn = list(frames(4))
    shown = list(show._in_order(lambda i: drawn[i], 4, torch.device("cuda"), silent))
    assert len(shown) == 4 and all(np.array_equal(a, b) for a, b in zip(shown, expected, strict=True))
