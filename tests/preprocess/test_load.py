import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, TiffImagePlugin
from PIL.PngImagePlugin import PngImageFile

from nopo.errors import DependencyError, PhotoError
from nopo.preprocess.load import MAX_SIDE_PX, load_photo


def gradient(height: int = 48, width: int = 64) -> np.ndarray:
    """A picture whose left is red and whose bottom is green, so that every turn and flip shows."""
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[..., 0] = np.linspace(255, 0, width).astype(np.uint8)
    rgb[..., 1] = np.linspace(0, 255, height).astype(np.uint8)[:, None]
    return rgb


def bare_png(width: int, height: int) -> bytes:
    """A PNG that announces a size and holds no pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("suffix", [".png", ".webp", ".bmp", ".tiff"])
def test_lossless_formats_give_the_same_pixels(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(gradient()).save(tmp_path / f"a{suffix}", lossless=True)
    photo = load_photo(tmp_path / f"a{suffix}")
    assert np.array_equal(photo.rgb, gradient())
    assert photo.alpha is None
    assert photo.name == f"a{suffix}"


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "PA", "CMYK", "YCbCr", "HSV", "RGBA", "RGBX", "I", "F", "I;16"])
def test_every_mode_becomes_srgb(mode: str) -> None:
    grey = np.repeat(np.linspace(0, 255, 64).astype(np.uint8)[None], 48, 0)
    if mode == "I;16":
        image = Image.fromarray(grey.astype(np.uint16) * 257)
    elif mode in ("I", "F", "P"):
        image = Image.fromarray(grey).convert(mode)
    elif mode in ("LA", "PA"):
        image = Image.fromarray(grey).convert("LA").convert(mode)
    else:
        image = Image.fromarray(grey).convert("RGB").convert(mode)
    photo = load_photo(image)
    assert photo.rgb.shape == (48, 64, 3) and photo.rgb.dtype == np.uint8
    if mode != "1":
        assert np.abs(photo.rgb.mean(2) - grey).max() <= 3


def test_a_float_tiff_in_unit_range_and_a_16_bit_png_keep_their_tones(tmp_path: Path) -> None:
    ramp = np.repeat(np.linspace(0, 1, 64, dtype=np.float32)[None], 48, 0)
    Image.fromarray(ramp).save(tmp_path / "f.tiff")
    Image.fromarray((ramp * 65535).astype(np.uint16)).save(tmp_path / "i.png")
    for name in ("f.tiff", "i.png"):
        assert np.abs(load_photo(tmp_path / name).rgb[0, :, 0] - ramp[0] * 255).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone(tmp_path: Path, orientation: int) -> None:
    upright = Image.fromarray(gradient())
    inverse = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # how a camera held that way would have stored it
    stored = upright if orientation == 1 else upright.transpose(Image.Transpose(inverse[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(load_photo(tmp_path / "a.png").rgb, gradient())


@pytest.mark.filterwarnings("error")  # a warning would stand between what the terminal says
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_photo_is_read_whatever_is_wrong_with_its_exif(tmp_path: Path, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x0110], exif[0x0112], exif[0x011A], exif[0x8769] = "Camera", 6, 72.0, {0x9003: "2024:01:01 00:00:00"}
    path = tmp_path / f"a{suffix}"
    Image.fromarray(gradient()).save(path)
    picture, block = Image.open(path), exif.tobytes()
    for place in range(6, len(block)):
        for value in {*range(14), 0xFF} - {block[place]}:
            picture.save(path, exif=block[:place] + bytes([value]) + block[place + 1 :])
            assert load_photo(path).rgb.size == gradient().size


def test_transparency_is_kept_unless_it_is_the_same_everywhere() -> None:
    rgba = np.dstack([gradient(), np.full((48, 64), 255, np.uint8)])
    assert load_photo(rgba).alpha is None
    rgba[:10, :, 3] = 0
    alpha = load_photo(rgba).alpha
    assert alpha is not None and alpha.shape == (48, 64)
    assert alpha[0, 0] == 0 and alpha[-1, -1] == 1


def test_a_palette_with_a_transparent_colour_has_a_matte(tmp_path: Path) -> None:
    image = Image.new("P", (64, 64), 0)
    image.putpalette([0, 0, 0, 255, 0, 0])
    image.paste(1, (16, 16, 48, 48))
    image.save(tmp_path / "a.gif", transparency=0)
    alpha = load_photo(tmp_path / "a.gif").alpha
    assert alpha is not None and alpha[32, 32] == 1 and alpha[0, 0] == 0


def test_an_animation_takes_its_first_frame(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert load_photo(tmp_path / "a.gif").rgb[0, 0].tolist() == [255, 0, 0]


def test_the_colour_profile_is_applied(tmp_path: Path) -> None:
    lab_grey = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    Image.fromarray(gradient()).save(tmp_path / "s.png", icc_profile=srgb.tobytes())
    assert np.abs(load_photo(tmp_path / "s.png").rgb.astype(int) - gradient()).max() <= 1
    # A profile that does not fit the pixels is ignored, not fatal.
    Image.fromarray(gradient()).save(tmp_path / "bad.png", icc_profile=lab_grey.tobytes())
    Image.fromarray(gradient()).save(tmp_path / "junk.png", icc_profile=b"no profile at all")
    for name in ("bad.png", "junk.png"):
        assert np.array_equal(load_photo(tmp_path / name).rgb, gradient())


def test_large_photos_are_shrunk_in_their_own_shape(tmp_path: Path) -> None:
    Image.fromarray(gradient(1500, 3000)).save(tmp_path / "a.jpg", quality=95)
    rgb = load_photo(tmp_path / "a.jpg").rgb
    assert rgb.shape == (MAX_SIDE_PX // 2, MAX_SIDE_PX, 3)


def test_pictures_in_memory_are_left_as_they_are() -> None:
    image = Image.fromarray(gradient(3000, 2500))
    load_photo(image)
    assert image.size == (2500, 3000)


def test_not_an_image(tmp_path: Path) -> None:
    (tmp_path / "letter.jpg").write_text("dear reader")
    (tmp_path / "empty.png").write_bytes(b"")
    for name in ("letter.jpg", "empty.png"):
        with pytest.raises(PhotoError, match=f"^{name} is not an image; give JPEG, PNG, WebP or HEIC photos.$"):
            load_photo(tmp_path / name)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_a_truncated_image(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3)).astype(np.uint8)
    path = tmp_path / f"cut{suffix}"
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(PhotoError, match=f"^cut{suffix} is damaged or was cut short"):
        load_photo(path)


def test_whatever_a_reader_raises_is_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of AVIF, HEIC and DDS raise RuntimeErrors."""
    path = tmp_path / "phone.png"
    Image.new("RGB", (64, 64)).save(path)

    def load(self: object) -> None:
        raise RuntimeError("Failed to decode frame 0")

    monkeypatch.setattr(PngImageFile, "load", load)
    with pytest.raises(PhotoError, match="^phone.png is damaged or was cut short"):
        load_photo(path)


