"""Tests of ``resnet_utils.runtime``."""

import math
import os
import random
import sys
from decimal import ROUND_HALF_EVEN, Decimal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from resnet_utils import runtime
from resnet_utils.reporting import numbers, show


def printed(capsys, *args, **options):
    show(*args, **options)
    return capsys.readouterr().out


@pytest.fixture
def torch_settings():
    """Puts back what ``setup`` changes for the whole process."""
    threads, mode = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    yield
    torch.set_num_threads(threads)
    torch.set_deterministic_debug_mode(mode)
    torch.utils.deterministic.fill_uninitialized_memory = True  # torch's default


# show


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.14159265, "3.142"),
        (-0.00001, "0.000"),  # never "-0.000"
        (7, "7"),
        (25_557_032, "25557032"),
        (True, "True"),
        (None, "None"),
        ("residual", "residual"),
        (torch.Size([2, 3, 4]), "(2, 3, 4)"),
        ((5,), "(5,)"),
        ([0.25, 1], "[0.250, 1]"),
        (torch.tensor(3), "3"),
        (torch.tensor(0.25), "0.250"),
        (torch.tensor(True), "True"),
        (np.float32(0.25), "0.250"),
        (np.int64(3), "3"),
        (np.bool_(False), "False"),
    ],
)
def test_show_prints_each_type_in_its_own_way(capsys, value, text):
    assert printed(capsys, "x", value) == f"x: {text}\n"


def test_show_prints_the_unit_after_the_value(capsys):
    assert printed(capsys, "cost", 1.8141, 2, unit="G") == "cost: 1.81 G\n"


@pytest.mark.parametrize("value", [0.0005, 0.12349999999, 2.00050001, -1.0005, torch.tensor(0.0005)])
def test_show_refuses_a_value_at_a_rounding_edge(capsys, value):
    with pytest.raises(ValueError, match="rounding edge"):
        show("x", value, digits=3)
    assert capsys.readouterr().out == ""


def test_show_refuses_an_edge_inside_a_tuple():
    with pytest.raises(ValueError, match="rounding edge"):
        show("x", (1.0, 0.0005))


def test_the_advised_number_of_digits_is_accepted(capsys):
    with pytest.raises(ValueError, match="use digits=4"):
        show("x", 0.12350, digits=3)
    assert printed(capsys, "x", 0.12350, 4) == "x: 0.1235\n"


def test_no_number_of_digits_is_advised_where_none_would_do():
    with pytest.raises(ValueError, match="larger unit"):
        show("x", 4_123_456_789.25, digits=2)


def test_zero_tolerance_shows_an_exact_value_on_an_edge(capsys):
    assert printed(capsys, "x", 0.125, 2, tolerance=0) == "x: 0.12\n"


@given(
    value=st.one_of(
        st.floats(-1e6, 1e6),
        st.builds(lambda n, away: n / 2000 + away, st.integers(-10_000, 10_000), st.floats(-1e-7, 1e-7)),
    ),
    digits=st.integers(0, 8),
    part=st.floats(-1, 1),
)
@settings(max_examples=300, deadline=None)
def test_what_is_shown_does_not_change_with_the_value(value, digits, part):
    """The second strategy aims at the edges of three digits. Decimal is the other opinion about rounding."""
    try:
        text = numbers._text("x", value, digits, 1e-6)
    except ValueError:
        return
    moved = Decimal(value * (1 + part * 0.999e-6))  # 0.999: the product itself rounds
    expected = moved.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_EVEN)
    assert Decimal(text) == expected


@given(value=st.floats(0.01, 1000))
@settings(max_examples=100, deadline=None)
def test_most_values_are_shown(value):
    """A value at least twice the tolerance away from every edge must not be refused."""
    scaled = value * 100
    if abs(scaled - math.floor(scaled) - 0.5) > 2e-6 * scaled:
        assert float(numbers._text("x", value, 2, 1e-6)) == pytest.approx(value, abs=0.00501)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, torch.tensor(math.nan)])
def test_show_refuses_what_is_not_finite(value):
    with pytest.raises(ValueError, match="finite"):
        show("loss", value)


@pytest.mark.parametrize("value", [torch.zeros(3), np.zeros((2, 2)), {"a": 1}, 1j])
def test_show_refuses_types_without_a_short_text(value):
    with pytest.raises(TypeError, match="show"):
        show("x", value)


@pytest.mark.parametrize(
    "options", [{"digits": -1}, {"digits": 11}, {"tolerance": -1e-6}, {"tolerance": 1.0}]
)
def test_show_refuses_options_out_of_range(options):
    with pytest.raises(ValueError, match="must be"):
        show("x", 1.0, **options)


# seeds, threads, device


def draws():
    return random.random(), float(np.random.rand()), torch.rand(1).item()  # noqa: NPY002


