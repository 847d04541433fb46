"""VGG16 up to conv4_3, for the perceptual loss of the published training runs."""

import torch
from torch import Tensor, nn

WIDTHS = (64, 64, "pool", 128, 128, "pool", 256, 256, 256, "pool", 512, 512, 512)  # Simonyan and Zisserman 2015, D
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, images in [0, 1]


class VGG16(nn.Module):
    """RGB (N, 3, H, W) in [0, 1] -> the response of conv4_3 before its ReLU, (N, 512, H/8, W/8).

    torchvision's names, ``features.{0,2,5,...,21}.{weight,bias}``, so that its file loads. signed: hand the network
    2x - 1 before ImageNet's mean and standard deviation are taken off, as the published training runs of GLEAN and
    Panini do; those constants are meant for x itself, the default.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, *, signed: bool = False):
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for width in WIDTHS:
            if isinstance(width, str):
                layers.append(nn.MaxPool2d(2))
                continue
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
        self.features = nn.Sequential(*layers[:-1])
        self.signed = signed
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(3, 1, 1), persistent=False)

    def stages(self, x: Tensor) -> list[Tensor]:
        """[(N, 512, H/8, W/8)], the one stage that the loss compares."""
        x = 2 * x - 1 if self.signed else x
        return [self.features((x - self.mean) / self.std)]

    def forward(self, x: Tensor) -> Tensor:
        return self.stages(x)[0]
