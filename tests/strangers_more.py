"""Decoders, detectors, generators, signals and vectors in the manner of public repositories, small."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from strangers_images import Apply, Flow, conv_bn, stem
from torch import nn
from torch.nn.utils import parametrizations


class PadUp(nn.Module):
    """Of the U-Net that everybody copies: upsampled, padded to the skip's size, concatenated."""

    def __init__(self, inp, out):
        super().__init__()
        self.up, self.conv = nn.ConvTranspose2d(inp, inp // 2, kernel_size=2, stride=2), conv_bn(inp, out)

    def forward(self, x1, x2):
        x1 = self.up(x1)
        dy, dx = x2.size()[2] - x1.size()[2], x2.size()[3] - x1.size()[3]
        x1 = F.pad(x1, [dx // 2, dx - dx // 2, dy // 2, dy - dy // 2])
        return self.conv(torch.cat([x2, x1], dim=1))


class OddUNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.inc, self.down = conv_bn(3, 8), nn.Sequential(nn.MaxPool2d(2), conv_bn(8, 16))
        self.up, self.outc = PadUp(16, 8), nn.Conv2d(8, 2, kernel_size=1)

    def forward(self, x):
        x1 = self.inc(x)
        return self.outc(self.up(self.down(x1), x1))


class ENet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.pool = nn.Conv2d(3, 5, 3, 2, 1), nn.MaxPool2d(2)
        self.norm = nn.Sequential(nn.BatchNorm2d(8), nn.PReLU())
        self.asym = nn.Sequential(
            nn.Conv2d(8, 8, (5, 1), padding=(2, 0)), nn.Conv2d(8, 8, (1, 5), padding=(0, 2)), nn.BatchNorm2d(8)
        )
        self.act, self.full = nn.PReLU(8), nn.ConvTranspose2d(8, 4, 3, 2, padding=1, output_padding=1)

    def forward(self, x):
        x = self.norm(torch.cat((self.conv(x), self.pool(x)), 1))
        return self.full(self.act(x + self.asym(x)))


class ERF(nn.Module):
    def __init__(self, c, dilated):
        super().__init__()
        self.a, self.b = nn.Conv2d(c, c, (3, 1), padding=(1, 0)), nn.Conv2d(c, c, (1, 3), padding=(0, 1))
        self.bn = nn.BatchNorm2d(c, eps=1e-03)
        self.d = nn.Conv2d(c, c, (3, 1), padding=(dilated, 0), dilation=(dilated, 1))
        self.dropout = nn.Dropout2d(0.3)

    def forward(self, x):
        out = F.relu(self.bn(self.b(F.relu(self.a(x)))))
        out = self.d(out)
        if self.dropout.p != 0:
            out = self.dropout(out)
        return F.relu(out + x)


class FPN(nn.Module):
    def __init__(self, **how):
        super().__init__()
        self.c1, self.c2, self.c3 = stem(), conv_bn(8, 12, 3, 2), conv_bn(12, 16, 3, 2)
        self.lateral = nn.ModuleList([nn.Conv2d(c, 8, 1) for c in (8, 12, 16)])
        self.smooth, self.how = nn.ModuleList([nn.Conv2d(8, 8, 3, padding=1) for _ in range(3)]), how

    def forward(self, x):
        c1 = self.c1(x)
        c2 = self.c2(c1)
        c3 = self.c3(c2)
        p3 = self.lateral[2](c3)
        p2 = F.interpolate(p3, size=c2.shape[-2:], **self.how) + self.lateral[1](c2)
        p1 = F.interpolate(p2, size=(c1.size(2), c1.size(3)), **self.how) + self.lateral[0](c1)
        return {"p1": self.smooth[0](p1), "p2": self.smooth[1](p2), "p3": self.smooth[2](p3)}


class ASPP(nn.Module):
    """DeepLab's head: dilated branches, and the mean of the image at every pixel."""

    def __init__(self, c):
        super().__init__()
        self.convs = nn.ModuleList([conv_bn(c, 6, 1), conv_bn(c, 6, 3, dilation=2), conv_bn(c, 6, 3, dilation=4)])
        self.pool, self.project = nn.Sequential(nn.AdaptiveAvgPool2d(1), conv_bn(c, 6, 1)), conv_bn(24, 8, 1)

    def forward(self, x):
        size = x.shape[-2:]
        pooled = F.interpolate(self.pool(x), size=size, mode="bilinear", align_corners=False)
        return self.project(torch.cat([*(conv(x) for conv in self.convs), pooled], dim=1))


class PSP(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.stages = nn.ModuleList(
            [nn.Sequential(nn.AdaptiveAvgPool2d(s), nn.Conv2d(c, 4, 1, bias=False)) for s in (1, 2, 4)]
        )
        self.bottleneck = nn.Conv2d(c + 12, 8, 1)

    def forward(self, feats):
        h, w = feats.size(2), feats.size(3)
        priors = [F.interpolate(stage(feats), size=(h, w), mode="bilinear") for stage in self.stages] + [feats]
        return F.relu(self.bottleneck(torch.cat(priors, 1)))


class AttentionGate(nn.Module):
    """Of Attention U-Net: one gate a pixel."""

    def __init__(self, c):
        super().__init__()
        self.W_g, self.W_x = conv_bn(c, 4, 1, act=None), conv_bn(c, 4, 1, act=None)
        self.psi = nn.Sequential(nn.Conv2d(4, 1, 1), nn.BatchNorm2d(1), nn.Sigmoid())

    def forward(self, x):
        return x * self.psi(F.relu(self.W_g(x) + self.W_x(x)))


class Focus(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv = conv_bn(12, c, 3, act=nn.SiLU)

    def forward(self, x):
        return self.conv(torch.cat([x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2]], 1))


class C3(nn.Module):
    def __init__(self, c):
        super().__init__()
        h = c // 2
        self.cv1, self.cv2, self.cv3 = (
            conv_bn(c, h, 1, act=nn.SiLU),
            conv_bn(c, h, 1, act=nn.SiLU),
            conv_bn(c, c, 1, act=nn.SiLU),
        )
        self.m = nn.Sequential(conv_bn(h, h, 1, act=nn.SiLU), conv_bn(h, h, 3, act=nn.SiLU))

    def forward(self, x):
        y = self.cv1(x)
        return self.cv3(torch.cat((y + self.m(y), self.cv2(x)), dim=1))


class Yolo5(nn.Module):
    def __init__(self):
        super().__init__()
        self.b1, self.b2, self.b3 = (
            Focus(8),
            nn.Sequential(conv_bn(8, 12, 3, 2, act=nn.SiLU), C3(12)),
            conv_bn(12, 16, 3, 2, act=nn.SiLU),
        )
        self.up, self.n1, self.heads = (
            nn.Upsample(None, 2, "nearest"),
            C3(28),
            nn.ModuleList([nn.Conv2d(28, 18, 1), nn.Conv2d(16, 18, 1)]),
        )

    def forward(self, x):
        p2 = self.b2(self.b1(x))
        p3 = self.b3(p2)
        n = self.n1(torch.cat([self.up(p3), p2], 1))
        return [head(y) for head, y in zip(self.heads, (n, p3))]


class Yolo3Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        leaky = lambda: nn.LeakyReLU(0.1, inplace=True)  # noqa: E731
        self.a = nn.Sequential(conv_bn(3, 8, act=leaky), nn.MaxPool2d(2, 2), conv_bn(8, 12, act=leaky))
        self.b = nn.Sequential(
            nn.MaxPool2d(2, 2), conv_bn(12, 16, act=leaky), nn.ZeroPad2d((0, 1, 0, 1)), nn.MaxPool2d(2, 1)
        )
        self.c, self.up = conv_bn(16, 8, 1, act=leaky), nn.Upsample(scale_factor=2)
        self.y1, self.y2 = nn.Conv2d(16, 18, 1), nn.Conv2d(20, 18, 1)

    def forward(self, x):
        a = self.a(x)
        b = self.b(a)
        return self.y1(b), self.y2(torch.cat((self.up(self.c(b)), a), 1))


class YoloX(nn.Module):
    """A decoupled head; boxes, objectness and classes side by side."""

    def __init__(self):
        super().__init__()
        self.stem, self.cls, self.reg = stem(), conv_bn(8, 8, act=nn.SiLU), conv_bn(8, 8, act=nn.SiLU)
        self.cls_pred, self.reg_pred, self.obj_pred = nn.Conv2d(8, 3, 1), nn.Conv2d(8, 4, 1), nn.Conv2d(8, 1, 1)

    def forward(self, x):
        x = self.stem(x)
        reg = self.reg(x)
        return torch.cat([self.reg_pred(reg), self.obj_pred(reg).sigmoid(), self.cls_pred(self.cls(x)).sigmoid()], 1)


class SSD(nn.Module):
    """Heads whose channels go last and are flattened, as detectors give them to their loss."""

    def __init__(self):
        super().__init__()
        self.body, self.loc = stem(), nn.Conv2d(8, 16, 3, padding=1)

    def forward(self, x):
        y = self.loc(self.body(x))
        return y.permute(0, 2, 3, 1).contiguous().view(y.size(0), -1, 4)


# Generators --------------------------------------------------------------------------------------------------------------


class DCGAN(nn.Module):
    def __init__(self):
        super().__init__()
        self.main = nn.Sequential(
            nn.ConvTranspose2d(16, 12, 4, 1, 0, bias=False), nn.BatchNorm2d(12), nn.ReLU(True),
            nn.ConvTranspose2d(12, 8, 4, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(True),
            nn.ConvTranspose2d(8, 3, 4, 2, 1, bias=False), nn.Tanh(),
        )  # fmt: skip

    def forward(self, z):
        return self.main(z.view(z.size(0), -1, 1, 1))


class EDSR(nn.Module):
    def __init__(self):
        super().__init__()
        self.sub, self.head = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 8, 3, padding=1)
        self.body = nn.ModuleList(
            [
                nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(True), nn.Conv2d(8, 8, 3, padding=1))
                for _ in range(2)
            ]
        )
        self.tail = nn.Sequential(nn.Conv2d(8, 32, 3, padding=1), nn.PixelShuffle(2), nn.Conv2d(8, 3, 3, padding=1))

    def forward(self, x):
        x = self.head(self.sub(x))
        y = x
        for block in self.body:
            y = block(y).mul(0.1) + y
        y += x
        return self.tail(y)


class FSRCNN(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(1, 8, 5, padding=2), nn.PReLU(8), nn.Conv2d(8, 4, 1), nn.PReLU(4), nn.Conv2d(4, 8, 1), nn.PReLU(8),
            nn.ConvTranspose2d(8, 1, 9, stride=2, padding=4, output_padding=1),
        )  # fmt: skip


class IMDN(nn.Module):
    def __init__(self, c=8):
        super().__init__()
        self.keep, self.rest = c // 4, c - c // 4
        self.c1, self.c2 = nn.Conv2d(c, c, 3, padding=1), nn.Conv2d(self.rest, c, 3, padding=1)
        self.c3, self.c5, self.act = (
            nn.Conv2d(self.rest, self.keep, 3, padding=1),
            nn.Conv2d(3 * self.keep, c, 1),
            nn.LeakyReLU(0.05),
        )

    def forward(self, x):
        d1, r1 = torch.split(self.act(self.c1(x)), (self.keep, self.rest), dim=1)
        d2, r2 = torch.split(self.act(self.c2(r1)), (self.keep, self.rest), dim=1)
        return self.c5(torch.cat([d1, d2, self.c3(r2)], dim=1)) + x


class VAE(nn.Module):
    """The encoder: two heads."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(3, 8, 4, 2, 1), nn.ELU(), nn.Conv2d(8, 12, 4, 2, 1), nn.ELU())
        self.fc_mu, self.fc_logvar = nn.Linear(12 * 16, 6), nn.Linear(12 * 16, 6)

    def forward(self, x):
        x = torch.flatten(self.conv(x), start_dim=1)
        return self.fc_mu(x), self.fc_logvar(x)


# Signals -----------------------------------------------------------------------------------------------------------------


class TCBlock(nn.Module):
    """TC-ResNet: convolutions over time alone, of images one column wide."""

    def __init__(self, inp, out):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inp, out, (9, 1), (2, 1), (4, 0), bias=False), nn.BatchNorm2d(out)
        self.conv2, self.bn2 = nn.Conv2d(out, out, (9, 1), 1, (4, 0), bias=False), nn.BatchNorm2d(out)
        self.residual = nn.Sequential(nn.Conv2d(inp, out, 1, (2, 1), bias=False), nn.BatchNorm2d(out), nn.ReLU())

    def forward(self, x):
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))) + self.residual(x))


class Broadcast(nn.Module):
    """BC-ResNet: a mean over frequency, added to every row."""

    def __init__(self, c):
        super().__init__()
        self.f2, self.f1 = (
            nn.Conv2d(c, c, (3, 1), padding=(1, 0), groups=c),
            nn.Conv2d(c, c, (1, 3), padding=(0, 1), groups=c),
        )
        self.bn, self.swish, self.point = nn.BatchNorm2d(c), nn.SiLU(), nn.Conv2d(c, c, 1)

    def forward(self, x):
        out = self.bn(self.f2(x))
        aux = out.mean(2, keepdim=True)
        return F.relu(out + x + self.point(self.swish(self.f1(aux))))


class EEGNet(nn.Module):
    def __init__(self, leads=8, samples=64):
        super().__init__()
        self.a = nn.Sequential(nn.Conv2d(1, 4, (1, 16), padding="same", bias=False), nn.BatchNorm2d(4))
        self.b = nn.Sequential(
            nn.Conv2d(4, 8, (leads, 1), groups=4, bias=False),
            nn.BatchNorm2d(8),
            nn.ELU(),
            nn.AvgPool2d((1, 4)),
            nn.Dropout(0.25),
        )
        self.c = nn.Sequential(
            nn.Conv2d(8, 8, (1, 7), padding=(0, 3), groups=8, bias=False),
            nn.Conv2d(8, 8, 1, bias=False),
            nn.BatchNorm2d(8),
            nn.ELU(),
            nn.AvgPool2d((1, 4)),
        )
        self.fc = nn.Linear(8 * samples // 16, 4)

    def forward(self, x):
        x = x.unsqueeze(1)
        return self.fc(self.c(self.b(self.a(x))).flatten(1))


class Causal(nn.Module):
    """WaveNet's gated block, padded on the left."""

    def __init__(self, c, dilation):
        super().__init__()
        self.left, self.filter = dilation, nn.Conv1d(c, c, 2, dilation=dilation)
        self.gate, self.res = nn.Conv1d(c, c, 2, dilation=dilation), nn.Conv1d(c, c, 1)

    def forward(self, x):
        y = F.pad(x, (self.left, 0))
        return self.res(torch.tanh(self.filter(y)) * torch.sigmoid(self.gate(y))) + x


class Chomp1d(nn.Module):
    def __init__(self, chomp_size):
        super().__init__()
        self.chomp_size = chomp_size

    def forward(self, x):
        return x[:, :, : -self.chomp_size].contiguous()


class TemporalBlock(nn.Module):
    def __init__(self, c, dilation, norm=lambda conv: conv):
        super().__init__()
        pad = 2 * dilation
        self.net = nn.Sequential(
            norm(nn.Conv1d(c, c, 3, padding=pad, dilation=dilation)), Chomp1d(pad), nn.ReLU(), nn.Dropout(0.1)
        )

    def forward(self, x):
        return F.relu(self.net(x) + x)


class SignalNet(nn.Module):
    """Blocks on (N, C, L), and the last time step."""

    def __init__(self, inp, *body, channels=8, last=lambda x: x[:, :, -1]):
        super().__init__()
        self.first, self.body, self.last, self.fc = (
            nn.Conv1d(inp, channels, 3, padding=1),
            nn.Sequential(*body),
            last,
            nn.Linear(channels, 5),
        )

    def forward(self, x):
        return self.fc(self.last(self.body(self.first(x))))


class EcgRes(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv1d(c, c, 7, padding=3), nn.BatchNorm1d(c)
        self.conv2, self.bn2, self.pool = (
            nn.Conv1d(c, c, 7, padding=3),
            nn.BatchNorm1d(c),
            nn.MaxPool1d(2, ceil_mode=True),
        )

    def forward(self, x):
        return self.pool(x + self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))


class Denoiser(nn.Module):
    def __init__(self):
        super().__init__()
        self.enc = nn.Sequential(
            nn.Conv1d(1, 8, 9, 2, 4), nn.LeakyReLU(0.2), nn.Conv1d(8, 12, 9, 2, 4), nn.LeakyReLU(0.2)
        )
        self.dec = nn.Sequential(nn.ConvTranspose1d(12, 8, 8, 2, 3), nn.ReLU(), nn.ConvTranspose1d(8, 1, 8, 2, 3))

    def forward(self, x):
        return x - self.dec(self.enc(x))


# Vectors -----------------------------------------------------------------------------------------------------------------


class ResVector(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.a, self.b, self.norm = nn.Linear(c, c), nn.Linear(c, c), nn.BatchNorm1d(c)

    def forward(self, x):
        return F.relu(x + self.b(F.relu(self.norm(self.a(x)))))


def vectors(*layers):
    return lambda: nn.Sequential(*(layer() for layer in layers))


def linear(*sizes):
    return lambda: nn.Linear(*sizes)


MORE = {
    "unet_odd": (OddUNet, (3, 15, 18)),
    "enet": (ENet, (3, 16, 16)),
    "erfnet": (lambda: nn.Sequential(stem(), ERF(8, 2), ERF(8, 3), nn.ConvTranspose2d(8, 4, 2, stride=2)), (3, 32, 32)),
    "fpn": (FPN, (3, 32, 32)),
    "fpn_bilinear": (lambda: FPN(mode="bilinear", align_corners=False), (3, 32, 32)),
    "deeplab": (lambda: nn.Sequential(stem(), ASPP(8), nn.Conv2d(8, 3, 1), nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)), (3, 32, 32)),
    "pspnet": (lambda: nn.Sequential(stem(), PSP(8), nn.Conv2d(8, 3, 1)), (3, 32, 32)),
    "attention_unet": (lambda: nn.Sequential(stem(), AttentionGate(8), nn.Conv2d(8, 1, 1)), (3, 32, 32)),
    "yolo3_tiny": (Yolo3Tiny, (3, 32, 32)),
    "yolo5": (Yolo5, (3, 32, 32)),
    "yolox": (YoloX, (3, 32, 32)),
    "dcgan": (DCGAN, (16,)),
    "edsr": (EDSR, (3, 16, 16)),
    "fsrcnn": (FSRCNN, (1, 12, 12)),
    "imdn": (lambda: nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), IMDN(), IMDN()), (3, 16, 16)),
    "unshuffled": (lambda: nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(12, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 12, 1), nn.PixelShuffle(2)), (3, 16, 16)),
    "vae_encoder": (VAE, (3, 16, 16)),
    "tcresnet": (lambda: Flow(nn.Conv2d(10, 8, (3, 1), padding=(1, 0)), TCBlock(8, 12), TCBlock(12, 16), channels=16), (10, 49, 1)),
    "bcresnet": (lambda: Flow(nn.Conv2d(1, 8, 5, (2, 1), 2), Broadcast(8), channels=8), (1, 20, 25)),
    "eegnet": (EEGNet, (8, 64)),
    "wavenet": (lambda: SignalNet(2, Causal(8, 1), Causal(8, 2), Causal(8, 4)), (2, 40)),
    "tcn": (lambda: SignalNet(2, TemporalBlock(8, 1), TemporalBlock(8, 2)), (2, 40)),
    "ecg": (lambda: SignalNet(12, EcgRes(8), EcgRes(8), last=lambda x: x.mean(-1)), (12, 50)),
    "ecg_max": (lambda: SignalNet(12, EcgRes(8), last=lambda x: torch.max(x, dim=-1)[0]), (12, 50)),
    "denoiser": (Denoiser, (1, 64)),
    "jet_tagger": (vectors(linear(16, 64), nn.ReLU, linear(64, 32), nn.ReLU, linear(32, 32), nn.ReLU, linear(32, 5)), (16,)),
    "anomaly": (vectors(linear(32, 16), lambda: nn.BatchNorm1d(16), nn.ReLU, linear(16, 4), nn.ReLU, linear(4, 16), nn.ReLU, linear(16, 32)), (32,)),
    "residual_vectors": (vectors(linear(20, 16), lambda: ResVector(16), lambda: ResVector(16), linear(16, 3)), (20,)),
    "one_token": (lambda: nn.Sequential(nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 3)), (1, 12)),
    "jet_images": (lambda: Apply(lambda x, a, b: b(F.relu(a(x)).mean(dim=2)), nn.Conv1d(3, 16, 1), nn.Linear(16, 5)), (3, 30)),
}  # fmt: skip
MORE_REFUSED = {
    "weight_norm": (lambda: SignalNet(2, TemporalBlock(8, 1, parametrizations.weight_norm), TemporalBlock(8, 2, parametrizations.weight_norm)), (2, 40), "2 x conv1d; a weight that is computed"),
    "spectral_norm": (lambda: nn.Sequential(parametrizations.spectral_norm(nn.Conv2d(3, 8, 3)), nn.LeakyReLU(0.2)), (3, 16, 16), "computed"),
    "particles": (lambda: Apply(lambda x, a, b: b(F.relu(a(x)).mean(dim=1)), nn.Linear(3, 16), nn.Linear(16, 5)), (30, 3), r"give the network \(N, F, L\)"),
    "ssd": (SSD, (3, 16, 16), "another order of axes"),
    "segnet": (lambda: Apply(lambda x, a: F.max_unpool2d(*F.max_pool2d(a(x), 2, return_indices=True), 2), stem()), (3, 16, 16), "return_indices"),
    "lstm": (lambda: Apply(lambda x, a: a(x.transpose(1, 2))[0], nn.LSTM(2, 4, batch_first=True)), (2, 20), "[Ll][Ss][Tt][Mm]"),
    "align_corners": (lambda: FPN(mode="bilinear", align_corners=True), (3, 32, 32), "2 x interpolate; upsampling with align_corners=True"),
    "bicubic": (lambda: nn.Sequential(stem(), nn.Upsample(scale_factor=2, mode="bicubic")), (3, 16, 16), "mode 'bicubic'"),
    "embedding": (lambda: Apply(lambda x, a: a(x.long()), nn.Embedding(10, 4)), (5,), "embedding|a change of type"),
}  # fmt: skip
