"""The RUN folder: a trained network, all of it. Every command rebuilds the network from the folder alone.

run.json              the card (`Run`): scheme, data, recipe, versions, the command, the other files' sums, a digest of all
network.json          the calls that were read of the user's network (`hwqat.tracing.record`)
model.safetensors     the tensors that they name, those of the quantisers, and the integer weights and constants
probe.npz             16 frames with golden's outputs: what is rebuilt must give the same
sample.npz            labelled frames of its data: what an export writes as vectors
log.csv               one line per epoch; tensorboard/ has the same if it was asked for
checkpoint.safetensors  all that training needs to go on, while it is not done (hwqat.train.checkpoint)

card.py the card    tensors.py  safetensors    contents.py  reading the rest    rebuild.py  the network    save.py  writing
"""

from .card import CARD, MODEL, NETWORK, PROBE, SAMPLE, Run, load_card, save_card
from .tensors import load_tensors, load_weights, save_tensors

__all__ = [
    "CARD",
    "MODEL",
    "NETWORK",
    "PROBE",
    "SAMPLE",
    "Run",
    "load_card",
    "load_tensors",
    "load_weights",
    "save_card",
    "save_tensors",
]
