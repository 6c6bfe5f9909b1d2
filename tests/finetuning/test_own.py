"""From a folder to a classifier: parts that share no picture, a backbone, a training, a report."""

from __future__ import annotations

import shutil
import weakref
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from resnet_utils import data, finetuning, models
from resnet_utils.data import near_duplicates, on_disk
from resnet_utils.data.layout import find_layout
from resnet_utils.deployment import classifier
from resnet_utils.files import weights as files
from resnet_utils.finetuning import own, photographs, tuning

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.3, 0.1)


def pictures(count, *, seed=0, classes=("a", "b", "c"), size=32):
    """A split of drawings, as many of each class, with names."""
    drawn = data.drawn_animals(count, size=size, seed=seed, species=("cat", "dog", "rabbit")[: len(classes)])
    names = tuple(f"{classes[k]}/{n}.png" for n, k in enumerate(drawn.labels.tolist()))
    return replace(drawn, classes=classes, names=names)


def joined(one, two, label=None):
    """Both splits as one; the second under another label where given."""
    labels = two.labels if label is None else torch.full_like(two.labels, label)
    names = tuple(f"again {name}" for name in two.names)
    return data.Split(
        torch.cat([one.images, two.images]), torch.cat([one.labels, labels]), one.classes,
        source=one.source, names=one.names + names,
    )  # fmt: skip


@settings(max_examples=20, deadline=None)
@given(st.integers(9, 40), st.integers(0, 5), st.integers(0, 1000))
def test_each_photograph_is_in_one_part_each_class_in_all_and_copies_together(count, twins, seed):
    one = pictures(3 * count)
    whole = joined(one, one.subset(range(twins)))
    parts = finetuning.split_photographs({"all": whole}, seed=seed)
    split = (parts.train, parts.valid, parts.test)
    names = [name for part in split for name in part.names]
    assert sorted(names) == sorted(whole.names)
    assert all(part.labels.bincount(minlength=3).min() >= 1 for part in split)
    where = {name: k for k, part in enumerate(split) for name in part.names}
    assert all(where[one.names[k]] == where[f"again {one.names[k]}"] for k in range(twins))
    assert abs(len(parts.test) - 0.2 * len(whole)) <= 3 + twins


def test_no_copy_crosses_two_parts_whatever_the_seed():
    whole = joined(pictures(60), pictures(60))
    for seed in range(4):
        parts = finetuning.split_photographs({"all": whole}, seed=seed)
        for one, two in ((parts.train, parts.test), (parts.train, parts.valid), (parts.valid, parts.test)):
            assert not near_duplicates.find_copies(one.images, two.images)


def test_one_seed_gives_one_split_and_another_another():
    whole = {"all": pictures(60)}
    names = [finetuning.split_photographs(whole, seed=seed).test.names for seed in (0, 0, 1)]
    assert names[0] == names[1] != names[2]


def test_the_same_picture_in_two_classes_is_told():
    one = pictures(60)
    parts = finetuning.split_photographs({"all": joined(one, one.subset([0]), (int(one.labels[0]) + 1) % 3)})
    assert parts.mixed == ((one.names[0], f"again {one.names[0]}"),)


def test_the_parts_of_the_folder_are_kept_and_a_leak_is_put_aside():
    train, test = pictures(60), pictures(30, seed=1)
    leaked = joined(train, test.subset([4]))
    parts = finetuning.split_photographs({"train": leaked, "test": test})
    assert parts.test.names == test.names
    assert parts.given == ("train", "test")
    assert parts.aside == (
        (f"again {test.names[4]}", f"a copy of {test.names[4]}, which is in the test part"),
    )
    assert len(parts.train) + len(parts.valid) == 60


def test_three_parts_of_the_folder_are_cut_no_further():
    given = {"train": pictures(30), "valid": pictures(12, seed=1), "test": pictures(12, seed=2)}
    parts = finetuning.split_photographs(given)
    assert [len(p) for p in (parts.train, parts.valid, parts.test)] == [30, 12, 12]


