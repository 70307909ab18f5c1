"""Decoders that learn to upsample, and networks of signals and vectors, as they are usually written. Random weights.

As in `architectures`: nothing here knows of hwqat, and ``width`` scales the channels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from architectures_more import _scaled, double_conv
from torch import nn

# U-Net (Ronneberger et al. 2015), as a well-known PyTorch version of it writes the way up ---------------------------------


class Up(nn.Module):
    """Upsampled by a transposed convolution or between pixels, padded to the size of what comes from the left."""

    def __init__(self, in_channels, out_channels, bilinear):
        super().__init__()
        if bilinear:
            self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
            self.conv = double_conv(in_channels + out_channels, out_channels)
        else:
            self.up = nn.ConvTranspose2d(in_channels, out_channels, kernel_size=2, stride=2)
            self.conv = double_conv(2 * out_channels, out_channels)

    def forward(self, x1, x2):
        x1 = self.up(x1)
        diff_y, diff_x = x2.size()[2] - x1.size()[2], x2.size()[3] - x1.size()[3]
        x1 = F.pad(x1, [diff_x // 2, diff_x - diff_x // 2, diff_y // 2, diff_y - diff_y // 2])
        return self.conv(torch.cat([x2, x1], dim=1))


class UpUNet(nn.Module):
    """Three levels; an image need not divide by eight."""

    def __init__(self, classes=2, inputs=3, width=1.0, bilinear=False):
        super().__init__()
        a, b, c, d = _scaled(width, 32, 64, 128, 256)
        self.inc, self.pool = double_conv(inputs, a), nn.MaxPool2d(2)
        self.down1, self.down2, self.down3 = double_conv(a, b), double_conv(b, c), double_conv(c, d)
        self.up1, self.up2, self.up3 = Up(d, c, bilinear), Up(c, b, bilinear), Up(b, a, bilinear)
        self.outc = nn.Conv2d(a, classes, kernel_size=1)

    def forward(self, x):
        x1 = self.inc(x)
        x2 = self.down1(self.pool(x1))
        x3 = self.down2(self.pool(x2))
        x4 = self.down3(self.pool(x3))
        return self.outc(self.up3(self.up2(self.up1(x4, x3), x2), x1))


# An autoencoder of images, as tutorials write it -------------------------------------------------------------------------


class ImageAutoencoder(nn.Module):
    def __init__(self, inputs=1, width=1.0):
        super().__init__()
        a, b, c = _scaled(width, 16, 32, 64)
        self.encoder = nn.Sequential(
            nn.Conv2d(inputs, a, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(a, b, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(b, c, 7),
        )
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(c, b, 7),
            nn.ReLU(),
            nn.ConvTranspose2d(b, a, 3, stride=2, padding=1, output_padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(a, inputs, 3, stride=2, padding=1, output_padding=1),
            nn.Sigmoid(),
        )

    def forward(self, x):
        return self.decoder(self.encoder(x))


# Vectors: a jet tagger of 16 features (Duarte et al. 2018), an autoencoder of 128 bands (MLPerf Tiny) ---------------------


class JetTagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2, self.fc3, self.fc4 = (
            nn.Linear(*sizes) for sizes in ((16, 64), (64, 32), (32, 32), (32, 5))
        )

    def forward(self, x):
        x = torch.relu(self.fc1(x))
        x = torch.relu(self.fc2(x))
        x = torch.relu(self.fc3(x))
        return F.softmax(self.fc4(x), dim=1)


class Autoencoder(nn.Module):
    def __init__(self, bands=128, hidden=128, code=8):
        super().__init__()
        sizes = (bands, hidden, hidden, code, hidden, hidden)
        self.layers = nn.Sequential(
            *(
                nn.Sequential(nn.Linear(a, b), nn.BatchNorm1d(b), nn.ReLU(inplace=True))
                for a, b in zip(sizes, sizes[1:])
            )
        )
        self.last = nn.Linear(hidden, bands)

    def forward(self, x):
        return self.last(self.layers(x))


# Signals: keywords from raw sound (M5, Dai et al. 2017), an ECG of residual blocks ----------------------------------------


class M5(nn.Module):
    def __init__(self, classes=35, stride=16, width=1.0):
        super().__init__()
        a, b = _scaled(width, 32, 64)
        self.conv1, self.bn1 = nn.Conv1d(1, a, kernel_size=80, stride=stride), nn.BatchNorm1d(a)
        self.conv2, self.bn2 = nn.Conv1d(a, a, kernel_size=3), nn.BatchNorm1d(a)
        self.conv3, self.bn3 = nn.Conv1d(a, b, kernel_size=3), nn.BatchNorm1d(b)
        self.pool, self.fc = nn.MaxPool1d(4), nn.Linear(b, classes)

    def forward(self, x):
        x = self.pool(F.relu(self.bn1(self.conv1(x))))
        x = self.pool(F.relu(self.bn2(self.conv2(x))))
        x = F.relu(self.bn3(self.conv3(x)))
        x = F.avg_pool1d(x, x.shape[-1]).squeeze(-1)
        return F.log_softmax(self.fc(x), dim=1)


class EcgBlock(nn.Module):
    def __init__(self, inp, oup, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv1d(inp, oup, 7, stride, 3, bias=False), nn.BatchNorm1d(oup)
        self.conv2, self.bn2 = nn.Conv1d(oup, oup, 7, 1, 3, bias=False), nn.BatchNorm1d(oup)
        self.shortcut = nn.Sequential(nn.Conv1d(inp, oup, 1, stride), nn.BatchNorm1d(oup))
        self.drop = nn.Dropout(0.2)

    def forward(self, x):
        y = self.drop(F.relu(self.bn1(self.conv1(x))))
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class EcgNet(nn.Module):
    """Twelve leads, several findings at once."""

    def __init__(self, findings=5, width=1.0):
        super().__init__()
        a, b, c = _scaled(width, 32, 64, 128)
        self.stem = nn.Sequential(nn.Conv1d(12, a, 15, 2, 7), nn.BatchNorm1d(a), nn.ReLU(), nn.MaxPool1d(3, 2, 1))
        self.blocks = nn.Sequential(EcgBlock(a, a, 1), EcgBlock(a, b, 2), EcgBlock(b, c, 2))
        self.pool, self.fc = nn.AdaptiveAvgPool1d(1), nn.Linear(c, findings)

    def forward(self, x):
        return self.fc(self.pool(self.blocks(self.stem(x))).flatten(1))


SMALL = {
    "unet_transposed": (lambda: UpUNet(2, 1, width=1 / 8), (1, 13, 18)),
    "unet_bilinear": (lambda: UpUNet(2, 1, width=1 / 8, bilinear=True), (1, 16, 16)),
    "image_autoencoder": (lambda: ImageAutoencoder(1, width=1 / 4), (1, 28, 28)),
    "jet_tagger": (JetTagger, (16,)),
    "autoencoder": (lambda: Autoencoder(32, 16, 4), (32,)),
    "keywords": (lambda: M5(6, width=1 / 8), (1, 1200)),
    "ecg": (lambda: EcgNet(width=1 / 8), (12, 64)),
}
FULL = {
    "unet_transposed": (lambda: UpUNet(width=1 / 2), (3, 128, 128)),  # of width 1, memory is beyond a ZCU102
    "unet_bilinear": (lambda: UpUNet(width=1 / 2, bilinear=True), (3, 128, 128)),
    "image_autoencoder": (ImageAutoencoder, (1, 28, 28)),
    "jet_tagger": (JetTagger, (16,)),
    "autoencoder": (Autoencoder, (128,)),
    "keywords": (M5, (1, 8000)),
    "ecg": (EcgNet, (12, 1000)),
}