def test_a_huge_png_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    for side in (11_000, 30_000):  # over our own limit, and over Pillow's
        (tmp_path / "huge.png").write_bytes(bare_png(side, side))
        with pytest.raises(PhotoError, match="^huge.png is too large: at most 100 megapixels"):
            load_photo(tmp_path / "huge.png")


def test_a_missing_photo_a_folder_and_a_stamp(tmp_path: Path) -> None:
    with pytest.raises(PhotoError, match="^There is no photo none.jpg"):
        load_photo(tmp_path / "none.jpg")
    with pytest.raises(PhotoError, match=r"^\. is a folder"):
        load_photo(".")
    with pytest.raises(PhotoError, match="has only 8×8 pixels"):
        load_photo(np.zeros((8, 8, 3), np.uint8))


def test_arrays_must_be_8_bit_pictures() -> None:
    for array in (np.zeros((64, 64, 3)), np.zeros((64, 64, 2), np.uint8), np.zeros(64, np.uint8)):
        with pytest.raises(PhotoError, match="uint8 array"):
            load_photo(array)


def test_heic_is_read_or_its_reader_named(tmp_path: Path) -> None:
    path = tmp_path / "a.heic"
    try:
        import pillow_heif
    except ImportError:
        path.write_bytes(b"anything")
        with pytest.raises(DependencyError, match="pip install pillow-heif"):
            load_photo(path)
        return
    pillow_heif.from_pillow(Image.fromarray(gradient())).save(path, quality=95)
    assert np.abs(load_photo(path).rgb.astype(int) - gradient()).mean() < 8


def test_a_heic_that_is_called_jpg_is_told_for_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(bytes.fromhex("0000001c") + b"ftypmif1" + bytes(4) + b"mif1heicmiaf" + bytes(99))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # as where it is not installed
    with pytest.raises(DependencyError, match="^a.jpg is a HEIC photo: save it as JPEG, or run `pip install"):
        load_photo(path)


def test_a_photo_that_may_not_be_read_is_not_called_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    Image.fromarray(gradient()).save(tmp_path / "a.png")
    monkeypatch.setattr(Path, "open", refuse)  # modes mean nothing to root
    with pytest.raises(PhotoError, match="^a.png may not be read; "):
        load_photo(tmp_path / "a.png")


def test_tiff_tags_from_a_scanner_do_not_matter(tmp_path: Path) -> None:
    info = TiffImagePlugin.ImageFileDirectory_v2()
    info[270] = "scan"
    Image.fromarray(gradient()).save(tmp_path / "a.tiff", tiffinfo=info, compression="tiff_deflate")
    assert np.array_equal(load_photo(tmp_path / "a.tiff").rgb, gradient())
