"""Is one temperature as good as a cure? What it saves without any, and on top of the usual ones together.

The runs "none" and "together" of tuning_cures, made again. Then each network's temperature is fitted on the
500 photographs that early stopping watches there, and loss and calibration error are measured on the
validation photographs, as trained and tempered.

    RESNET_BOOK_DATA=... python experiments/tempered_cures.py [--workers 2] [--keep FOLDER]
"""

import pets
import record
import tuning_cures
from torch.nn.functional import cross_entropy

from resnet_utils import evaluation
from resnet_utils.evaluation import calibration

CURES = ("none", "together")


def train(cure: str, seed: int, tiny: bool) -> dict:
    """One training, one row. A worker's whole job, so it reads its own images."""
    model, parts, _ = tuning_cures.trained(cure, seed, tiny)
    watched, due = evaluation.predict(model, pets.as_they_are(parts["watched"]))
    logits, labels = evaluation.predict(model, pets.as_they_are(parts["valid"]))
    temperature = calibration.fit_temperature(watched, due)
    error = calibration.expected_calibration_error
    return {
        "cure": cure, "seed": seed, "temperature": temperature,
        "accuracy": evaluation.accuracy(logits, labels),
        "loss": cross_entropy(logits.double(), labels).item(),
        "tempered_loss": cross_entropy(logits.double() / temperature, labels).item(),
        "calibration_error": error(logits, labels),
        "calibration_error_tempered": error(logits, labels, temperature=temperature),
    }  # fmt: skip


if __name__ == "__main__":
    record.run(
        record.every(train, CURES, tuning_cures.SEEDS, tiny=(("none",), (0,))),
        claim="One temperature saves about as much loss as any single cure, "
        "and the usual cures together more.",
        data=f"{tuning_cures.PER_CLASS} photographs a class to train on, as many others for the temperature, "
        "1,000 to validate",
        inputs=[pets.SOURCE],
    )
