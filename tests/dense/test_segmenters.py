"""torchvision's segmenters with our ResNet inside, the small one, and their training."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

from resnet_utils import dense, models
from resnet_utils.data.synthetic import groups
from resnet_utils.dense import learning
from resnet_utils.evaluation import segmentation
from resnet_utils.training import optim

published = torchvision.models.segmentation


@pytest.mark.parametrize("aux", [False, True])
@pytest.mark.parametrize(
    ("make", "ours"), [(published.fcn_resnet50, dense.fcn), (published.deeplabv3_resnet50, dense.deeplab)]
)
def test_one_file_of_weights_gives_the_same_pixels(make, ours, aux, tmp_path):
    torch.manual_seed(0)
    stock = make(weights=None, weights_backbone=None, aux_loss=aux)
    torch.save(stock.state_dict(), tmp_path / "weights.pth")
    mine = ours(models.build("resnet50"), 21, aux=aux)
    mine.load_state_dict(torch.load(tmp_path / "weights.pth", weights_only=True), strict=True)
    x = torch.rand(1, 3, 49, 65)
    with torch.inference_mode():
        a, b = stock.eval()(x), mine.eval()(x)
    assert list(a) == list(b)
    assert all(torch.equal(a[part], b[part]) for part in a)


def small():
    torch.manual_seed(0)
    return dense.SkipFCN(models.build("resnet20", width=8), 3)


def test_the_small_segmenter_answers_for_every_pixel_of_any_size():
    with torch.inference_mode():
        assert small().eval()(torch.rand(2, 3, 33, 50))["out"].shape == (2, 3, 33, 50)


def test_a_short_training_beats_one_colour():
    drawn = groups.draw_groups(24, size=48, seed=0)
    images, masks = torch.from_numpy(drawn.images), torch.from_numpy(drawn.pixels())
    masks = masks.clamp(max=1)  # an animal or none
    model = dense.SkipFCN(models.build("resnet20", width=8), 2)
    losses = learning.train_segmenter(model, images, masks, steps=30, batch=8, lr=0.1)
    assert losses[-1] < 0.7 * losses[0]
    counts = segmentation.pixel_confusion(learning.segment(model, images), masks, 2)
    alike = segmentation.pixel_confusion(torch.zeros_like(masks), masks, 2)
    assert segmentation.mean_iou(counts) > segmentation.mean_iou(alike) + 0.1
    assert model.training


def test_unknown_pixels_do_not_count():
    images = torch.randint(0, 255, (4, 3, 32, 32), dtype=torch.uint8)
    masks = torch.full((4, 32, 32), -100)
    masks[:, 0] = 1
    (loss,) = learning.train_segmenter(small(), images, masks, steps=1, batch=4)
    other = masks.clone()
    other[:, 5] = -100  # it was unknown, and is
    assert learning.train_segmenter(small(), images, other, steps=1, batch=4) == [loss]


def test_a_second_head_is_weighed():
    images = torch.randint(0, 255, (2, 3, 32, 32), dtype=torch.uint8)
    masks = torch.zeros(2, 32, 32, dtype=torch.int64)
    losses = []
    for weight in (0.0, 0.5):
        torch.manual_seed(0)
        # with width=4 torch 2.15 writes past its memory here on a processor without AVX-512, and is ended
        model = dense.fcn(models.build("resnet18", width=16), 2, aux=True)
        losses += learning.train_segmenter(model, images, masks, steps=1, batch=2, aux_weight=weight)
    assert losses[1] > losses[0]


def test_every_image_is_seen_once_before_one_comes_twice():
    made = learning.mirrored_batches(10, 5, steps=4, seed=0)
    chosen = [place for places, _ in made for place in places.tolist()]
    assert sorted(chosen[:10]) == sorted(chosen[10:]) == list(range(10))
    assert chosen[:10] != chosen[10:]
    with pytest.raises(ValueError, match="batch must be 1 to 10"):
        list(learning.mirrored_batches(10, 11, steps=1, seed=0))


@pytest.mark.parametrize("num_classes", [1, True, 2.0])
def test_classes_that_are_none_are_refused(num_classes):
    with pytest.raises(ValueError, match=r"num_classes must be (a whole number of )?at least 2"):
        dense.SkipFCN(models.build("resnet20"), num_classes)


def test_wrong_shapes_and_short_networks_are_refused():
    with pytest.raises(ValueError, match="four stages, the network has 3"):
        dense.fcn(models.build("resnet20"), 2)
    with pytest.raises(TypeError, match=r"models\.build"):
        dense.deeplab(torchvision.models.resnet18(), 2)
    images = torch.zeros(2, 3, 32, 32, dtype=torch.uint8)
    with pytest.raises(ValueError, match="one class a pixel"):
        learning.train_segmenter(small(), images, torch.zeros(2, 16, 16, dtype=torch.int64), steps=1)
    with pytest.raises(ValueError, match="images must be uint8"):
        learning.segment(small(), images.float())


def test_answers_are_those_of_eval_mode():
    torch.manual_seed(0)
    model = dense.fcn(models.build("resnet18", width=4, stem="cifar"), 2).train()
    with torch.no_grad():
        for _ in range(3):
            model(torch.randn(4, 3, 32, 32))  # so that the two modes differ
    images = torch.randint(0, 256, (6, 3, 32, 32), dtype=torch.uint8)
    alone = torch.cat([learning.segment(model, image[None]) for image in images])
    assert torch.equal(learning.segment(model, images), alone), "no answer depends on the others"
    assert model.training, "the mode is left as it came"


def test_masks_are_mirrored_with_their_images():
    bright = torch.zeros(8, 3, 6, 6, dtype=torch.uint8)
    bright[..., :2] = 255  # the class stands on the left, so a mask that stays behind would be wrong
    masks = (bright[:, 0] > 0).long()
    layer = nn.Conv2d(3, 2, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([-50.0, 50.0])[:, None, None, None].expand(2, 3, 1, 1))
        layer.bias.zero_()

    class Perfect(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = layer

        def forward(self, x):
            return {"out": self.layer(x)}

    places = learning.mirrored_batches(8, 4, steps=12, seed=0)
    assert {mirror for _, mirror in places} == {True, False}, "both are asked"
    losses = learning.train_segmenter(Perfect(), bright, masks, steps=12, batch=4, lr=1e-9, seed=0)
    assert max(losses) < 1e-6, "a perfect answer stays perfect in the mirror"


class Pixelwise(nn.Module):
    """A 1x1 convolution, whose gradient of a batch does not depend on what came before."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Conv2d(3, 2, 1)

    def forward(self, x):
        return {"out": self.layer(x)}


