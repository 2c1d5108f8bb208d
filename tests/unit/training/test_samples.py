from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from matting_client.processing import PAD_RGB
from matting_training.data.augment import blur, camera, compose, finish_batch, jitter_colour, jpeg, luminance
from matting_training.data.cache import cache_pairs, cache_pictures
from matting_training.data.pairs import find_pairs, pictures
from matting_training.data.placing import place_view, touched_borders
from matting_training.data.stream import MattingStream, Recipe, Source
from torch import Generator


@pytest.fixture
def stream(dataset: Path, tmp_path: Path) -> MattingStream:
    paths = cache_pairs(find_pairs(dataset / "people"), tmp_path / "c", 96, workers=1, quick=True)
    backgrounds = cache_pictures(pictures(dataset / "backgrounds"), tmp_path / "b", 160)
    sources = [Source("people", tuple(paths), 1.0, 0.5)]
    return MattingStream(
        sources,
        backgrounds,
        backgrounds[:1],
        sizes=(64,),
        batch=4,
        seed=3,
        first=10,
        last=60,
        recipe=Recipe(negatives=0.2),
    )


def test_a_sample_depends_on_its_number_alone(stream: MattingStream) -> None:
    late = MattingStream(
        stream.sources,
        stream.backgrounds,
        stream.empty,
        sizes=(64,),
        batch=4,
        seed=3,
        first=30,
        last=31,
        recipe=Recipe(negatives=0.2),
    )
    for name, value in stream[20].items():
        assert torch.equal(value, late[0][name])
    assert not torch.equal(stream[20]["fgr"], stream[21]["fgr"])


def test_samples_are_composites_photos_and_negatives(stream: MattingStream) -> None:
    samples = [stream[i] for i in range(len(stream))]
    assert all(s["fgr"].shape == (3, 64, 64) and s["pha"].shape == (1, 64, 64) for s in samples)
    negatives = [s for s in samples if not s["pha"].any()]
    own_scene = [s for s in samples if not s["composite"]]
    assert 3 <= len(negatives) <= 20 and all(s["composite"] for s in negatives)
    assert 10 <= len(own_scene) <= 35 and not any(s["bgr"].any() for s in own_scene)


def test_a_subject_cut_by_its_photos_bottom_never_floats() -> None:
    pha = np.zeros((80, 60), np.uint8)
    pha[30:, 20:40] = 255
    assert touched_borders(pha) == (False, False, False, True)
    rng = np.random.default_rng(0)
    for _ in range(200):
        view, scale = place_view(rng, pha, 64, composite=True)
        seen = view.warp(np.dstack([pha] * 4), (0, 0, 0, 0), scale)[..., 3]
        columns = seen.max(0) > 200
        if columns.sum() > 4:
            assert (seen[-3:].max(0) > 100).any(), "the cut shows above the sample's lower border"


def test_compose_by_hand_and_leaves_photos_alone() -> None:
    fgr, bgr = torch.full((2, 3, 1, 1), 0.8), torch.full((2, 3, 1, 1), 0.2)
    pha, composite = torch.full((2, 1, 1, 1), 0.25), torch.tensor([True, False]).view(2, 1, 1, 1)
    out = compose(fgr, bgr, pha, composite)
    assert out[0].flatten().tolist() == pytest.approx([0.35] * 3)
    assert out[1].flatten().tolist() == pytest.approx([0.8] * 3)


def test_jpeg_at_full_quality_hardly_changes_and_at_low_quality_blocks() -> None:
    torch.manual_seed(0)
    image = blur(torch.rand(2, 3, 64, 64), 2.0)
    fine, coarse = (jpeg(image, torch.full((2, 1, 1, 1), float(q))) for q in (100, 10))
    assert float((fine - image).abs().mean()) < 0.004
    assert float((coarse - image).abs().mean()) > 0.01
    flat = torch.full((1, 3, 16, 16), 0.5)
    assert torch.allclose(jpeg(flat, torch.full((1, 1, 1, 1), 50.0)), flat, atol=0.01)


def test_jpeg_matches_a_real_encoder_in_strength() -> None:
    import cv2
    from skimage import data

    photo = np.ascontiguousarray(data.astronaut()[:256, :256])
    settings = [cv2.IMWRITE_JPEG_QUALITY, 30, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x111111]
    done, coded = cv2.imencode(".jpg", photo[..., ::-1], settings)
    assert done
    real = cv2.imdecode(coded, cv2.IMREAD_COLOR)[..., ::-1].astype(np.float32) / 255
    image = torch.from_numpy(photo).permute(2, 0, 1)[None].float() / 255
    ours = jpeg(image, torch.full((1, 1, 1, 1), 30.0))[0].permute(1, 2, 0).numpy()
    # The encoder rounds its planes to whole numbers, which ours does not: one step of 255.
    assert np.abs(ours - real).mean() < 1 / 255
    assert np.abs(photo / 255 - real).mean() > 4 / 255


def test_luminance_and_jitter_stay_in_range() -> None:
    generator = Generator().manual_seed(1)
    image = torch.rand(4, 3, 32, 32)
    assert luminance(torch.ones(1, 3, 1, 1)).item() == pytest.approx(1)
    out = camera(jitter_colour(image, 1.0, generator), generator)
    assert out.shape == image.shape and float(out.min()) >= 0 and float(out.max()) <= 1


def test_a_batch_is_finished_the_same_way_each_time_and_keeps_the_letterbox_exact(stream: MattingStream) -> None:
    batch = torch.utils.data.default_collate([stream[i] for i in range(16)])
    one, two = finish_batch(batch, seed=5), finish_batch(batch, seed=5)
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["src"], finish_batch(batch, seed=6)["src"])
    pad = torch.tensor(PAD_RGB).view(3, 1, 1)
    photos = [i for i in range(16) if not batch["composite"][i]]
    padded = [(batch["fgr"][i] == pad).all(0) & (batch["pha"][i, 0] == 0) for i in photos]
    assert sum(int(p.sum()) for p in padded) > 0
    for i, where in zip(photos, padded, strict=True):
        assert (one["src"][i][:, where] == PAD_RGB[0]).all()