def test_a_class_with_too_few_photographs_is_named_and_counted():
    few = pictures(30).subset([*torch.nonzero(pictures(30).labels != 2)[:, 0].tolist(), 0])
    two = joined(few, pictures(30).subset(torch.nonzero(pictures(30).labels == 2)[:2, 0]))
    with pytest.raises(ValueError, match=r"'c' has 2; each class needs at least 3"):
        finetuning.split_photographs({"all": two})


def test_copies_of_one_picture_do_not_make_a_class_large_enough():
    one = pictures(60)
    alone = one.subset(torch.nonzero(one.labels == 2)[:1, 0].repeat(10))
    with pytest.raises(ValueError, match=r"copies of one counted once.*'c' has 1"):
        finetuning.split_photographs({"all": joined(one.subset(torch.nonzero(one.labels != 2)[:, 0]), alone)})


def test_what_is_no_picture_and_what_has_no_class_stand_side_by_side(tmp_path):
    for number, (image, label) in enumerate(zip(pictures(12).images, pictures(12).labels, strict=True)):
        file = tmp_path / "abc"[int(label)] / f"{number}.png"
        file.parent.mkdir(exist_ok=True)
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(file)
    (tmp_path / "a" / "letter.jpg").write_text("dear all")
    (tmp_path / "ids.csv").write_text("1,2")
    found = finetuning.read_photographs(tmp_path, size=32)
    assert {name for name, _ in found["all"].quarantine} == {"a/letter.jpg", "ids.csv"}


# --- more photographs than memory ---------------------------------------------------------------------

SMALL = {"weights": "book", "size": 32, "epochs": 2, "progress": False}
FILES = (own.CLASSIFIER, own.REPORT, own.CARD, own.NUMBERS, own.STATE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """60 drawn photographs, a brighter copy of one in another class, two that are damaged and a letter."""
    root = tmp_path_factory.mktemp("photographs") / "animals"
    drawn = pictures(60, size=40)
    for name, image in zip(drawn.names, drawn.images, strict=True):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.permute(1, 2, 0).numpy()).save((root / name).with_suffix(".jpg"), quality=90)
    whole = Image.fromarray((drawn.images[0].permute(1, 2, 0).numpy() * 0.9 + 25).astype("uint8"))
    whole.save(root / "abc"[(int(drawn.labels[0]) + 1) % 3] / "again.png")
    file = next((root / "a").iterdir())
    stored = file.read_bytes()
    (root / "a" / "half.jpg").write_bytes(stored[:400])
    table = stored.index(b"\xff\xc4") + 5  # how many codes of each length the first Huffman table has
    (root / "a" / "inside.jpg").write_bytes(stored[:table] + b"\xff" * 16 + stored[table + 16 :])
    (root / "b" / "letter.jpg").write_text("a picture, I promise")
    return root


def on_disk_from_now_on(monkeypatch):
    """Lower the limit to 48 photographs of 32 pixels, or to twelve at a time as floats."""
    monkeypatch.setattr(photographs, "BATCH", 12)
    monkeypatch.setattr(photographs, "MOST_BYTES", 48 * 3 * 32**2)


def test_what_memory_would_not_hold_stays_on_the_disk_in_the_same_parts(folder, monkeypatch):
    held = finetuning.split_photographs(finetuning.read_photographs(folder, size=32), seed=3)
    on_disk_from_now_on(monkeypatch)
    left = finetuning.split_photographs(finetuning.read_photographs(folder, size=32), seed=3)
    for one, two in ((held.train, left.train), (held.valid, left.valid), (held.test, left.test)):
        assert isinstance(one, data.Split)
        assert isinstance(two, data.SplitOnDisk)
        assert one.names == two.names
        assert torch.equal(one.labels, two.labels)
        assert torch.equal(one.images, two.in_memory().images)
    assert (held.copies, held.mixed, held.aside) == (left.copies, left.mixed, left.aside)
    assert len(held.mixed) == 1
    assert {name for name, _ in held.aside} == {"a/half.jpg", "a/inside.jpg", "b/letter.jpg"}


