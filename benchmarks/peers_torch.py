"""The peers in PyTorch: the dense and convolutional nets in plain loops, and PyTorch's own MNIST example.

torchvision is not needed: its MNIST set and the two transforms of the example are written out here, with the same work
for every image.
"""

import time

import numpy as np
import torch
from PIL import Image
from stopwatch import Stopwatch, Timed, seconds_of
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

MEAN, DEVIATION = 0.1307, 0.3081  # of the example
TEST_BATCH_SIZE = 1000  # of the example


def make_mlp(*hidden_units: int) -> nn.Module:
    widths = (784, *hidden_units)
    layers: list[nn.Module] = [nn.Flatten()]
    for num_inputs, num_outputs in zip(widths, hidden_units, strict=False):
        layers += [nn.Linear(num_inputs, num_outputs), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], 10))


def make_cnn_2conv() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 32, 3),
        nn.ReLU(),
        nn.Conv2d(32, 32, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(12 * 12 * 32, 10),
    )


class PlainLoop(Timed):
    """The loop of every tutorial.

    Args:
        net: Returns logits.
        data: An `ImageData`.
        batch_size: Images in a batch.
        optimizer: "adam" at 1e-3, or "sgd" at 0.05.
        resident: Whether whole batches are taken from a tensor in memory by index, rather than by a `DataLoader`.
        fused: Whether the optimizer is PyTorch's fused kernel; its default on CPU is not.
    """

    def __init__(self, net, data, *, batch_size, optimizer, resident=False, fused=None):
        self.net, self.batch_size, self.resident = net, batch_size, resident
        self.images = torch.tensor(data.train_images).float().div(255).unsqueeze(1)
        self.labels = torch.tensor(data.train_labels)
        self.optimizer = (
            torch.optim.Adam(net.parameters(), lr=1e-3, fused=fused)
            if optimizer == "adam"
            else torch.optim.SGD(net.parameters(), lr=0.05, fused=fused)
        )
        self.loss = nn.CrossEntropyLoss()
        self.loader = DataLoader(
            TensorDataset(self.images, self.labels), batch_size=batch_size, shuffle=True
        )

    def epoch(self) -> None:
        self.net.train()
        for images, labels in self._resident_batches() if self.resident else self.loader:
            self.optimizer.zero_grad()
            self.loss(self.net(images), labels).backward()
            self.optimizer.step()

    def predict(self, images: np.ndarray) -> np.ndarray:
        self.net.eval()
        with torch.no_grad():
            inputs = torch.tensor(images).float().div(255).unsqueeze(1)
            return torch.cat([self.net(x).argmax(1) for x in inputs.split(TEST_BATCH_SIZE)]).numpy()

    def _resident_batches(self):
        for rows in torch.randperm(len(self.labels)).split(self.batch_size):
            yield self.images[rows], self.labels[rows]


class PictureSet(Dataset):
    """Makes of each item a picture, of it a tensor in [0, 1], and standardises that, as torchvision does."""

    def __init__(self, images: np.ndarray, labels: np.ndarray):
        self.images, self.labels = torch.tensor(images), torch.tensor(labels)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        picture = Image.fromarray(self.images[index].numpy())
        return standardize(to_tensor(picture)), int(self.labels[index])


def to_tensor(picture: Image.Image) -> torch.Tensor:
    """Does what torchvision's `ToTensor` does with a grey picture."""
    pixels = torch.from_numpy(np.array(picture, copy=True))
    pixels = pixels.view(picture.size[1], picture.size[0], len(picture.getbands()))
    return pixels.permute((2, 0, 1)).contiguous().to(torch.float32).div(255)


def standardize(image: torch.Tensor) -> torch.Tensor:
    """Does what torchvision's `Normalize` does."""
    image = image.clone()
    mean = torch.as_tensor((MEAN,), dtype=image.dtype).view(-1, 1, 1)
    deviation = torch.as_tensor((DEVIATION,), dtype=image.dtype).view(-1, 1, 1)
    return image.sub_(mean).div_(deviation)


def matrix_rates(data, *, sizes, seconds: float) -> dict[str, float]:
    """Returns the best rate of PyTorch's matrix product over several sizes by dtype; `data` is not looked at."""
    rates = {}
    for dtype in (torch.float32, torch.bfloat16):
        best = 0.0
        for rows, inner, columns in sizes:
            a = torch.randn(rows, inner).to(dtype)
            b = torch.randn(inner, columns).to(dtype)
            torch.matmul(a, b)
            end = time.perf_counter() + seconds
            while time.perf_counter() < end:
                duration = seconds_of(lambda a=a, b=b: torch.matmul(a, b))
                best = max(best, 2 * rows * inner * columns / duration)
        rates[str(dtype).removeprefix("torch.")] = best
    return rates


def train_pytorch_example(
    data, *, seed: int, target: float, max_epochs: int = 14
) -> list[tuple[float, float]]:
    """Trains PyTorch's own MNIST example: Adadelta 1.0, times 0.7 each epoch, batch 64, at most 14 epochs.

    As the example does without an accelerator, the images are neither shuffled nor loaded by workers.

    Reference:
        https://github.com/pytorch/examples/blob/main/mnist/main.py
    """
    test_loader = DataLoader(
        PictureSet(data.test_images, data.test_labels), batch_size=TEST_BATCH_SIZE
    )
    watch = Stopwatch(lambda: _predict_labels(net, test_loader), data.test_labels)
    torch.manual_seed(seed)
    loader = DataLoader(PictureSet(data.train_images, data.train_labels), batch_size=64)
    net = nn.Sequential(
        nn.Conv2d(1, 32, 3),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.25),
        nn.Flatten(),
        nn.Linear(9216, 128),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(128, 10),
        nn.LogSoftmax(dim=1),
    )
    optimizer = torch.optim.Adadelta(net.parameters(), lr=1.0)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)
    for _ in range(max_epochs):
        net.train()
        for images, labels in loader:
            optimizer.zero_grad()
            nn.functional.nll_loss(net(images), labels).backward()
            optimizer.step()
        if watch.look() >= target:
            break
        scheduler.step()
    return watch.curve


def _predict_labels(net, loader):
    net.eval()
    with torch.no_grad():
        return torch.cat([net(images).argmax(1) for images, _ in loader]).numpy()


def _make_loop(make_net, *sizes, **options):
    return lambda data: PlainLoop(make_net(*sizes), data, **options)


_RESIDENT = {"resident": True}
_FUSED = {"resident": True, "fused": True}
_ADAM = {"batch_size": 128, "optimizer": "adam"}
_SGD = {"batch_size": 64, "optimizer": "sgd"}
CONTESTANTS = {
    "epoch_mlp_128": {
        "pytorch_dataloader": _make_loop(make_mlp, 128, **_ADAM),
        "pytorch_resident": _make_loop(make_mlp, 128, **_ADAM, **_RESIDENT),
        "pytorch_resident_fused": _make_loop(make_mlp, 128, **_ADAM, **_FUSED),
    },
    "epoch_mlp_1024_128": {
        "pytorch_dataloader": _make_loop(make_mlp, 1024, 128, **_ADAM),
        "pytorch_resident": _make_loop(make_mlp, 1024, 128, **_ADAM, **_RESIDENT),
        "pytorch_resident_fused": _make_loop(make_mlp, 1024, 128, **_ADAM, **_FUSED),
    },
    "epoch_cnn_2conv": {
        "pytorch_dataloader": _make_loop(make_cnn_2conv, **_SGD),
        "pytorch_resident": _make_loop(make_cnn_2conv, **_SGD, **_RESIDENT),
    },
}
