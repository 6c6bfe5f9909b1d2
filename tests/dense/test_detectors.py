"""torchvision's detectors with our ResNet inside: the same names, and the same answers from one file."""

from __future__ import annotations

import pytest
import torch
import torchvision

from resnet_utils import dense, models
from resnet_utils.data.synthetic import groups
from resnet_utils.dense import learning

published = torchvision.models.detection
FEW = {"rpn_post_nms_top_n_test": 20, "box_detections_per_img": 5, "box_score_thresh": 0.0}


def stand_in(make, tmp_path):
    """A file of random weights as torchvision would publish it: frozen norms, so no counts of batches."""
    torch.manual_seed(0)
    stock = dense.freeze_norms(make(weights=None, weights_backbone=None, min_size=64, max_size=96, **FEW))
    for name, value in stock.named_buffers():
        if name.endswith("running_var"):
            value.uniform_(0.5, 2)
    torch.save(stock.state_dict(), tmp_path / "weights.pth")
    return stock


@pytest.mark.parametrize(
    ("make", "ours"),
    [
        (published.fasterrcnn_resnet50_fpn, dense.faster_rcnn),
        (published.maskrcnn_resnet50_fpn, dense.mask_rcnn),
    ],
)
def test_one_file_of_weights_gives_the_same_boxes(make, ours, tmp_path):
    stock = stand_in(make, tmp_path)
    mine = ours(dense.freeze_norms(models.build("resnet50")), 91)
    mine.load_state_dict(torch.load(tmp_path / "weights.pth", weights_only=True), strict=True)
    mine.transform.min_size, mine.transform.max_size = (64,), 96
    mine.rpn._post_nms_top_n["testing"] = 20
    mine.roi_heads.detections_per_img, mine.roi_heads.score_thresh = 5, 0.0
    x = [torch.rand(3, 64, 80)]
    with torch.inference_mode():
        (a,), (b,) = (model.eval()(x) for model in (stock, mine))
    assert len(a["boxes"]) == 5
    assert all(torch.equal(a[name], b[name]) for name in a)


def small(**options):
    torch.manual_seed(0)
    body = models.build("resnet20", width=4)
    sizes = {"anchor_sizes": (16, 32, 48), "image_size": (64, 64), "out_channels": 8, "head_width": 16}
    return dense.faster_rcnn(body, 3, stages=("layer2", "layer3"), proposals=40, **(sizes | options))


def test_a_small_detector_learns_and_answers():
    drawn = groups.draw_groups(8, size=64, seed=0)
    images, targets = torch.from_numpy(drawn.images), learning.box_targets(drawn)
    model = small(sampled=(32, 16))
    history = learning.train_detector(model, images, targets, steps=6, batch=4, lr=0.01)
    assert [set(row) for row in history] == 6 * [set(history[0])]
    assert history[-1]["loss_objectness"] < history[0]["loss_objectness"]
    assert model.training
    answers = learning.detect(model, images)
    assert len(answers) == 8
    assert model.training, "the mode is left as it came"


def test_the_same_seed_trains_the_same_detector():
    drawn = groups.draw_groups(4, size=64, seed=0)
    given = torch.from_numpy(drawn.images), learning.box_targets(drawn)
    runs = [learning.train_detector(small(), *given, steps=2, batch=2, seed=s) for s in (0, 0, 1)]
    assert runs[0] == runs[1] != runs[2]


def test_a_mirrored_target_is_that_of_the_mirrored_image():
    drawn = groups.draw_groups(6, size=64, seed=2)
    for target in learning.box_targets(drawn, masks=True):
        turned = learning.mirrored(target, 64)
        for box, mask in zip(turned["boxes"], turned["masks"], strict=True):
            rows, columns = mask.nonzero(as_tuple=True)
            edges = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert box.tolist() == [float(edge) for edge in edges]


def test_wrong_numbers_are_refused():
    with pytest.raises(ValueError, match="num_classes must be at least 2, got 1"):
        dense.faster_rcnn(models.build("resnet18"), 1)
    with pytest.raises(ValueError, match="3 maps, but there are 2 anchor sizes"):
        small(anchor_sizes=(16, 32))
    with pytest.raises(TypeError, match=r"models\.build"):
        dense.mask_rcnn(torchvision.models.resnet18(), 2)
    with pytest.raises(ValueError, match="one target an image"):
        learning.train_detector(small(), torch.zeros(2, 3, 64, 64, dtype=torch.uint8), [], steps=1)


@pytest.mark.parametrize("images", [torch.rand(1, 3, 64, 64), torch.zeros(1, 1, 64, 64, dtype=torch.uint8)])
def test_a_detector_refuses_images_that_it_would_scale_twice_or_that_are_grey(images):
    model = dense.faster_rcnn(models.build("resnet18"), 3, image_size=(64, 64))
    with pytest.raises(ValueError, match=r"images must be uint8 \(N, 3, H, W\), got"):
        learning.detect(model, images)
    with pytest.raises(ValueError, match=r"images must be uint8 \(N, 3, H, W\), got"):
        learning.train_detector(model, images, [{}], steps=1)


def test_proposals_and_boxes_are_sampled_as_asked():
    model = small(sampled=(32, 16))
    assert model.rpn.fg_bg_sampler.batch_size_per_image == 32
    assert model.roi_heads.fg_bg_sampler.batch_size_per_image == 16