def test_a_leak_between_the_folders_parts_is_found_on_the_disk_too(folder, tmp_path, monkeypatch):
    shutil.copytree(folder, tmp_path / "train")
    for kind in "abc":
        (tmp_path / "test" / kind).mkdir(parents=True)
        for file in sorted((folder / kind).glob("[1-9]*.jpg"))[:4]:
            shutil.copy(file, tmp_path / "test" / kind / f"twin{file.name}")
    held = finetuning.split_photographs(finetuning.read_photographs(tmp_path, size=32))
    on_disk_from_now_on(monkeypatch)
    left = finetuning.split_photographs(finetuning.read_photographs(tmp_path, size=32))
    assert [str(held), *held.aside] == [str(left), *left.aside]
    assert sum("which is in the test part" in reason for _, reason in left.aside) == 12
    assert left.train.names == held.train.names


def test_a_run_from_the_disk_says_so_and_ends_with_the_files_of_a_run_from_memory(
    folder, tmp_path, monkeypatch
):
    told: dict[str, list[str]] = {"memory": [], "disk": []}
    runs = {}
    for road, lines in told.items():
        if road == "disk":
            on_disk_from_now_on(monkeypatch)
        runs[road] = finetuning.finetune_folder(folder, tmp_path / road / "out", tell=lines.append, **SMALL)
    history = [run.history for run in runs.values()]
    assert history[0].valid_loss == history[1].valid_loss
    assert history[0].train_loss == history[1].train_loss
    assert runs["memory"].report == runs["disk"].report
    for name in FILES:
        one, two = ((tmp_path / road / "out" / name).read_bytes() for road in told)
        assert one == two, name
    more = [line for line in told["disk"] if line not in told["memory"] and "trained in" not in line]
    assert len(more) == 1
    assert "64 photographs at 32 pixels take 0.0 GB of memory, more than 0, so each is decoded" in more[0]


def test_the_line_names_the_size_that_memory_would_hold(folder, monkeypatch):
    layout = find_layout(folder)
    monkeypatch.setattr(photographs, "BATCH", 4)
    monkeypatch.setattr(photographs, "MOST_BYTES", 64 * 3 * 50**2)
    assert photographs.beyond_memory(layout, size=50) == ""
    assert "a size of at most 50 would be held in memory" in photographs.beyond_memory(layout, size=51)


def test_a_size_of_which_not_even_a_batch_fits_is_refused_with_one_that_does(folder, monkeypatch):
    on_disk_from_now_on(monkeypatch)
    assert finetuning.read_photographs(folder, size=32)["all"].shape[-1] == 32
    with pytest.raises(ValueError, match=r"12 photographs at once at 33 pixels .* size of at most 32"):
        finetuning.read_photographs(folder, size=33)


def test_a_run_from_the_disk_never_holds_more_than_two_batches_of_photographs(folder, tmp_path, monkeypatch):
    """What is decoded lies in arrays; a stand-in for ``np.empty`` counts those that are still there."""
    here, most, decoded = 0, 0, 0

    def gone(count):
        nonlocal here
        here -= count

    def counted(shape, dtype):
        nonlocal here, most, decoded
        array = np.empty(shape, dtype)
        here, decoded = here + shape[0], decoded + shape[0]
        most = max(most, here)
        weakref.finalize(array, gone, shape[0])
        return array

    on_disk_from_now_on(monkeypatch)
    monkeypatch.setattr(on_disk, "np", SimpleNamespace(empty=counted, uint8=np.uint8))
    for module, name in ((near_duplicates, "_PIECE"), (classifier, "BATCH"), (tuning, "BATCH")):
        monkeypatch.setattr(module, name, 4)
    whole = finetuning.read_photographs(folder, size=32)["all"].in_memory()
    assert most == here == len(whole) == 61, "the stand-in sees what is held"
    del whole
    here, most, decoded = 0, 0, 0
    finetuning.finetune_folder(folder, tmp_path / "out", tell=lambda _: None, **SMALL)
    assert decoded > 3 * 61, "to find copies, to train twice, to judge"
    assert most <= 8


# --- the backbone -------------------------------------------------------------------------------------