def test_each_step_has_the_gradient_of_its_own_batch_and_the_rate_ends_near_zero(monkeypatch):
    rates = []

    def sgd(*arguments, **options):
        made = optim.sgd(*arguments, **options)
        made.register_step_pre_hook(lambda optimizer, *_: rates.append(optimizer.param_groups[0]["lr"]))
        return made

    monkeypatch.setattr(learning, "sgd", sgd)
    images = torch.randint(
        0, 256, (8, 3, 6, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(1)
    )
    masks = (images[:, 0] > 127).long()
    model = Pixelwise()
    learning.train_segmenter(model, images, masks, steps=4, batch=2, lr=1e-9, seed=3)
    *_, (last, _) = learning.mirrored_batches(8, 2, steps=4, seed=3)
    # A mirror image has the same pixels, and at this rate the weights are those of the start.
    mean, std = (torch.tensor(v)[:, None, None] for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    fresh = Pixelwise()
    logits = fresh((images[last].float() / 255 - mean) / std)["out"]
    nn.functional.cross_entropy(logits, masks[last]).backward()
    torch.testing.assert_close(model.layer.weight.grad, fresh.layer.weight.grad, rtol=1e-4, atol=1e-6)
    # torch's one cycle begins at a 25th of the rate, and ends at a ten-thousandth of where it began.
    assert rates[0] == pytest.approx(1e-9 / 25)
    assert rates[-1] == pytest.approx(1e-9 / 25e4)


def test_every_stage_has_a_vote_and_they_are_added():
    model = small().eval()
    x = torch.rand(1, 3, 32, 32)
    whole, parts = model(x)["out"], []
    scales = [vote[1].weight.detach().clone() for vote in model.votes]
    for one in range(len(model.votes)):
        with torch.no_grad():
            for number, (vote, scale) in enumerate(zip(model.votes, scales, strict=True)):
                vote[1].weight.copy_(scale if number == one else torch.zeros_like(scale))
        parts.append(model(x)["out"])
        assert parts[-1].abs().max() > 0, f"the vote of stage {one + 1}"
    torch.testing.assert_close(sum(parts), whole)
