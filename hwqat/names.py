"""What can be chosen by name, known without importing what is named: help and argument errors wait for no torch.

`hwqat.models` and `hwqat.data` look up here what they have; so do the commands.
"""

from __future__ import annotations

#: Networks that ship: hwqat/models/NAME.py has the class.
NETWORKS = {"digitnet": "DigitNet", "toynet": "ToyNet", "resnet20": "ResNet20", "mobilenetv2": "MobileNetV2"}
#: Data sets that are known: hwqat/data/NAME.py loads it.
DATASETS = ("digits", "cifar10")
#: Data of one's own, in words.
FORMS = "file.npz (images, labels), folder/ (class folders of images), or file.py:make (a torch Dataset or several)"
#: Engines of an accuracy; the first two and golden take a RUN, all but qat a BUILD.
ENGINES = ("qat", "golden", "fxp", "csim", "rtl")
#: The HLS compilers that a top is written for. Stages, constants and library are one source for both.
DIALECTS = ("vitis", "bambu")
#: How `hwqat quantize` rounds weights.
METHODS = ("nearest", "adaround", "brecq")