def test_the_books_backbone_has_its_weights_and_a_fresh_head():
    start = finetuning.choose_backbone("book")
    shipped = models.from_card(models.shipped("resnet18-source"))
    one, same, other = (start.with_head(3, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(one.conv1.weight, shipped.conv1.weight)
    assert torch.equal(one.fc.weight, same.fc.weight)
    assert not torch.equal(one.fc.weight, other.fc.weight)
    assert one.fc.out_features == 3
    assert start.advice


def test_without_a_connection_auto_takes_the_books_and_says_why(monkeypatch):
    def no_network(*_, **__):
        raise ConnectionError("could not fetch x:\n  address: no network\nTry again later")

    monkeypatch.setattr(models, "load_imagenet", no_network)
    start = finetuning.choose_backbone()
    assert "come with the book" in start.weights
    assert "no network" in start.advice
    with pytest.raises(ConnectionError):
        finetuning.choose_backbone("imagenet")
    with pytest.raises(ConnectionError):  # the book has no resnet50 to fall back on
        finetuning.choose_backbone(network="resnet50")


@pytest.mark.parametrize(
    ("network", "wanted"), [("resnet18", "IMAGENET1K_V1"), ("resnet50", "IMAGENET1K_V2")]
)
def test_with_a_connection_imagenets_newest_weights_are_taken(monkeypatch, network, wanted):
    def fetched(model, name):
        assert model.fc.out_features == 1000
        return torchvision.models.get_model_weights(name).DEFAULT

    monkeypatch.setattr(models, "load_imagenet", fetched)
    start = finetuning.choose_backbone(network=network)
    assert (start.size, start.weights) == (224, f"torchvision's {wanted}")


def test_a_file_of_ours_says_what_it_is(tmp_path):
    model = models.build("resnet20", 4)
    card = models.card_of(model, "resnet20", tuple("abcd")) | {
        "mean": list(MEAN),
        "std": list(STD),
        "size": 40,
    }
    files.save_weights(model, tmp_path / "mine.safetensors", card=card)
    start = finetuning.choose_backbone(tmp_path / "mine.safetensors")
    assert (start.network, start.size, start.mean, start.std) == ("resnet20", 40, MEAN, STD)
    assert torch.equal(start.with_head(2).conv1.weight, model.conv1.weight)
    with pytest.raises(ValueError, match="holds a resnet20, not a resnet18"):
        finetuning.choose_backbone(tmp_path / "mine.safetensors", network="resnet18")


def test_a_file_from_elsewhere_needs_the_name_of_its_network_but_no_number_of_classes(tmp_path):
    model = models.build("resnet20", 7)
    torch.save({"state_dict": {f"module.{k}": v for k, v in model.state_dict().items()}}, tmp_path / "x.pth")
    with pytest.raises(ValueError, match="name it: --network"):
        finetuning.choose_backbone(tmp_path / "x.pth")
    start = finetuning.choose_backbone(tmp_path / "x.pth", network="resnet20")
    assert torch.equal(start.with_head(2).conv1.weight, model.conv1.weight)


def test_a_file_gets_the_rate_of_its_kind_the_books_if_small_and_imagenets_if_large(tmp_path, monkeypatch):
    def fetched(model, name):
        return torchvision.models.get_model_weights(name).DEFAULT

    monkeypatch.setattr(models, "load_imagenet", fetched)
    rates = {
        "resnet20": finetuning.choose_backbone("book").lr,
        "resnet18": finetuning.choose_backbone("imagenet").lr,
    }
    assert rates["resnet20"] > rates["resnet18"], "better weights need smaller steps"
    for network, rate in rates.items():
        file = tmp_path / f"{network}.pth"
        torch.save(models.build(network, 3).state_dict(), file)
        assert finetuning.choose_backbone(file, network=network).lr == rate


# --- the training -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def start():
    """The book's backbone for tiny pictures."""
    return finetuning.choose_backbone("book", size=32)


def test_few_photographs_get_many_passes_and_many_get_few():
    assert [tuning.default_epochs(n) for n in (20, 180, 10_000)] == [60, 24, 8]


def test_a_balanced_training_gets_a_loss_in_which_rare_classes_count_more(start, monkeypatch):
    losses = []
    monkeypatch.setattr(tuning.training, "fit", lambda *_, loss_function, **__: losses.append(loss_function))
    parts = finetuning.split_photographs({"all": pictures(30)})
    finetuning.tune(start, parts, epochs=1)
    finetuning.tune(start, parts, epochs=1, balanced=True)
    assert losses[0] is None
    assert isinstance(losses[1], nn.CrossEntropyLoss)
    assert torch.equal(losses[1].weight, data.class_weights(parts.train))


def test_one_seed_gives_the_same_bits_and_a_checkpoint_changes_none(start, tmp_path):
    parts = finetuning.split_photographs({"all": pictures(30)})
    once, _ = finetuning.tune(start, parts, epochs=2, progress=False)
    kept, history = finetuning.tune(start, parts, epochs=2, checkpoint=tmp_path / "run.pt", progress=False)
    again, same = finetuning.tune(start, parts, epochs=2, checkpoint=tmp_path / "run.pt", progress=False)
    assert history == same, "nothing was left to do"
    for key, value in once.state_dict().items():
        assert torch.equal(value, kept.state_dict()[key])
        assert torch.equal(value, again.state_dict()[key])


def test_photographs_of_another_size_are_refused(start):
    parts = finetuning.split_photographs({"all": pictures(30, size=40)})
    with pytest.raises(ValueError, match="read at 40 pixels, the network wants 32"):
        finetuning.tune(start, parts, epochs=1)


def test_too_few_photographs_set_no_threshold_and_a_faultless_validation_makes_nothing_surer(
    start, monkeypatch
):
    parts = finetuning.split_photographs({"all": pictures(30)})
    model = start.with_head(3).eval()
    logits = nn.functional.one_hot(parts.valid.labels, 3).float()
    monkeypatch.setattr(tuning.deployment.Classifier, "logits", lambda *_: logits)
    judge = finetuning.to_classifier(model, start, parts)
    assert judge.threshold == 0.0
    assert judge.temperature == 1.0, (
        "all answers are right, which would let the temperature fall to its least"
    )


@pytest.mark.parametrize("risk", [0, 1, -1])
def test_a_risk_that_is_none_is_refused(start, risk):
    parts = finetuning.split_photographs({"all": pictures(30)})
    with pytest.raises(ValueError, match="risk must lie"):
        finetuning.to_classifier(start.with_head(3), start, parts, risk=risk)


@pytest.mark.parametrize("content", ["[]", "3", "null", "{"])
def test_a_note_of_settings_that_is_none_is_called_damaged(tmp_path, content):
    (tmp_path / own.STATE).write_text(content)
    with pytest.raises(ValueError, match="is damaged; delete the folder"):
        own._claim(tmp_path, {"epochs": 1})


def test_a_folder_goes_on_with_the_settings_it_was_begun_with_and_with_no_other(tmp_path):
    begun = {"epochs": 2, "seed": 0}
    own._claim(tmp_path, begun)
    own._claim(tmp_path, begun)
    with pytest.raises(ValueError, match=r"holds another run: seed is 0 there and 1 now\..*another --output"):
        own._claim(tmp_path, begun | {"seed": 1})
    own._claim(tmp_path, begun)


def test_an_output_without_a_name_is_not_the_working_folder(tmp_path):
    with pytest.raises(ValueError, match="output folder is empty"):
        finetuning.finetune_folder(tmp_path, "")


def test_another_file_of_weights_with_the_same_name_does_not_take_over_a_run():
    model = models.build("resnet20", 3, width=2)
    start = finetuning.Backbone("resnet20", "the file w.safetensors", 32, 0.05, model)
    before = own._digest_of_weights(start)
    with torch.no_grad():
        model.conv1.weight[0, 0, 0, 0] += 1
    assert own._digest_of_weights(start) != before


def test_training_shuffles_and_augments_and_validation_shows_each_picture_as_it_is(start, monkeypatch):
    given = []
    monkeypatch.setattr(tuning.training, "fit", lambda *parts, **_: given.append(parts))
    parts = finetuning.split_photographs({"all": pictures(90)})
    finetuning.tune(start, parts, epochs=1)
    _, train, valid = given[0]
    shown = torch.cat([images for images, _ in valid])
    mean, std = (torch.tensor(values)[:, None, None] for values in (start.mean, start.std))
    torch.testing.assert_close(shown, (parts.valid.images.float() / 255 - mean) / std)
    assert torch.equal(torch.cat([labels for _, labels in valid]), parts.valid.labels)
    orders = [torch.cat([labels for _, labels in train]).tolist() for _ in range(3)]
    assert orders[0] != orders[1] != orders[2], "each epoch has an order of its own"
    sizes = {tuple(images.shape[1:]) for images, _ in train}
    assert sizes == {(3, 24, 24)}, "cut out, three quarters as wide as the pictures (TEST_SHARE)"
    means = [torch.cat([images for images, _ in train]).mean().item() for _ in range(2)]
    assert abs(means[0]) < 2, "normalised as the weights are used to, not 0 to 255"
    assert means[0] != means[1], "each epoch cuts out elsewhere"


def test_temperature_and_threshold_come_from_the_validation_and_no_other_part(start, monkeypatch):
    parts = finetuning.split_photographs({"all": pictures(90)})
    asked = []

    def logits(_, split):
        asked.append(split)
        wrong = torch.arange(len(split)) % 4 == 0
        return 3 * nn.functional.one_hot((split.labels + wrong) % 3, 3).float()

    monkeypatch.setattr(tuning.deployment.Classifier, "logits", logits)
    judge = finetuning.to_classifier(start.with_head(3), start, parts, risk=0.9)
    assert asked == [parts.valid]
    # All are equally sure, so the best temperature lets them be as sure as they are often right.
    count = len(parts.valid)
    right = 1 - (torch.arange(count) % 4 == 0).double().mean().item()
    sure = 1 / (1 + 2 * np.exp(-3 / judge.temperature))
    assert sure == pytest.approx(right, abs=1e-6)
    # Nine answers of ten may be wrong, and a quarter is: the promise holds, and every picture gets an answer.
    assert judge.threshold == pytest.approx(sure), "the confidence at that temperature, not at 1"


def test_the_report_judges_the_test_and_the_risk_asked_for_is_the_one_that_counts(
    start, tmp_path, monkeypatch
):
    """The steps of ``finetune_folder`` without its training: each gets what the step before gave."""
    whole = pictures(90)
    parts = finetuning.split_photographs({"all": whole}, seed=5)
    model, seen = start.with_head(3), {}
    monkeypatch.setattr(own, "find_layout", lambda folder: None)
    monkeypatch.setattr(own, "choose_backbone", lambda *_, **__: start)
    monkeypatch.setattr(own, "beyond_memory", lambda *_, **__: "")
    monkeypatch.setattr(own, "read_photographs", lambda *_, **__: {"all": whole})
    monkeypatch.setattr(
        own, "tune", lambda *_, **options: seen.update(options) or (model, own.training.History())
    )
    usual = own.to_classifier
    monkeypatch.setattr(own, "to_classifier", lambda *a, **o: seen.update(o) or usual(*a, **o))
    done = own.finetune_folder(
        tmp_path / "pets", tmp_path / "out", seed=5, epochs=4, lr=0.25, balanced=True, risk=0.3,
        tell=lambda line: None, progress=False,
    )  # fmt: skip
    assert {name: seen[name] for name in ("seed", "epochs", "lr", "balanced", "risk")} == {
        "seed": 5, "epochs": 4, "lr": 0.25, "balanced": True, "risk": 0.3,
    }  # fmt: skip
    right = done.classifier.logits(parts.test).argmax(dim=1) == parts.test.labels
    assert (done.report.count, done.report.accuracy) == (len(parts.test), right.double().mean().item())
    card = (done.folder / own.CARD).read_text(encoding="utf-8")
    assert f"on {len(parts.test)} images" in card
    assert f"| {100 * right.double().mean():.1f} % (95 % interval" in card
