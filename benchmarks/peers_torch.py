"""The peers in PyTorch: the dense and convolutional models in plain loops, and PyTorch's own MNIST example.

torchvision is not needed: its MNIST dataset and the two transforms of the example are written out, with the same work.
"""

import itertools
from functools import partial

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset
from turns import Stopwatch, best_rates

MEAN, DEVIATION, TEST_BATCH_SIZE = (0.1307,), (0.3081,), 1000  # of the example


def make_mlp(*widths: int) -> nn.Module:
    layers: list[nn.Module] = [nn.Flatten()]
    for num_inputs, num_outputs in itertools.pairwise(widths):
        layers += [nn.Linear(num_inputs, num_outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def make_cnn_2conv() -> nn.Module:
    convolutions = [nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 32, 3), nn.ReLU()]
    return nn.Sequential(*convolutions, nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12 * 12 * 32, 10))


def as_input(images):
    return torch.tensor(images).float().div(255).unsqueeze(1)


def predict_labels(model: nn.Module, batches):
    model.eval()
    with torch.no_grad():
        return torch.cat([model(images).argmax(1) for images in batches]).numpy()


class PlainLoop:
    """The loop of every tutorial; if `resident`, batches are gathered from a tensor by index, not by a `DataLoader`."""

    def __init__(self, make_model, make_optimizer, batch_size, resident, data):
        self.model, self.batch_size, self.resident = make_model(), batch_size, resident
        self.images, self.labels = as_input(data.train.images), torch.tensor(data.train.labels)
        self.optimizer = make_optimizer(self.model.parameters())
        tensors = TensorDataset(self.images, self.labels)
        self.loader = DataLoader(tensors, batch_size=batch_size, shuffle=True)

    def epoch(self) -> None:
        self.model.train()
        for images, labels in self._resident_batches() if self.resident else self.loader:
            self.optimizer.zero_grad()
            nn.functional.cross_entropy(self.model(images), labels).backward()
            self.optimizer.step()

    def predict(self, images):
        return predict_labels(self.model, as_input(images).split(TEST_BATCH_SIZE))

    def _resident_batches(self):
        for rows in torch.randperm(len(self.labels)).split(self.batch_size):
            yield self.images[rows], self.labels[rows]


class PictureSet(Dataset):
    """Makes each item a picture, then a tensor in [0, 1], and standardizes that, as torchvision does."""

    def __init__(self, split):
        self.images, self.labels = torch.tensor(split.images), torch.tensor(split.labels)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        image = to_tensor(Image.fromarray(self.images[index].numpy())).clone()
        mean, deviation = (torch.as_tensor(x).view(-1, 1, 1) for x in (MEAN, DEVIATION))
        return image.sub_(mean).div_(deviation), int(self.labels[index])


def to_tensor(picture: Image.Image) -> torch.Tensor:
    """Does what torchvision's `ToTensor` does with a gray picture."""
    pixels = torch.from_numpy(np.array(picture, copy=True))
    pixels = pixels.view(picture.size[1], picture.size[0], len(picture.getbands()))
    return pixels.permute((2, 0, 1)).contiguous().to(torch.float32).div(255)


def train_pytorch_example(data, *, seed: int, target: float) -> list[tuple[float, float]]:
    """Trains PyTorch's own MNIST example: Adadelta 1.0, times 0.7 each epoch, batch 64, at most 14 epochs.

    As the example does without an accelerator, the images are neither shuffled nor loaded by workers.

    Reference:
        https://github.com/pytorch/examples/blob/main/mnist/main.py
    """
    tests = DataLoader(PictureSet(data.test), batch_size=TEST_BATCH_SIZE)
    watch = Stopwatch(lambda: predict_labels(model, (x for x, _ in tests)), data.test.labels)
    torch.manual_seed(seed)
    loader = DataLoader(PictureSet(data.train), batch_size=64)
    convolutions = [nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU()]
    dense = [nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10)]
    between = [nn.MaxPool2d(2), nn.Dropout(0.25)]
    model = nn.Sequential(*convolutions, *between, *dense, nn.LogSoftmax(dim=1))
    optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)
    for _ in range(14):
        model.train()
        for images, labels in loader:
            optimizer.zero_grad()
            nn.functional.nll_loss(model(images), labels).backward()
            optimizer.step()
        if watch.look() >= target:
            break
        scheduler.step()
    return watch.curve


def matrix_rates(data, **work) -> dict[str, float]:
    def draw(shape, dtype):
        return torch.randn(shape).to(getattr(torch, dtype))

    return best_rates(torch.matmul, draw, **work)


def _contestants(make_model, make_optimizer, batch_size):
    loop = partial(PlainLoop, make_model, make_optimizer, batch_size)
    return {"pytorch_dataloader": partial(loop, False), "pytorch_resident": partial(loop, True)}


def _dense(*widths):
    make_model, adam = partial(make_mlp, *widths), partial(torch.optim.Adam, lr=1e-3)
    fused = partial(PlainLoop, make_model, partial(adam, fused=True), 128, True)
    return {**_contestants(make_model, adam, 128), "pytorch_resident_fused": fused}


CONTESTANTS = {
    "epoch_mlp_128": _dense(784, 128, 10),
    "epoch_mlp_1024_128": _dense(784, 1024, 128, 10),
    "epoch_cnn_2conv": _contestants(make_cnn_2conv, partial(torch.optim.SGD, lr=0.05), 64),
}
