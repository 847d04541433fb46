"""What was done to an image, as a vector: Panini-Net's degradation encoder and its contrastive pre-training."""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

DIM = 256  # of the degradation vector, as published


class DegradationEncoder(nn.Module):
    """Images (N, 3, H, W) in [-1, 1], H and W at least 4 -> degradation vectors v (N, 256).

    Six 3 x 3 convolutions, of which the third and fifth halve the side, and the mean over the pixels: content averages
    out, degradation stays. Batch normalisation makes training and evaluation mode differ. ``embed`` adds the small
    network that only the pre-training uses. Names as in Panini-Net's published code.
    """

    def __init__(self):
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for width, stride in ((64, 1), (64, 1), (128, 2), (128, 1), (DIM, 2), (DIM, 1)):
            layers += [nn.Conv2d(before, width, 3, stride, 1), nn.BatchNorm2d(width), nn.LeakyReLU(0.1)]
            before = width
        self.E = nn.Sequential(*layers)
        self.mlp = nn.Sequential(nn.Linear(DIM, DIM), nn.LeakyReLU(0.1), nn.Linear(DIM, DIM))

    def forward(self, images: Tensor) -> Tensor:
        return self.E(images.contiguous(memory_format=torch.channels_last)).mean((2, 3))

    def embed(self, images: Tensor) -> Tensor:
        """Images -> (N, 256), what the contrastive loss compares."""
        return self.mlp(self(images))


class MomentumContrast(nn.Module):
    r"""Two images of equal degradation a row, x_q and x_k (N, 3, H, W) -> logits (N, 1 + queue), the pair's first.

    Logits are cosines of embeddings over ``temperature``: of x_q with its own x_k, and with the keys of earlier
    batches, which a queue keeps. Trained by cross entropy with class 0 (InfoNCE; He et al. 2020, MoCo, as in the
    pre-training of Panini-Net). The keys' encoder follows the queries' as a moving average and gets no gradient.

    A call in training mode updates that average and the queue; in evaluation mode it changes nothing. queue: number of
    keys kept. Raises ValueError when a batch is larger than the queue or x_q and x_k differ in number.
    """

    queue: Tensor
    queue_ptr: Tensor

    def __init__(self, queue: int = 8192, *, momentum: float = 0.999, temperature: float = 0.07):
        super().__init__()
        self.momentum, self.temperature = momentum, temperature
        self.encoder_q = DegradationEncoder()
        self.encoder_k = copy.deepcopy(self.encoder_q).requires_grad_(False)
        self.register_buffer("queue", F.normalize(torch.randn(DIM, queue), dim=0))
        self.register_buffer("queue_ptr", torch.zeros(1, dtype=torch.long))

    def forward(self, x_q: Tensor, x_k: Tensor) -> Tensor:
        if len(x_q) != len(x_k) or len(x_q) > self.queue.shape[1]:
            most = self.queue.shape[1]
            raise ValueError(f"x_q and x_k must be as many, and at most the queue's {most}, got {len(x_q)}, {len(x_k)}")
        q = F.normalize(self.encoder_q.embed(x_q), dim=1)  # (N, D)
        with torch.no_grad():
            if self.training:
                self._follow()
            k = F.normalize(self.encoder_k.embed(x_k), dim=1)
        same = (q * k).sum(1, keepdim=True)  # (N, 1)
        other = q @ self.queue.clone().to(q.dtype)  # (N, queue); cloned, because the queue moves on before backward
        if self.training:
            self._enqueue(k)
        return torch.cat([same, other], dim=1) / self.temperature

    @torch.no_grad()
    def _follow(self) -> None:
        for slow, fast in zip(self.encoder_k.parameters(), self.encoder_q.parameters(), strict=True):
            slow.lerp_(fast, 1 - self.momentum)

    @torch.no_grad()
    def _enqueue(self, k: Tensor) -> None:
        """The new keys (N, D) take the places of the oldest."""
        size = self.queue.shape[1]
        places = (self.queue_ptr + torch.arange(len(k), device=k.device)) % size
        self.queue[:, places] = k.T.to(self.queue.dtype)
        self.queue_ptr.copy_((self.queue_ptr + len(k)) % size)
