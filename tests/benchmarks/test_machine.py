"""What the benchmarks say of the machine: its kind, its instructions, and no folder of its own."""

import re

import pytest
import torch

from benchmarks import machine

ZEN3 = "processor : 0\nmodel name : AMD EPYC\nflags\t\t: fpu sse2 avx avx2 fma sha_ni\n"
ZEN4 = "flags : avx2 fma avx512f avx512_vnni avx512_bf16\n"
SKYLAKE = "flags : avx2 fma avx512f\n"
SAPPHIRE = "flags : avx2 fma avx512f avx512_vnni avx512_bf16 avx512_fp16 amx_bf16 amx_int8\n"
GRAVITON = "Features\t: fp asimd sve bf16\n"


@pytest.mark.parametrize(
    ("cpuinfo", "kind", "bf16"),
    [
        (ZEN3, "avx2", False),
        (SKYLAKE, "avx512", False),
        (ZEN4, "avx512_bf16", True),
        (SAPPHIRE, "amx_bf16", True),
        (GRAVITON, "arm_bf16", True),
    ],
)
def test_each_processor_has_its_kind(monkeypatch, cpuinfo, kind, bf16):
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    sets = machine.instruction_sets(cpuinfo)
    assert machine.kind(torch.device("cpu"), sets) == kind
    assert machine.has_bf16(sets) is bf16


def test_a_limit_in_the_environment_makes_it_another_kind(monkeypatch):
    sets = machine.instruction_sets(SAPPHIRE)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX512_CORE")
    assert machine.kind(torch.device("cpu"), sets) == "avx512"
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert machine.kind(torch.device("cpu"), sets) == "avx2"
    assert not machine.has_bf16(sets)


def test_a_gpu_is_a_kind_of_its_own():
    assert machine.kind(torch.device("cuda")) == "cuda"


def test_this_machine_is_told_without_a_slash_and_with_versions():
    told = machine.hardware(torch.device("cpu"))
    assert "/" not in told
    assert machine.instruction_sets()[0] in told
    assert f"torch {torch.__version__.partition('+')[0]}" in machine.versions()
    assert "timm" in machine.versions()


def test_the_command_names_no_folder_of_this_machine():
    found = machine.command(
        "benchmarks.all", ["--rows", "1", "--keep", "/tmp/a b", "--output", "/x", "--whole"]
    )
    assert found == "python -m benchmarks.all --rows 1 --whole"


def test_day_and_commit_can_be_looked_up():
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", machine.today())
    assert re.fullmatch(r"unknown|[0-9a-f]{7,40}\+?", machine.commit())