def test_the_same_seed_gives_the_same_draws():
    runtime.seed_everything(3)
    first = draws()
    runtime.seed_everything(3)
    assert draws() == first
    runtime.seed_everything(4)
    assert not set(draws()) & set(first)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_out_of_range_is_refused(seed):
    with pytest.raises(ValueError, match="seed must be between"):
        runtime.seed_everything(seed)


def test_setup_makes_torch_deterministic_and_exact(torch_settings, monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    runtime.setup(5)
    first = draws()
    runtime.setup(5)
    assert draws() == first
    assert torch.are_deterministic_algorithms_enabled()
    assert not torch.is_deterministic_algorithms_warn_only_enabled()
    assert not torch.utils.deterministic.fill_uninitialized_memory
    assert torch.get_float32_matmul_precision() == "highest"
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cudnn.benchmark
    # One of the two values with which cuBLAS is deterministic, by NVIDIA's documentation (section 2.1.4).
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] in (":4096:8", ":16:8")


@pytest.mark.parametrize(
    ("omp", "book", "expected"), [(None, "1", 1), (None, "2", 2), ("1", "2", "unchanged")]
)
def test_threads_follow_the_environment(torch_settings, monkeypatch, omp, book, expected):
    for name, value in (("OMP_NUM_THREADS", omp), ("BOOK_THREADS", book)):
        monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)
    torch.set_num_threads(3)
    runtime.setup()
    assert torch.get_num_threads() == (3 if expected == "unchanged" else expected)


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (2, 2), (64, 2), (None, 1)])
def test_without_a_wish_there_are_two_threads_or_as_many_as_cores_are_known(
    torch_settings, monkeypatch, cores, threads
):
    for name in ("OMP_NUM_THREADS", "BOOK_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: cores)  # None where the system does not tell
    runtime.setup()
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "²"])
def test_a_wrong_thread_count_is_refused(torch_settings, monkeypatch, text):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("BOOK_THREADS", text)
    with pytest.raises(ValueError, match="BOOK_THREADS must be a whole number"):
        runtime.setup()


@pytest.mark.parametrize(
    ("asked", "cuda", "expected"),
    [
        (None, True, "cuda"),
        (None, False, "cpu"),
        ("auto", True, "cuda"),
        ("CPU", True, "cpu"),
        ("", False, "cpu"),
    ],
)
def test_the_device_is_the_one_asked_for(monkeypatch, asked, cuda, expected):
    monkeypatch.delenv("BOOK_DEVICE", raising=False)
    if asked is not None:
        monkeypatch.setenv("BOOK_DEVICE", asked)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert runtime.device() == torch.device(expected)


def test_an_unknown_device_is_refused_with_the_valid_names(monkeypatch):
    monkeypatch.setenv("BOOK_DEVICE", "gpu")
    with pytest.raises(ValueError, match="one of auto, cpu, cuda, mps, got 'gpu'"):
        runtime.device()


def test_a_missing_device_is_refused_instead_of_replaced(monkeypatch):
    monkeypatch.setenv("BOOK_DEVICE", "cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RuntimeError, match="no such device here; available: cpu"):
        runtime.device()


def test_the_device_of_a_model_is_that_of_its_first_parameter():
    """ "meta" stands in for a GPU: a device other than the CPU that every machine has."""
    assert runtime.device_of(torch.nn.Linear(2, 3, device="meta")) == torch.device("meta")
    assert runtime.device_of(torch.nn.Linear(2, 3)) == torch.device("cpu")
    only_buffers = torch.nn.BatchNorm1d(2, affine=False, device="meta")
    assert runtime.device_of(only_buffers) == torch.device("meta")
    assert runtime.device_of(torch.nn.ReLU()) == torch.device("cpu")


# versions and progress


def test_versions_name_the_three_packages():
    text = runtime.versions()
    assert f"torch {torch.__version__.split('+')[0]}, " in text  # a local build says 2.15.0+cu132
    assert f"numpy {np.__version__}" in text
    assert "torchvision " in text


@pytest.mark.parametrize(("wish", "visible"), [("0", False), ("1", True), ("", False)])
def test_the_progress_bar_obeys_its_variable(monkeypatch, capsys, wish, visible):
    """Under pytest stderr is no terminal, so without a wish nothing must show."""
    monkeypatch.setenv("BOOK_PROGRESS", wish)
    assert list(runtime.progress(iter("abc"), description="reading", total=3)) == ["a", "b", "c"]
    captured = capsys.readouterr()
    assert captured.out == ""
    assert ("reading" in captured.err) == visible


def test_the_progress_bar_shows_in_a_notebook(monkeypatch, capsys):
    class Shell:
        kernel = object()

    monkeypatch.delenv("BOOK_PROGRESS", raising=False)
    fake = type(sys)("IPython")
    fake.get_ipython = Shell
    monkeypatch.setitem(sys.modules, "IPython", fake)
    list(runtime.progress([1, 2], description="reading"))
    assert "reading" in capsys.readouterr().err
