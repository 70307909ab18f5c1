"""Every quantiser trains DigitNet to a stated accuracy at every width: what benchmarks/quantisers.py measures."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from quantisers import Case, cases, markdown, start, train

from hwqat.quant.activations import ACT_QUANTISERS
from hwqat.quant.weights import WEIGHT_QUANTISERS

#: Percent of the 359 test images by what is tested and its bits.
LEAST = {
    ("weights", 8): 97.5,
    ("weights", 4): 97.5,
    ("weights", 2): 90.0,
    ("activations", 8): 97.5,
    ("activations", 4): 96.5,
}
#: Coarse grids move far from the float start and need longer.
EPOCHS = {2: 12}


@pytest.fixture(scope="module")
def begin(tmp_path_factory):
    before = torch.get_num_threads()
    yield start(tmp_path_factory.mktemp("float"))
    torch.set_num_threads(before)


@pytest.mark.slow
@pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case.kind}-{case.quantiser}-{case.bits}")
def test_it_trains(case, begin, tmp_path):
    assert train(case, begin, tmp_path, EPOCHS.get(case.bits, 3)) >= LEAST[case.kind, case.bits]


def test_every_quantiser_has_its_cases():
    assert {case.quantiser for case in cases() if case.kind == "weights" and case.bits == 2} == set(WEIGHT_QUANTISERS)
    assert {case.quantiser for case in cases() if case.kind == "activations" and case.bits == 4} == set(ACT_QUANTISERS)
    assert Case("weights", "lsq", 2).scheme().weight_bits == 2 and Case("activations", "lsq", 4).scheme().act_bits == 4


def test_the_table():
    rows = [case.row(90.0 + case.bits) for case in cases()]
    lines = markdown({"float": 99.0, "epochs": 3, "images": 10, "rows": rows}).splitlines()
    assert lines[0] == "DigitNet: float 99.00 %; 3 epochs from it; 10 test images."
    assert "| weights | 8 bits | 4 bits | 2 bits |" in lines and "| absmax | 98.00 | 94.00 | 92.00 |" in lines
    assert len(lines) == 1 + 2 * 3 + len(WEIGHT_QUANTISERS) + len(ACT_QUANTISERS)
